"""File locks: one writer per workspace, and a bound on Terraform runs per host. The only user of filelock."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from tfce.model.errors import BusyError, WorkspaceError
from tfce.model.trace import span
from tfce.store import files, holder


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
def slot(folder: Path, count: int, timeout: float) -> Iterator[None]:
    """Hold one of ``count`` slots in ``folder``, so that at most so many Terraform runs share a host."""
    deadline = time.monotonic() + timeout
    for number in itertools.cycle(range(count)):
        files.clear(folder / f"slot-{number}.lock")
        lock = FileLock(folder / f"slot-{number}.lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            if number < count - 1:
                continue
            if time.monotonic() > deadline:
                raise BusyError(
                    f"{count} Terraform runs were under way for {timeout:g} s",
                    "nothing was changed, try again later or raise Terraform_MaxProcesses",
                ) from None
            with span("pause", "other queues' Terraforms are at work"):
                time.sleep(0.1)
            continue
        try:
            yield
        finally:
            lock.release()
        return
