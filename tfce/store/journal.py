"""The journal of a queue: one line of JSON for each thing that was done, when and why."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from tfce.model import fork
from tfce.model.pilot import moment, timestamp
from tfce.model.redact import within
from tfce.store import files
from tfce.store.actor import actor

_SIZE = 4_000_000  # bytes; one older journal of this size is kept
_AGE = timedelta(days=62)  # of its first line: the older one then reaches back over the month before
_LINE = 100_000  # bytes of a line that is looked at to know its age, or whether it is said again
_PATIENCE = 1.0  # seconds; whoever writes needs less than one of a thousand
_FILE = "journal.jsonl"
_WHOSE = ("time", "by")
_TURNS = 3  # somebody else may turn the journal over while this one waits for it


class Journal:
    """``journal.jsonl`` in a queue's private folder. ``clock`` gives the time of each line; ``mark``: what tells
    the folder from other hosts', "" for nothing; ``listener`` hears the lines."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], mark: Callable[[], str] = str) -> None:
        self._path = folder / _FILE
        self._older = folder / "journal.old.jsonl"
        self._clock, self._mark = clock, mark
        self.listener: Callable[[Mapping[str, Any]], None] = lambda line: None

    def append(self, event: str, /, **facts: Any) -> None:
        """Add one line: what was done to which pilots, and why."""
        self._add(event, facts, once=False)

    def append_once(self, event: str, /, **facts: Any) -> None:
        """The same, unless the last line says so already, but for its numbers: what is found anew in each cycle is
        told once."""
        self._add(event, facts, once=True)

    def _add(self, event: str, facts: Mapping[str, Any], once: bool) -> None:
        now = self._clock()
        by = {**actor(), **({"folder": mark} if (mark := self._mark()) else {})}
        entry = within({"time": timestamp(now), "event": event, "by": by, **facts})
        with files.explained(self._path, "written"), self._opened(now) as stream:
            last = _last(stream)
            line = json.dumps(entry, sort_keys=True)
            if once and _said(last) == _said(line.encode()):
                return
            torn = "" if last.endswith(b"\n") or not last else "\n"  # it must not cost the next line, too
            stream.write(f"{torn}{line}\n".encode())
        self.listener(entry)

    @contextmanager
    def _opened(self, now: datetime) -> Iterator[IO[bytes]]:
        """The journal to write to, for nobody else meanwhile: not every verb holds the queue's lock."""
        files.clear(self._path)
        for turn in range(_TURNS):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            with fork.Handle(self._path, flags, files.PRIVATE_FILE) as handle, _stream(handle) as stream:
                turns = turn < _TURNS - 1 and _alone(stream)
                if turns and not self._current(stream):
                    continue
                if not (turns and _full(stream, now)):
                    yield stream
                    return
                self._path.replace(self._older)

    def _current(self, stream: IO[bytes]) -> bool:
        try:
            return os.path.samestat(os.fstat(stream.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def entries(self) -> list[dict[str, Any]]:
        """What was recorded, the oldest first, as far as it was kept; a torn line costs that line only."""
        found: list[Any] = []
        for path in (self._older, self._path):
            for line in files.last_lines(path, 2 * _SIZE):
                with suppress(ValueError, RecursionError):
                    found.append(json.loads(line))
        return [entry for entry in found if isinstance(entry, dict)]


def _stream(handle: int) -> IO[bytes]:
    return os.fdopen(handle, "a+b", closefd=False)


def _alone(stream: IO[bytes]) -> bool:
    """Whether nobody else writes. Where somebody is stuck in it, lines are added all the same."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        else:
            return True


def _full(stream: IO[bytes], now: datetime) -> bool:
    """Whether a journal is large or old enough to turn over. A clock that goes wrong turns it over once."""
    if os.fstat(stream.fileno()).st_size > _SIZE:
        return True
    stream.seek(0)
    try:
        return moment(json.loads(stream.readline(_LINE))["time"]) + _AGE < now
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return False


def _last(stream: IO[bytes]) -> bytes:
    """The last line, as far as it is of a sensible length."""
    stream.seek(max(0, os.fstat(stream.fileno()).st_size - _LINE))
    lines = stream.read().splitlines(keepends=True)
    return lines[-1] if lines else b""


def last_told(folder: Path) -> str:
    """The time of the last line of the journal in ``folder``; "" where there is none."""
    for line in reversed(files.last_lines(folder / _FILE, _LINE)):
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            return str(json.loads(line)["time"])
    return ""


def _said(line: bytes) -> str:
    """What a line says, whenever and by whom it was written, without numbers."""
    try:
        entry = dict(json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return ""
    return re.sub(r"\d+", "#", json.dumps({name: entry[name] for name in sorted(entry) if name not in _WHOSE}))
