"""``tfce audit`` of all queues, and of what drifted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tfce.app import assemble
from tfce.cli import show, tables, terminal
from tfce.config.cfg import load_queue
from tfce.model.errors import TfceError

_HEADS = ("QUEUE", "", "BETWEEN", "WHAT", "CURE")
_NOT_JUDGED = 3


def drift(path: Path, names: Iterable[str], as_json: bool) -> int:
    """Show where queues drifted. 0: nowhere, or only VMs of an older shape; 1: somebody should look; 3: some queue
    could not be judged, and of the others nothing is to be said."""
    rows = [row for name in names for row in _of(path, name)]
    if as_json:
        tables.show_json({"drift": rows})
    else:
        cells = [
            (row["queue"], "ALERT" if row["alert"] else "", row["between"], row["text"], row["cure"])
            for row in rows
        ]
        print(show.table(_HEADS, cells) if rows else "nothing drifted")
    if any(row["alert"] for row in rows if row["between"] != "not judged"):
        return 1
    return _NOT_JUDGED if any(row["between"] == "not judged" for row in rows) else 0


def _of(path: Path, name: str) -> list[dict[str, Any]]:
    try:
        found = assemble(load_queue(path, name), announce=terminal.say).fleet.drift()
    except TfceError as error:
        return [_row(name, "not judged", error.problem, error.cure, True)]
    return [_row(name, one.where.value, one.text, one.cure, one.alert) for one in found]


def _row(name: str, between: str, text: str, cure: str, alert: bool) -> dict[str, Any]:
    return {"queue": name, "between": between, "text": text, "cure": cure, "alert": alert}


def worst(codes: Iterable[int]) -> int:
    """The exit code of several audits: a mismatch first, then what could not be looked at."""
    found = set(codes)
    return 1 if 1 in found else max(found, default=0)
