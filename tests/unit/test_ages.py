"""Times as operators write them."""

from __future__ import annotations

import pytest

from tfce.config.readers import age


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("12h", 43200), ("2d", 172800)]
)
def test_an_age(text: str, seconds: int) -> None:
    assert age(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "0", "-1h", "1.5h", "1w", "²d", "9999999d", "1 h"])
def test_no_age(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time such as"):
        age(text)
