"""A queue's metrics on disk, so that they outlive the process that measured them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from tfce.model.metrics import Meters
from tfce.store import files, locks

FILE = "metrics.json"
_PATIENCE = 2.0  # seconds; whoever writes holds it for a few milliseconds


class MeterFile:
    """``metrics.json`` in a queue's private folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> Meters:
        """What was measured so far; a damaged file starts again."""
        return Meters.from_json(files.believed_json(self.path))

    def change(self, change: Callable[[Meters], Meters]) -> Meters:
        """Replace the values by what ``change`` makes of them, one writer at a time."""
        with locks.exclusive(self.path.with_suffix(".lock"), _PATIENCE, "the metrics"):
            changed = change(self.read())
            files.write(self.path, json.dumps(changed.to_json()) + "\n", durable=False)
        return changed


def all_meters(root: Path) -> Iterator[Meters]:
    """Those of every queue that this host serves."""
    for path in sorted((root / "queues").glob(f"*/*/{FILE}")):
        yield MeterFile(path.parent).read()
