"""The reference page says what tfce does."""

from __future__ import annotations

import re

from tests.dirac import reference
from tfce.config.settings import OPTIONS


def test_the_docstring_has_every_option_as_it_is() -> None:
    assert reference.options() in reference.docstring(), "run: python -m tests.dirac.reference"


def test_the_docstring_has_no_option_that_is_none() -> None:
    named = re.findall(
        r"^((?:Cloud|Instance|Context|Terraform|Workspace|Max|max|Number)\w+):$", reference.docstring(), re.M
    )
    assert named == [option.name for option in OPTIONS]
