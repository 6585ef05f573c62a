"""Every step of a program that a crash may come before: what Python itself says of files, processes and requests.

An audit hook hears of each open for writing, rename, removal, link, new folder, process and request; ``os.fsync``
is the one step that Python does not tell of, and is wrapped. Nothing is listed by hand.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PLAIN = ("os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.symlink")
_PAIRS = ("os.rename", "os.link")
_REQUESTS = ("subprocess.Popen", "os.posix_spawn", "http.client.connect", "http.client.send", "socket.bind")


def _text(value: object) -> str:
    return os.fsdecode(value) if isinstance(value, (str, bytes)) else ""


def step_of(event: str, arguments: tuple[Any, ...]) -> tuple[str, tuple[str, ...]] | None:
    """What an audit event is a step of: its name, and the paths it changes. None for what changes nothing."""
    if event == "open":
        path, _, flags = arguments
        changes = isinstance(path, (str, bytes)) and isinstance(flags, int) and flags & _WRITES
        return ("open", (_text(path),)) if changes and not _text(path).startswith(("/dev/", "/proc/")) else None
    if event in _PLAIN:
        return event, (_text(arguments[0]),)
    if event in _PAIRS:
        return event, (_text(arguments[0]), _text(arguments[1]))
    return (event, ()) if event in _REQUESTS else None


@dataclass
class Disk:
    """What a loss of power would leave of ``root``: what was changed, as it was before, until it is fsynced."""

    root: Path
    names: dict[str, bytes | None] = field(default_factory=dict)  # by name: what it meant on the disk
    data: dict[str, bytes] = field(default_factory=dict)  # by name: what its file holds on the disk

    def before(self, step: str, paths: tuple[str, ...]) -> None:
        """Something is about to change."""
        mine = [os.path.abspath(path) for path in paths]
        for path in mine:
            if not path.startswith(f"{self.root}/"):
                return
        if step == "open":
            self._opened(mine[0])
        elif step in ("os.rename", "os.link"):
            self._named(mine[1])
            held = self.data.pop(mine[0], None) if step == "os.rename" else self.data.get(mine[0])
            self.data.pop(mine[1], None)
            if held is not None:
                self.data[mine[1]] = held
            if step == "os.rename":
                self._named(mine[0])
        elif step in ("os.remove", "os.mkdir", "os.symlink") and not os.path.isdir(mine[0]):
            self._named(mine[0])
            self.data.pop(mine[0], None)

    def _named(self, path: str) -> None:
        self.names.setdefault(path, _content(path))

    def _opened(self, path: str) -> None:
        there = _content(path)
        if there is None:
            self._named(path)
        self.data.setdefault(path, there or b"")

    def synced(self, path: str) -> None:
        """``path`` is on the disk: a file's data, a folder's names."""
        if os.path.isdir(path):
            for name in [name for name in self.names if os.path.dirname(name) == path]:
                del self.names[name]
        else:
            self.data.pop(path, None)

    def lose(self, names_too: bool) -> None:
        """The power is gone. What was not fsynced is lost: the data of files, and with ``names_too`` also what was
        made, renamed and removed."""
        for path, old in self.data.items():
            if os.path.isfile(path):
                _say(path, old)
        for path, was in (self.names if names_too else {}).items():
            if was is None:
                _away(path)
            else:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                _say(path, was)


def _content(path: str) -> bytes | None:
    with contextlib.suppress(OSError):
        return Path(path).read_bytes()
    return b"" if os.path.lexists(path) else None


def _say(path: str, data: bytes) -> None:
    """Another file of that name: the old one may have a second name."""
    Path(path).unlink(missing_ok=True)
    Path(path).write_bytes(data)


def _away(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        Path(path).unlink(missing_ok=True)


class Watch:
    """Counts the steps, and calls ``at`` before each with its number and name. One at a time: a hook stays."""

    current: Watch | None = None
    _installed = False

    def __init__(self, at: Callable[[int, str], None], disk: Disk | None = None) -> None:
        self.count, self._at, self._disk = 0, at, disk
        self._lock, self._busy = threading.RLock(), False

    def __enter__(self) -> Watch:
        if not Watch._installed:
            Watch._installed = True
            sys.addaudithook(_heard)
            os.fsync = _synced(os.fsync)  # type: ignore[assignment]  # Python tells nobody of it
        Watch.current = self
        return self

    def __exit__(self, *of: object) -> None:
        Watch.current = None

    def met(self, step: str, paths: tuple[str, ...]) -> None:
        """A step is about to be taken."""
        with self._lock:
            if self._busy:
                return  # our own reading and writing
            self._busy = True
            try:
                self.count += 1
                self._at(self.count, " ".join((step, *(os.path.basename(path) for path in paths))))
                if self._disk is not None:
                    self._disk.before(step, paths)
            finally:
                self._busy = False

    def synced(self, path: str) -> None:
        """A step is done that puts ``path`` on the disk."""
        with self._lock:
            if self._disk is not None:
                self._disk.synced(path)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    watch = Watch.current
    if watch is not None:
        found = step_of(event, arguments)
        if found is not None:
            watch.met(*found)


def _synced(fsync: Callable[[int], None]) -> Callable[[int], None]:
    def wrapped(handle: int) -> None:
        watch, path = Watch.current, os.readlink(f"/proc/self/fd/{handle}")
        if watch is not None:
            watch.met("fsync", (path,))
        fsync(handle)
        if watch is not None:
            watch.synced(path)

    return wrapped
