"""What became of a queue's pilots over a time, from its journal and its record. Pure: standard library only.

The journal is a file that others can write and old versions wrote: a line that says nothing sensible is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tfce.model.made import offering
from tfce.model.pilot import Pilot, moment

_LONGEST = 80  # characters of a word from the journal
_ENDLESS = timedelta(days=3650)  # no VM lived longer; a figure beyond it is none
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Life:
    """One pilot's VM: when it was asked for, when it came to be, when its removal began, and when it was gone."""

    key: str
    offering: str = ""
    asked: datetime | None = None
    made: datetime | None = None
    meant: datetime | None = None
    gone: datetime | None = None


@dataclass(frozen=True)
class Fact:
    """Something that happened to one pilot. ``word``: the offering that was asked, the kind of a refusal, or the
    cause of an end; ``lived``: seconds, None where nobody knows."""

    time: datetime
    word: str
    offering: str = ""
    lived: int | None = None


@dataclass(frozen=True)
class Past:
    """All that is told of a queue. ``ends`` count VMs, those of duplicates, too."""

    lives: tuple[Life, ...] = ()
    asked: tuple[Fact, ...] = ()
    made: tuple[Fact, ...] = ()
    refused: tuple[Fact, ...] = ()
    ends: tuple[Fact, ...] = ()

    def __add__(self, other: Past) -> Past:
        return Past(*(getattr(self, name) + getattr(other, name) for name in _FIELDS))

    def between(self, since: datetime, until: datetime) -> Past:
        """What happened in a time, and the lives that reach into it."""
        kept = tuple(one for one in self.lives if not (one.gone and one.gone < since))
        told = ([one for one in getattr(self, name) if since <= one.time <= until] for name in _FIELDS[1:])
        return Past(kept, *map(tuple, told))


_FIELDS = ("lives", "asked", "made", "refused", "ends")


def past(lines: Iterable[Mapping[str, Any]], pilots: Iterable[Pilot]) -> Past:
    """The past that a journal's ``lines`` tell, the oldest first. ``pilots``: those of the record, some of them
    older than what the journal still has; of what is in neither nobody knows when it went."""
    reader = _Reader()
    for line in lines:
        reader.read(line)
    recorded = {pilot.key: pilot for pilot in pilots}
    lives = {key: life for key, life in reader.lives.items() if life.made or life.gone or key in recorded}
    lives = {key: life if key in recorded or life.gone else _lost(life) for key, life in lives.items()}
    lives |= {key: _recorded(pilot, lives.get(key)) for key, pilot in recorded.items()}
    return Past(tuple(lives.values()), *(tuple(getattr(reader, name)) for name in _FIELDS[1:]))


def _recorded(pilot: Pilot, known: Life | None) -> Life:
    life = known or Life(pilot.key, _word(offering(pilot.made.to_json())), pilot.requested_at)
    return replace(life, made=life.made or (pilot.requested_at if pilot.id else None))


def _lost(life: Life) -> Life:
    return replace(life, gone=life.meant or life.made)


@dataclass
class _Reader:
    lives: dict[str, Life] = field(default_factory=dict)
    asked: list[Fact] = field(default_factory=list)
    made: list[Fact] = field(default_factory=list)
    refused: list[Fact] = field(default_factory=list)
    ends: list[Fact] = field(default_factory=list)

    def read(self, line: Mapping[str, Any]) -> None:
        try:
            when, told = moment(line["time"]), _EVENTS.get(line["event"])
        except (KeyError, ValueError, TypeError):
            return
        if told is not None:
            told(self, when, line)

    def submit(self, when: datetime, line: Mapping[str, Any]) -> None:
        label = _word(offering(_mapping(line.get("made"))))
        for key in _texts(line.get("keys")):
            self.lives[key] = Life(key, label, asked=when)
            self.asked.append(Fact(when, label, label))

    def submitted(self, when: datetime, line: Mapping[str, Any]) -> None:
        for key in _texts(line.get("created")):
            self.made.append(Fact(when, "started", self._became(key, when)))
        for key, reason in _mapping(line.get("failed")).items():
            life = self.lives.get(key, Life(key))  # it never had a VM, or one that failed and is gone
            self.lives[key] = replace(life, made=None, gone=when)
            self.refused.append(Fact(when, _word(_mapping(reason).get("kind") or UNKNOWN), life.offering))

    def recovered(self, when: datetime, line: Mapping[str, Any]) -> None:
        for key in _texts(line.get("adopted")):
            self._became(key, when)
        for key in _texts(line.get("never_created")):
            self.lives.pop(key, None)

    def _became(self, key: str, when: datetime) -> str:
        life = self.lives.get(key, Life(key))
        self.lives[key] = replace(life, made=life.made or when, meant=None, gone=None)
        return life.offering

    def remove(self, when: datetime, line: Mapping[str, Any]) -> None:
        for key in _texts(line.get("pilots")):
            if key in self.lives:
                self.lives[key] = replace(self.lives[key], meant=self.lives[key].meant or when)

    def removed(self, when: datetime, line: Mapping[str, Any]) -> None:
        vms = line.get("vms")
        for one in filter(None, map(_mapping, vms if isinstance(vms, list) else ())):
            key, cause, lived = str(one.get("key", "")), _word(one.get("cause") or UNKNOWN), _seconds(one)
            life = self.lives.get(key, Life(key))
            self.ends.append(Fact(when, cause, life.offering, lived))
            if cause not in _ONE_OF_TWO:
                self.lives[key] = replace(life, made=life.made or _before(when, lived), gone=when)


_EVENTS: Mapping[Any, Callable[[_Reader, datetime, Mapping[str, Any]], None]] = {
    "submit": _Reader.submit,
    "submitted": _Reader.submitted,
    "recovered": _Reader.recovered,
    "remove": _Reader.remove,
    "removed": _Reader.removed,
}
_ONE_OF_TWO = ("duplicate",)  # the pilot's other VM lives on


def _word(value: object) -> str:
    return str(value)[:_LONGEST]


def _seconds(entry: Mapping[str, Any]) -> int | None:
    lived = entry.get("lived_s")
    good = isinstance(lived, int) and not isinstance(lived, bool) and 0 <= lived <= _ENDLESS.total_seconds()
    return lived if good else None


def _before(when: datetime, seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else when - timedelta(seconds=seconds)
    except OverflowError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list | dict):
        yield from (one for one in value if isinstance(one, str))
