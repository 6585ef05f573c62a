"""The journal of a queue: one line of JSON for each thing that was done, when and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tfce.model.pilot import timestamp
from tfce.model.redact import within
from tfce.store import files
from tfce.store.actor import actor

_SIZE = 4_000_000  # bytes; one older journal of this size is kept


class Journal:
    """``journal.jsonl`` in a queue's private folder. ``clock`` gives the time of each line; ``listener`` hears
    them."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._path = folder / "journal.jsonl"
        self._older = folder / "journal.old.jsonl"
        self._clock = clock
        self.listener: Callable[[Mapping[str, Any]], None] = lambda line: None

    def append(self, event: str, **facts: Any) -> None:
        """Add one line: what was done to which pilots, and why."""
        entry = within({"time": timestamp(self._clock()), "event": event, "by": actor(), **facts})
        line = json.dumps(entry, sort_keys=True)
        with files.explained(self._path, "written"):
            files.clear(self._path)
            if self._path.exists() and self._path.stat().st_size > _SIZE:
                self._path.replace(self._older)
            self._path.touch(files.PRIVATE_FILE)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        self.listener(entry)

    def entries(self) -> list[dict[str, Any]]:
        """What was recorded, the oldest first, as far as it was kept; a torn line costs that line only."""
        found: list[Any] = []
        for path in (self._older, self._path):
            for line in (files.believed(path) or "").splitlines():
                with suppress(ValueError, RecursionError):
                    found.append(json.loads(line))
        return [entry for entry in found if isinstance(entry, dict)]
