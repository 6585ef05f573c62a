"""Walks through all worlds that a model can come to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

World = TypeVar("World", bound=Hashable)


def walk(start: World, steps: Callable[[World], Iterable[World]], broad: bool = False) -> Iterator[World]:
    """``start`` and all that ``steps`` lead to, each once: the newest first, or with ``broad`` the nearest."""
    seen, open_ = {start}, deque([start])
    while open_:
        world = open_.popleft() if broad else open_.pop()
        yield world
        for after in steps(world):
            if after not in seen:
                seen.add(after)
                open_.append(after)
