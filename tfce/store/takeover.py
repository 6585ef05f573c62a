"""Workspaces of version 0.1, whose memory was ten files: read as one record."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tfce.model.endings import Ending
from tfce.model.errors import WorkspaceError
from tfce.model.pilot import Pilot, is_key, moment
from tfce.model.reasons import Reason
from tfce.model.record import Backoff, Home, Operation, Pending, Record, Tombstone
from tfce.model.vm import State
from tfce.store import files

SCALE_FILE = "scale.auto.tfvars.json"
# What version 0.1 had beside it, and nobody reads any more.
REMAINS = ("intent.json", "ledger.json", "cooldown.json", "doubt", "home")

_HOME = re.compile(r"(EC2|OPENSTACK)( [\x21-\x7e]+)+")


def is_old(folder: Path) -> bool:
    """Whether version 0.1 was the last to write in ``folder``, where there is no record."""
    named = '"batch"' in (files.believed(folder / SCALE_FILE) or "")
    return named or any(os.path.lexists(folder / name) for name in REMAINS)


def read(folder: Path, installation: str, label: str, now: datetime) -> Record:
    """The record that the files of version 0.1 in ``folder`` amount to. Raises ``WorkspaceError`` for a scale file
    that cannot be believed; of the other files, what cannot be read is left out."""
    path = folder / SCALE_FILE
    try:
        text = files.read(path)
        pilots = [] if text is None else _pilots(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WorkspaceError(
            f"{path}: is no list of pilots ({error}); no pilot was touched",
            f"put it back from a copy, or run `tfce repair {label}`",
        ) from error
    return rest(folder, installation, now).including(pilots)


def rest(folder: Path, installation: str, now: datetime) -> Record:
    """What the files beside the scale file amount to: a record without pilots."""
    home = (files.believed(folder / "home") or "").strip()
    believed = Home(home) if _HOME.fullmatch(home) else None
    return _with_rest(Record(installation, home=believed), folder, now)


def _pilots(data: Any) -> list[Pilot]:
    entries = data["pilots"]
    if data["instance_count"] != len(entries) or not all(is_key(key) for key in entries):
        raise ValueError("its count and its pilots differ")
    return [Pilot(key, moment(one["born"]), str(one["batch"])) for key, one in entries.items()]


def _with_rest(record: Record, folder: Path, now: datetime) -> Record:
    stones = [
        stone
        for node, entry in files.believed_json(folder / "ledger.json").items()
        if (stone := _stone(node, entry))
    ]
    pending = _pending(files.believed_json(folder / "intent.json"), now)
    backoff = _backoff(files.believed_json(folder / "cooldown.json"))
    return replace(record.with_tombstones(stones), pending=pending, backoff=backoff)


def _stone(node: str, entry: Any) -> Tombstone | None:
    try:
        state, when = State(entry["state"]), moment(entry["when"])
        return Tombstone(
            node, str(entry["key"]), state, Ending.from_json(str(entry["reason"])), when, accepted=True
        )
    except (ValueError, TypeError, KeyError):
        return None


def _pending(entry: dict[str, Any], now: datetime) -> Pending | None:
    if not entry:
        return None
    try:
        return Pending(Operation(entry["action"]), frozenset(map(str, entry["keys"])), moment(entry["since"]))
    except (ValueError, TypeError, KeyError):
        return Pending(Operation.REPAIR, frozenset(), now)  # something was begun: look at all


def _backoff(entry: dict[str, Any]) -> Backoff | None:
    try:
        since, until = moment(entry["since"]), moment(entry["until"])
        rest = max(0, int((until - since).total_seconds()))
        return Backoff(int(entry["failures"]), Reason.from_json(str(entry["reason"])), since, rest)
    except (ValueError, TypeError, KeyError):
        return None
