"""The README says what tfce does."""

from __future__ import annotations

from tests import readme


def test_the_table_of_options_is_up_to_date() -> None:
    text = readme.README.read_text()
    assert "<!-- end of options -->" in text
    assert readme.updated(text) == text, "run: python -m tests.readme --write"
