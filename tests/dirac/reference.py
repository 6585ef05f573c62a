"""The options as they stand in the element's docstring: made here, kept in step by test_reference.py.

``python tests/dirac/reference.py`` writes them into the docstring. Needs no DIRAC.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

from tfce.config.declared import Option
from tfce.config.settings import OPTIONS

ELEMENT = Path(__file__).parents[2] / "tfce/Resources/Computing/TerraformComputingElement.py"
_BEGIN, _END = "  endpoint. For EC2: ", "Example\n-------"


def options() -> str:
    """Every option but ``Driver_*``, as a definition list like CloudCE's."""
    return "\n\n".join(_entry(option) for option in OPTIONS)


def _entry(option: Option) -> str:
    need = "Required" if option.required else "Optional"
    default = f" Default: {option.default}." if option.default else ""
    text = f"({need}) {option.help[0].upper()}{option.help[1:]}.{default} Example: ``{option.example}``"
    lines = textwrap.wrap(text, 106, break_long_words=False, break_on_hyphens=False)
    return f"{option.name}:\n" + "\n".join(f"  {line}" for line in lines)


def docstring() -> str:
    """The docstring of the element's module, read without importing DIRAC."""
    return ast.get_docstring(ast.parse(ELEMENT.read_text()), clean=False) or ""


def main() -> None:
    """Write the options into the docstring."""
    text = ELEMENT.read_text()
    pattern = re.compile(rf"({re.escape(_BEGIN)}[^\n]*\n).*?({_END})", re.DOTALL)
    ELEMENT.write_text(pattern.sub(lambda m: f"{m[1]}\n{options()}\n\n{m[2]}", text, count=1))


if __name__ == "__main__":
    main()
