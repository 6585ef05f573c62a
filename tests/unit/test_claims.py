"""No test holds on nothing: a claim of all things, or of a part, is made of at least one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claims import every, subset

TESTS = Path(__file__).resolve().parents[1]


def _is_call(node: ast.expr | None, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def hollow(source: str) -> Iterator[int]:
    """The lines of asserts that hold where there is nothing: ``all(...)``, and a set that is part of another."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assert):
            continue
        claim = node.test
        part = isinstance(claim, ast.Compare) and isinstance(claim.ops[0], ast.LtE)
        left = claim.left if isinstance(claim, ast.Compare) else None
        if _is_call(claim, "all") or (part and (isinstance(left, ast.SetComp) or _is_call(left, "set"))):
            yield node.lineno


@pytest.mark.parametrize("line", ["assert all(x for x in y)", "assert set(a) <= b", "assert {x for x in y} <= b"])
def test_such_an_assert_is_found(line: str) -> None:
    assert list(hollow(line)) == [1]


def test_no_assert_holds_on_nothing() -> None:
    sources = {path.relative_to(TESTS): path.read_text() for path in sorted(TESTS.rglob("*.py"))}
    assert len(sources) > 150
    found = [f"{path}:{line}" for path, source in sources.items() for line in hollow(source)]
    assert found == [], "say `every` or `subset` of tests/claims.py, or `assert not [what does not hold]`"


def test_the_words_for_it() -> None:
    assert every([1, "x"]) and not every([]) and not every([1, 0])
    assert subset({1}, {1, 2}) and not subset(set(), {1}) and not subset({3}, {1})
