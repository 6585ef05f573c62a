"""What nobody foresaw: one line for people, and the traceback in a private file."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from tfce.model.errors import shorten
from tfce.model.redact import redacted

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def report(error: BaseException) -> str:
    """The line that says what is unexpected, and where its details are. Raises nothing."""
    what = type(error).__name__
    with suppress(Exception):
        what = shorten(redacted(f"{what}: {error}" if str(error) else what))
    with suppress(Exception):
        return f"unexpected: {what}; details in {_kept(error)}"
    return f"unexpected: {what}; its details could not be written down"


def _kept(error: BaseException) -> Path:
    """One file for each place that something unexpected comes from, however often it comes."""
    frames = traceback.extract_tb(error.__traceback__)
    place = "".join(f"{frame.filename}:{frame.lineno}" for frame in frames) + type(error).__name__
    mark = hashlib.sha256(place.encode()).hexdigest()[:8]
    path = Path(tempfile.gettempdir()) / f"tfce-{os.geteuid()}-{mark}.log"
    text = redacted("".join(traceback.format_exception(error)))
    handle, path = _opened(path)
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
        stream.write(text)
    return path


def _opened(path: Path) -> tuple[int, Path]:
    """The file at ``path`` if it is ours alone; else, somebody knew its name before us, another one."""
    with suppress(OSError):
        handle = os.open(path, _FLAGS, 0o600)
        status = os.fstat(handle)
        if _ours(status):
            os.ftruncate(handle, 0)
            return handle, path
        os.close(handle)
    other, name = tempfile.mkstemp(prefix="tfce-", suffix=".log")
    return other, Path(name)


def _ours(status: os.stat_result) -> bool:
    private = stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077
    return private and status.st_uid == os.geteuid() and status.st_nlink == 1
