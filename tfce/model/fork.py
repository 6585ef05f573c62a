"""State of a process that a fork must not take along: DIRAC's agents fork, also while another thread is at work.

In the child that thread does not exist: a lock that it held is never given back, and what it had begun never ends.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """Something that begins anew in a forked child."""

    def forked(self) -> None:
        """Forget what threads that are gone were at."""


_known: WeakSet[ForkAware] = WeakSet()


def watch(one: ForkAware) -> None:
    """Let ``one`` begin anew in each child that is forked while it lives."""
    _known.add(one)


class Lock:
    """``threading.Lock``, as a context; nobody holds it in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        watch(self)

    def forked(self) -> None:
        """Whoever held it is gone."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lock = self._lock
        if lock.locked():  # in a child that was forked while it was held by the same thread, it is a new one
            lock.release()


class Handle:
    """An open file's handle, as a context that gives its number. A forked child does not have it, and so no part
    in a lock on it; a program that is started has it where it is passed on."""

    def __init__(self, path: str | os.PathLike[str], flags: int, mode: int) -> None:
        self._number: int | None = os.open(path, flags, mode)
        watch(self)

    def forked(self) -> None:
        """It is its parent's."""
        self.close()

    def close(self) -> None:
        """Close it, once."""
        number, self._number = self._number, None
        if number is not None:
            os.close(number)

    def __enter__(self) -> int:
        assert self._number is not None
        return self._number

    def __exit__(self, *error: object) -> None:
        self.close()


def _forked() -> None:
    for one in list(_known):
        one.forked()


os.register_at_fork(after_in_child=_forked)
