"""Lets one Terraform at a time into a workspace: each holds a lock file, also after its tfce was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tfce.model import fork
from tfce.model.errors import BusyError
from tfce.model.trace import span
from tfce.store import files
from tfce.terraform import process


@contextlib.contextmanager
def run_lock(folder: Path, label: str, patience: float) -> Iterator[int]:
    """Hold ``folder``'s lock for a run; the handle, for the run to keep open: the lock lives as long as the last
    process that has it. Raises ``BusyError`` after ``patience`` seconds."""
    path = folder / "terraform.lock"
    files.clear(path)
    with fork.Handle(path, os.O_RDWR | os.O_CREAT, files.PRIVATE_FILE) as handle:
        # A ready-made provider whose Terraform is gone would hold the lock for ever.
        if not _locked(handle, patience) and not (
            _end_left_over(handle) and _locked(handle, process.TERMINATE_GRACE)
        ):
            problem = f"{label} is busy: a Terraform of an earlier cycle is still at work (it holds {path})"
            raise BusyError(problem, "nothing was changed, try again later")
        yield handle


def write_holder(handle: int, pid: int | None) -> None:
    """Say in the lock's file which Terraform holds it. A full disk is no reason to stop."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(pid or "").encode(), 0)


def _locked(handle: int, patience: float) -> bool:
    """Whether the file could be locked within ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        with span("pause", "an earlier Terraform is at work"):
            time.sleep(0.05)


def _end_left_over(handle: int) -> bool:
    """Where the Terraform that took the lock is gone, and only what it started still holds it: kill that."""
    text = os.pread(handle, 20, 0)
    pid = int(text) if text.isdigit() else 0
    if pid <= 1 or process.at_work(pid):
        return False
    process.end_group(pid)  # its number stays taken as long as one of its group lives
    return True
