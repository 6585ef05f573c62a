"""Facts are types: nothing takes one of our own sentences apart, or compares one with another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tfce

SOURCES = Path(tfce.__file__).parent
SENTENCES = frozenset(("message", "problem", "cure", "detail", "summary", "moved"))  # words for people
TAKES_APART = "endswith find index partition removeprefix removesuffix replace rpartition split startswith"
APART = frozenset(TAKES_APART.split())
# Somebody else's words, which come with no code.
ARGUED = {
    "cloud/openstack/session.py": "libcloud says only in words that a catalogue lacks a service",
}


def apart(tree: ast.AST) -> Iterator[int]:
    """The lines in which a sentence is taken apart."""
    for node in ast.walk(tree):
        texts: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in APART:
            texts = [node.func.value]
        elif isinstance(node, ast.Compare) and any(isinstance(one, ast.In | ast.NotIn) for one in node.ops):
            texts = node.comparators
            yield from [node.lineno] * is_field(node.left)
        yield from (one.lineno for one in texts if is_sentence(one))


def is_field(node: ast.expr) -> bool:
    """Whether this is such a text in something that was read: ``x["summary"]``, ``x.get("summary")``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        key: ast.expr | None = node.args[0] if node.args else None
    else:
        key = node.slice if isinstance(node, ast.Subscript) else None
    return isinstance(key, ast.Constant) and key.value in SENTENCES


def is_sentence(node: ast.expr) -> bool:
    """Whether this is a text for people: an attribute of such a name, or an error or holder as a text."""
    if is_field(node):
        return True
    if isinstance(node, ast.Subscript):
        return is_sentence(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        return (
            len(node.args) == 1 and isinstance(node.args[0], ast.Name) and node.args[0].id in ("error", "holder")
        )
    return isinstance(node, ast.Attribute) and node.attr in SENTENCES


def test_no_sentence_of_ours_is_taken_apart() -> None:
    paths = [path for path in sorted(SOURCES.rglob("*.py")) if "_data" not in path.parts]
    assert len(paths) > 200
    found = {
        f"{path.relative_to(SOURCES).as_posix()}:{line}"
        for path in paths
        for line in apart(ast.parse(path.read_text()))
    }
    assert {one for one in found if one.partition(":")[0] not in ARGUED} == set()
    assert {one.partition(":")[0] for one in found} == set(ARGUED)


@pytest.mark.parametrize(
    "text",
    [
        "error.problem.removeprefix('listing VMs: ')",
        "words in facts.error.message",
        "str(holder).removesuffix(',')",
        "row.cure.replace('CE/QUEUE', label)",
        "error.message.split('; ')[1]",
        "document.moved.partition(' ')[0]",
        "diagnostic.get('summary') in known",
        "diagnostic['summary'].startswith('Pilot ')",
    ],
)
def test_it_is_seen(text: str) -> None:
    assert list(apart(ast.parse(text))) == [1]


def test_names_and_paths_are_no_sentences() -> None:
    assert list(apart(ast.parse("name.split('/'); one in known; path.name.removeprefix('x')"))) == []
