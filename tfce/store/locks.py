"""File locks: one writer per workspace, and a bound on Terraform runs per host. The only user of filelock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tfce.model.errors import BusyError, WorkspaceError
from tfce.model.trace import span
from tfce.store import files, holder

SLOT_PATIENCE = 15.0  # seconds in which a Terraform run ends that waits for no cloud
_MOST_SLOTS = 4  # times the number that is allowed


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


@contextmanager
def slot(folder: Path, count: int, timeout: float, patience: float = SLOT_PATIENCE) -> Iterator[None]:
    """Hold one of ``count`` slots in ``folder``, so that at most so many Terraform runs share a host.

    hazard: runs whose cloud hangs take no CPU, and would keep all other clouds' queues waiting. So who has waited
    for ``patience`` seconds finds as many slots more, and so on, up to four times ``count``.
    """
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        lock = _free(folder, count * min(1 + int(waited // patience), _MOST_SLOTS))
        if lock is not None:
            break
        if waited > timeout:
            raise BusyError(
                f"{count} Terraform runs were under way for {timeout:g} s",
                "nothing was changed, try again later or raise Terraform_MaxProcesses",
            )
        with span("pause", "other queues' Terraforms are at work"):
            time.sleep(0.1)
    try:
        yield
    finally:
        lock.release()


def _free(folder: Path, count: int) -> FileLock | None:
    """The first slot that nobody holds, held."""
    for number in range(count):
        files.clear(folder / f"slot-{number}.lock")
        lock = FileLock(folder / f"slot-{number}.lock", timeout=0, mode=0o600)
        with suppress(Timeout):
            lock.acquire()
            return lock
    return None
