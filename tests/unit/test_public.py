"""The public surface: what is exported is there, is what it says, and its documentation runs."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path

import pytest

import tfce

PAGE = Path(tfce.__file__).parents[1] / "docs" / "reference" / "python.md"


@pytest.mark.parametrize("name", tfce.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    assert name in dir(tfce)
    assert inspect.getdoc(getattr(tfce, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tfce.nothing  # noqa: B018


def test_type_checkers_see_what_is_imported_late() -> None:
    text = Path(tfce.__file__).read_text()
    assert tfce.__all__ == sorted(tfce._HOMES)
    for name, home in tfce._HOMES.items():
        assert f"from {home} import " in text and getattr(tfce, name).__module__ == home


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert done.attempted >= 6 and not done.failed
