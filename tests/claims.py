"""What a test claims of many things, and of at least one: ``assert all(...)`` holds on nothing, too."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def every(claims: Iterable[object]) -> bool:
    """Whether there are claims, and all of them are true."""
    found = list(claims)
    return bool(found) and all(found)


def subset(some: Collection[object], whole: Collection[object]) -> bool:
    """Whether there is something in ``some``, and nothing that ``whole`` has not."""
    return bool(some) and set(some) <= set(whole)
