"""What a test claims of many things, and of at least one: ``assert all(...)`` holds on nothing, too, and so does a
loop that never runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

Thing = TypeVar("Thing")


def every(claims: Iterable[object]) -> bool:
    """Whether there are claims, and all of them are true."""
    found = list(claims)
    return bool(found) and all(found)


def subset(some: Collection[object], whole: Collection[object]) -> bool:
    """Whether there is something in ``some``, and nothing that ``whole`` has not."""
    return bool(some) and set(some) <= set(whole)


def some(things: Iterable[Thing]) -> list[Thing]:
    """The ``things``, for a loop with claims in it. Fails where there are none."""
    found = list(things)
    assert found, "there is nothing to look at"
    return found
