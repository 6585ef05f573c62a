"""The README's table of options: made here, kept in step by tests/unit/test_readme.py.

``python -m tests.readme --write`` writes it into the README.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tfce.config.settings import OPTIONS

README = Path(__file__).resolve().parent.parent / "README.md"
_PLACE = re.compile(r"(<!-- options: [^>]*-->\n).*?(<!-- end of options -->)", re.DOTALL)


def table() -> str:
    """The options as a Markdown table."""
    rows = ["| option | default | meaning | example |", "|---|---|---|---|"]
    for option in OPTIONS:
        default = "**required**" if option.required else (f"`{option.default}`" if option.default else "")
        rows.append(f"| `{option.name}` | {default} | {option.help} | `{option.example}` |")
    return "\n".join(rows) + "\n"


def updated(text: str) -> str:
    """The README's text with today's table."""
    return _PLACE.sub(lambda found: f"{found[1]}{table()}{found[2]}", text)


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(updated(README.read_text()))
    else:
        print(table())
