"""Who holds a lock: a note beside it, for people. The lock itself is the kernel's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tfce.model.errors import TfceError
from tfce.model.pilot import moment, timestamp
from tfce.store import files
from tfce.store.actor import actor, doing


@dataclass(frozen=True)
class Holder:
    """Whose process, what it does, and since when."""

    user: str
    host: str
    pid: int
    program: str
    doing: str
    since: datetime

    @property
    def who(self) -> str:
        """User, host, program, what it does and its process, for people."""
        what = f"{self.program} {self.doing}".strip()
        return f"{self.user}@{self.host} ({what}, process {self.pid})"

    def __str__(self) -> str:
        return f"{self.who}, since {timestamp(self.since)},"


@contextmanager
def noted(path: Path) -> Iterator[None]:
    """Note in ``path`` that this process holds the lock. That nobody can note it stops no work."""
    entry = {
        **actor(),
        "doing": doing.get(),
        "since": timestamp(datetime.now(UTC)),
        "started": _started(os.getpid()),
    }
    with suppress(TfceError, OSError):
        files.write(path, json.dumps(entry) + "\n", durable=False)
    try:
        yield
    finally:
        with suppress(TfceError, OSError):
            files.remove(path)


def holder(path: Path) -> Holder | None:
    """Who holds the lock, by the note ``path``; None where nobody does, or nobody knows. A note that a process of
    this host left when it was killed is not believed."""
    note = files.believed_json(path)
    try:
        user, host, program, what = (str(note[name]) for name in ("user", "host", "program", "doing"))
        found = Holder(user, host, int(note["pid"]), program, what, moment(note["since"]))
    except (KeyError, ValueError, TypeError):
        return None
    here = found.host == actor()["host"]
    return None if here and _started(found.pid) != note.get("started") else found


def _started(pid: int) -> str:
    """When a process of this host began, in the kernel's ticks; "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
