"""File locks: one writer per workspace. The only user of filelock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tfce.model.errors import BusyError, WorkspaceError
from tfce.model.trace import span
from tfce.store import files, holder

Release = Callable[[], object]


@contextmanager
def exclusive(path: Path, timeout: float, what: str, note: Path | None = None) -> Iterator[None]:
    """Hold the lock file ``path``; wait at most ``timeout`` seconds, then raise ``BusyError``, which names
    who holds it where that is noted in ``note``.

    The kernel drops the lock when its process dies, so no stale lock is ever left.
    """
    files.clear(path)
    lock = FileLock(path, timeout=timeout, mode=0o600)
    try:
        with span("phase", f"wait for {path.name}"):
            lock.acquire()
    except Timeout as error:
        who = (holder.holder(note) if note else None) or "somebody else"
        raise BusyError(
            f"{what} is busy: {who} held it for {timeout:g} s", "nothing was changed, try again later"
        ) from error
    except OSError as error:
        raise WorkspaceError(
            f"{path}: cannot be locked ({error.strerror})", "check the folder's rights"
        ) from error
    try:
        with holder.noted(note) if note else nullcontext():
            yield
    finally:
        lock.release()


def free(path: Path) -> Release | None:
    """Hold the lock file ``path``; returns what gives it back, in any thread. None where somebody holds it."""
    files.clear(path)
    lock = FileLock(path, timeout=0, mode=0o600, thread_local=False)
    with suppress(Timeout):
        lock.acquire()
        return lock.release
    return None
