"""What a queue's journal tells of its VMs: who they were, what of, from when to when, and how they ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tfce.model.made import Made
from tfce.model.pilot import REFERENCE_PREFIX, instance_id, moment, timestamp
from tfce.model.usage import Stay


@dataclass(frozen=True)
class Spell:
    """One VM. ``end``: None while it runs; ``verdict``: the word for how its pilot ended, "" for unknown."""

    id: str
    key: str
    start: datetime
    end: datetime | None
    made: Made = field(default_factory=Made)
    verdict: str = ""
    reason: str = ""

    def stay(self, now: datetime) -> Stay:
        """Its time, until ``now`` where it runs."""
        return Stay(self.made.flavor, self.start, self.end or max(now, self.start))


def line(stay: Stay | None, made: Made, verdict: str) -> dict[str, Any]:
    """What the journal keeps of a VM that ended, besides who it was."""
    times = {"from": timestamp(stay.start), "to": timestamp(stay.end)} if stay else {}
    return {
        **times,
        **({"made": made.to_json()} if made != Made() else {}),
        **({"verdict": verdict} if verdict else {}),
    }


def ended(lines: Iterable[Mapping[str, Any]]) -> dict[str, Spell]:
    """The VMs that the journal saw end, by id; what was written of one twice counts as it was written first. Lines
    that are no lines of ours are left out."""
    made: dict[str, Made] = {}
    found: dict[str, Spell] = {}
    for one in lines:
        if one.get("event") == "submit":
            made |= _asked(one)
        for entry in _vms(one):
            spell = _spell(entry, one.get("time"), made)
            if spell is not None:
                found.setdefault(spell.id, spell)
    return found


def _asked(one: Mapping[str, Any]) -> dict[str, Made]:
    keys, entry = one.get("keys"), one.get("made")
    try:
        told = Made.from_json(entry) if isinstance(entry, Mapping) else Made()
    except ValueError:
        return {}
    return {key: told for key in keys if isinstance(key, str)} if isinstance(keys, list) else {}


def _vms(one: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    vms = one.get("vms") if one.get("event") in ("removed", "recovered") else None
    yield from (entry for entry in vms if isinstance(entry, Mapping)) if isinstance(vms, list) else ()


def _spell(entry: Mapping[str, Any], written: object, asked: Mapping[str, Made]) -> Spell | None:
    reference, key = entry.get("reference"), entry.get("key")
    if not isinstance(reference, str) or not reference.startswith(REFERENCE_PREFIX) or not isinstance(key, str):
        return None
    try:
        start, end = _times(entry, written)
        made = Made.from_json(entry["made"]) if isinstance(entry.get("made"), Mapping) else asked.get(key, Made())
    except (ValueError, TypeError, OverflowError):
        return None
    words = (str(entry.get(name) or "") for name in ("verdict", "reason"))
    return Spell(instance_id(reference), key, start, max(start, end), made, *words)


def _times(entry: Mapping[str, Any], written: Any) -> tuple[datetime, datetime]:
    """Lines of older versions say how long a VM lived, and were written when it was removed."""
    if "from" in entry:
        return moment(entry["from"]), moment(entry["to"])
    end = moment(written)
    return end - timedelta(seconds=int(entry.get("lived_s") or 0)), end
