"""The reference says what the code does."""

from __future__ import annotations

import pytest

from tests import reference


@pytest.mark.parametrize("name", reference.MADE)
def test_a_page_is_in_step_with_the_code(name: str) -> None:
    assert (reference.PAGES / name).read_text() == reference.page(name), "run: python -m tests.reference --write"


def test_the_pages_are_about_something() -> None:
    assert "## tfce submit" in reference.commands() and "--wrapper" in reference.commands()
    assert "`tfce_pilots`" in reference.provider() and "map of string" in reference.provider()
    assert "| `CloudType` | **required** |" in reference.options()
