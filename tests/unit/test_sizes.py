"""Modules that a person reads in one sitting: what is longer says here why, and goes from here when it is not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tfce

SOURCES = Path(tfce.__file__).parent
MODULE, CLASS, FUNCTION = 300, 200, 40
ARGUED = {
    "Resources/Computing/TerraformComputingElement.py": "half of it is the docstring that DIRAC's site shows",
}


def lengths(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, length and bound of a module, its classes and its functions."""
    name, text = path.relative_to(SOURCES).as_posix(), path.read_text()
    yield name, len(text.splitlines()), MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            bound = CLASS if isinstance(node, ast.ClassDef) else FUNCTION
            yield f"{name} {node.name}", (node.end_lineno or 0) - node.lineno + 1, bound


def test_what_is_long_is_argued_and_nothing_else_is() -> None:
    all_of_it = [
        one for path in sorted(SOURCES.rglob("*.py")) if "_data" not in path.parts for one in lengths(path)
    ]
    assert len(all_of_it) > 500
    assert {name for name, length, bound in all_of_it if length > bound} == set(ARGUED)
