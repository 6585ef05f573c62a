"""What all tests share: no secret of one test hides a word of another's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tfce.model import redact


@pytest.fixture(autouse=True)
def no_secret_is_known() -> Iterator[None]:
    redact.forget()
    yield
    redact.forget()
