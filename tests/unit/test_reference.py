"""The reference says what the code does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import reference


def same_argparse(name: str = "commands.md") -> None:
    if name == "commands.md" and sys.version_info[:2] != (3, 11):
        pytest.skip("each Python's argparse has its own words: the pages have those of 3.11")


@pytest.mark.parametrize("name", reference.MADE)
def test_a_page_is_in_step_with_the_code(name: str) -> None:
    same_argparse(name)
    assert (reference.PAGES / name).read_text() == reference.page(name), "run: python -m tests.reference --write"


@pytest.mark.parametrize("readme", reference.MODULE_PAGES, ids=lambda path: path.parent.name)
def test_the_inputs_of_a_root_modules_page_are_those_of_its_variables(readme: Path) -> None:
    assert readme.read_text() == reference.module_page(readme), "run: python -m tests.reference --write"


_VARIABLES = """\
variable "size" {
  description = "How large; name:<exact name>."
  type        = number
  default     = 0
}

variable "who" {
  description = "Whose."
  type        = list(string)
  default = [
    "me", # us
  ]
}

variable "name" {
  type     = string
  nullable = false

  validation {
    condition = true
  }
}
"""


def test_the_table_of_inputs_shows_type_default_and_meaning() -> None:
    assert reference.inputs(_VARIABLES).splitlines()[2:] == [
        "| `size` | `number` | `0` | How large; name:&lt;exact name&gt; |",
        '| `who` | `list(string)` | `["me"]` | Whose |',
        "| `name` | `string` | **required** |  |",
    ]
    assert [path.parent.name for path in reference.MODULE_PAGES] == ["aws", "bulk", "openstack"]


def test_the_man_page_is_in_step_with_the_parser() -> None:
    same_argparse()
    pytest.importorskip("argparse_manpage", reason="needs argparse-manpage: pip install --group test")
    assert reference.MANUAL.read_text() == reference.manual(), "run: python -m tests.reference --write"


def test_the_man_page_has_every_command_and_no_line_that_roff_would_obey() -> None:
    text = reference.MANUAL.read_text()
    assert [name for name in reference.commanded() if f".SS \\fBtfce {name}\\fR" not in text] == []
    requests = {line.split()[0] for line in text.splitlines() if line[:1] in (".", "'")}
    assert requests <= {'.\\"', ".TH", ".SH", ".SS", ".TP", ".B", ".RS", ".RE"}


def test_the_pages_are_about_something() -> None:
    assert "## tfce submit" in reference.commands() and "--wrapper" in reference.commands()
    assert "`tfce_pilots`" in reference.provider() and "map of string" in reference.provider()
    assert "| `CloudType` | **required** |" in reference.options()


def test_the_page_of_files_names_all_that_a_life_leaves_and_nothing_else() -> None:
    assert set(reference._life()) == set(reference._FILES)


def test_every_exit_code_has_a_meaning_and_none_has_two() -> None:
    page = reference.commands()
    assert [f"| {code} |" in page for code in range(6)] == [True] * 6 and "configuration" in page
