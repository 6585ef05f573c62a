"""No test holds on nothing: a claim of all things, or of a part, is made of at least one; so is one in a loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claims import every, some, subset

TESTS = Path(__file__).resolve().parents[1]
# What gives as much as it is given, as a loop sees it.
_SAME = ("enumerate", "sorted", "reversed", "list", "set", "items", "values", "keys")
# Loops that find nothing on some of many pages or modules, and that a count of all of them stands beside.
ARGUED = {
    "unit/test_docs.py": "a page may have no link, no test's name, no command; a record may replace none",
    "unit/test_imports.py": "a module may import nothing",
}


def _is_call(node: ast.expr | None, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _claims(node: ast.expr) -> Iterator[ast.expr]:
    """What an assert claims: each side of an ``and`` by itself."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        for one in node.values:
            yield from _claims(one)
    else:
        yield node


def hollow(source: str) -> Iterator[int]:
    """The lines of asserts that hold where there is nothing: ``all(...)``, and a set that is part of another."""
    for node in [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Assert)]:
        for claim in _claims(node.test):
            part = isinstance(claim, ast.Compare) and isinstance(claim.ops[0], ast.LtE)
            left = claim.left if isinstance(claim, ast.Compare) else None
            if _is_call(claim, "all") or (part and (isinstance(left, ast.SetComp) or _is_call(left, "set"))):
                yield node.lineno


def idle(source: str) -> Iterator[int]:
    """The lines of loops with asserts in them that may run for nothing, and nothing before them says otherwise."""
    for test in ast.walk(ast.parse(source)):
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            inside = list(ast.walk(test))
            loops = [one for one in inside if isinstance(one, ast.For)]
            asserts = [one for one in inside if isinstance(one, ast.Assert)]
            for loop in loops:
                before = [ast.unparse(one) for one in asserts if one.lineno < loop.lineno]
                within = [one for one in asserts if loop.lineno < one.lineno <= (loop.end_lineno or 0)]
                if within and not _runs(loop.iter, test, before):
                    yield loop.lineno


def _runs(node: ast.expr, test: ast.FunctionDef, before: list[str]) -> bool:
    """Whether there is something in what a loop goes through: it is written there, it is a constant, or an assert
    ``before`` is about it."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict | ast.Constant):
        return True
    if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).rpartition(".")[2].isupper():
        return True
    if _is_call(node, "some", "range") or ast.unparse(node).startswith("ast.walk("):
        return True
    if isinstance(node, ast.Call):
        inner = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in (*_SAME, "zip") and any(_runs(one, test, before) for one in inner):
            return True
    written = [
        one.value
        for one in ast.walk(test)
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.value and isinstance(node, ast.Name)
        if node.id in {ast.unparse(name) for name in getattr(one, "targets", [getattr(one, "target", None)])}
    ]
    literal = [one for one in written if isinstance(one, ast.Tuple | ast.List | ast.Set | ast.Dict)]
    return any(ast.unparse(node) in said for said in before) or bool(literal and len(literal) == len(written))


@pytest.mark.parametrize(
    "line",
    [
        "assert all(x for x in y)",
        "assert a and all(x for x in y)",
        "assert a and (b and set(c) <= d)",
        "assert set(a) <= b",
        "assert {x for x in y} <= b",
    ],
)
def test_such_an_assert_is_found(line: str) -> None:
    assert list(hollow(line)) == [1]


@pytest.mark.parametrize("things", ["things()", "self.things", "sorted(things)", "things.items()", "zip(a, b)"])
def test_such_a_loop_is_found(things: str) -> None:
    assert list(idle(f"def test_it(things):\n    for one in {things}:\n        assert one")) == [2]


@pytest.mark.parametrize("things", ["(1, 2)", "some(things())", "ALL", "sorted(ALL.items())", "zip((1, 2), x)"])
def test_a_loop_that_runs_is_not(things: str) -> None:
    assert list(idle(f"def test_it():\n    for one in {things}:\n        assert one")) == []


def sources() -> dict[Path, str]:
    found = {path.relative_to(TESTS): path.read_text() for path in sorted(TESTS.rglob("*.py"))}
    assert len(found) > 150
    return found


def test_no_assert_holds_on_nothing() -> None:
    found = [f"{path}:{line}" for path, source in sources().items() for line in hollow(source)]
    assert found == [], "say `every` or `subset` of tests/claims.py, or `assert not [what does not hold]`"


def test_no_loop_of_asserts_runs_for_nothing() -> None:
    found = {path: [f"{path}:{line}" for line in idle(source)] for path, source in sources().items()}
    assert {path.as_posix() for path, lines in found.items() if lines} >= set(ARGUED)
    wrong = [line for path, lines in found.items() if path.as_posix() not in ARGUED for line in lines]
    assert wrong == [], "go through `some(...)` of tests/claims.py"


def test_the_words_for_it() -> None:
    assert every([1, "x"]) and not every([]) and not every([1, 0])
    assert subset({1}, {1, 2}) and not subset(set(), {1}) and not subset({3}, {1})
    assert some(iter("ab")) == ["a", "b"]
    with pytest.raises(AssertionError):
        some([])
