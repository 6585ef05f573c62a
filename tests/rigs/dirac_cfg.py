"""DIRAC's CFG format, written from plain dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def dump(tree: Mapping[str, Any]) -> str:
    """The CFG text of ``tree``: sections are mappings, options anything else; a list is a list of values."""
    return "\n".join(_lines(tree)) + "\n"


def _lines(tree: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            lines += [name, "{", *(f"  {line}" for line in _lines(value)), "}"]
        else:
            lines.append(f"{name} = {', '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}")
    return lines
