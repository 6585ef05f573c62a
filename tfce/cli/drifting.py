"""``tfce audit`` of all queues, and of what drifted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfce.app import assemble
from tfce.cli import show, tables, terminal
from tfce.config.cfg import load_queue
from tfce.model.errors import TfceError
from tfce.pilots.drift import DriftPlace

_HEADS = ("QUEUE", "", "BETWEEN", "WHAT", "CURE")
_NOT_JUDGED = 3


def drift(path: Path, names: Iterable[str], as_json: bool) -> int:
    """Show where queues drifted. 0: nowhere, or only VMs of an older shape; 1: somebody should look; 3: some queue
    could not be judged, and of the others nothing is to be said."""
    found = [one for name in names for one in _of(path, name)]
    rows = [one.shown for one in found]
    if as_json:
        tables.show_json({"drift": rows})
    else:
        cells = [
            (row["queue"], "ALERT" if row["alert"] else "", row["between"], row["text"], row["cure"])
            for row in rows
        ]
        print(show.table(_HEADS, cells) if rows else "nothing drifted")
    if any(one.alert for one in found if one.where):
        return 1
    return _NOT_JUDGED if any(one.where is None for one in found) else 0


@dataclass(frozen=True)
class _Found:
    """DriftPlace a queue drifted; ``where`` is None if that could not be judged."""

    queue: str
    where: DriftPlace | None
    text: str
    cure: str
    alert: bool

    @property
    def shown(self) -> dict[str, Any]:
        """The same, for whoever reads it."""
        between = self.where.value if self.where else "not judged"
        told = {"text": self.text, "cure": self.cure, "alert": self.alert}
        return {"queue": self.queue, "between": between, **told}


def _of(path: Path, name: str) -> list[_Found]:
    try:
        drifted = assemble(load_queue(path, name), announce=terminal.say).fleet.drift()
    except TfceError as error:
        return [_Found(name, None, error.problem, error.cure, True)]
    return [_Found(name, one.where, one.text, one.cure, one.alert) for one in drifted]


def worst(codes: Iterable[int]) -> int:
    """The exit code of several audits: a mismatch first, then what could not be looked at."""
    found = set(codes)
    return 1 if 1 in found else max(found, default=0)
