"""What a line of a queue's journal says, read in one place. Pure: standard library only.

The journal is a file that others can write and old versions wrote: what has not the shape of ours is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tfce.model.made import Made
from tfce.model.pilot import REFERENCE_PREFIX, instance_id, moment

_FIRST = 1990  # no year before it was this one
_LONGEST = timedelta(days=3650)  # no VM lived longer; a figure beyond it is none


@dataclass(frozen=True)
class EndedVM:
    """One VM that an entry says was removed. ``id``: "" where the pilot had none; ``cause``, ``reason`` and
    ``verdict``: "" for unknown; ``start`` and ``end``: aware; ``lived``: seconds; None for unknown."""

    key: str
    id: str
    cause: str
    reason: str
    verdict: str
    made: Made | None
    start: datetime | None
    end: datetime | None
    lived: int | None


@dataclass(frozen=True)
class Entry:
    """What was done, at ``time`` (aware), with its ``facts``."""

    time: datetime
    event: str
    facts: Mapping[str, Any]

    def keys(self, name: str) -> tuple[str, ...]:
        """The pilots' keys that the fact ``name`` lists, or has something to say of."""
        value = self.facts.get(name)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | dict) else ()

    def reason(self, key: str) -> str:
        """The kind of reason for which the pilot ``key`` failed, "" for unknown."""
        return _text(_mapping(_mapping(self.facts.get("failed")).get(key)), "kind")

    @property
    def made(self) -> Made:
        """What the VMs that were asked for are made of."""
        return _made(self.facts.get("made")) or Made()

    @property
    def ended(self) -> Iterator[EndedVM]:
        """The VMs that were removed."""
        vms = self.facts.get("vms")
        for entry in vms if isinstance(vms, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("key"), str):
                yield _ended(entry)


def entries(journal: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    """The entries of the lines of a ``journal``, in their order."""
    for line in journal:
        time, event = _moment(line.get("time")), line.get("event")
        if time is not None and isinstance(event, str):
            yield Entry(time, event, line)


def _ended(entry: Mapping[str, Any]) -> EndedVM:
    reference = _text(entry, "reference")
    return EndedVM(
        key=entry["key"],
        id=instance_id(reference) if reference.startswith(REFERENCE_PREFIX) else "",
        cause=_text(entry, "cause"),
        reason=_text(entry, "reason"),
        verdict=_text(entry, "verdict"),
        made=_made(entry.get("made")),
        start=_moment(entry.get("from")),
        end=_moment(entry.get("to")),
        lived=_seconds(entry.get("lived_s")),
    )


def _made(value: object) -> Made | None:
    try:
        return Made.from_json(value) if isinstance(value, dict) else None
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    try:
        when = moment(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return when if when.year >= _FIRST else None


def _seconds(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LONGEST.total_seconds()
    return value if good and isinstance(value, int) else None


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
