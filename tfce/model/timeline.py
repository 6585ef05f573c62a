"""What became of a queue's pilots over a time, from its journal and its record. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tfce.model.endings import Cause
from tfce.model.entries import Entry, entries
from tfce.model.pilot import Pilot
from tfce.model.vm_spec import offering

_LONGEST = 80  # characters of a word from the journal
UNKNOWN = "unknown"


@dataclass(frozen=True)
class PilotLife:
    """One pilot's VM: when it was asked for, when it came to be, when its removal began, and when it was gone."""

    key: str
    offering: str = ""
    requested_at: datetime | None = None
    created_at: datetime | None = None
    dismissed_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to one pilot. ``word``: the offering that was asked, the kind of a refusal, or the
    cause of an end; ``lived``: seconds, None where nobody knows."""

    time: datetime
    word: str
    offering: str = ""
    lived: int | None = None


@dataclass(frozen=True)
class Timeline:
    """All that is told of a queue. ``ends`` count VMs, those of duplicates, too."""

    lives: tuple[PilotLife, ...] = ()
    asked: tuple[Event, ...] = ()
    started: tuple[Event, ...] = ()
    refused: tuple[Event, ...] = ()
    ends: tuple[Event, ...] = ()

    def __add__(self, other: Timeline) -> Timeline:
        return Timeline(*(getattr(self, name) + getattr(other, name) for name in _FIELDS))

    def between(self, since: datetime, until: datetime) -> Timeline:
        """What happened in a time, and the lives that reach into it."""
        kept = tuple(one for one in self.lives if not (one.ended_at and one.ended_at < since))
        told = ([one for one in getattr(self, name) if since <= one.time <= until] for name in _FIELDS[1:])
        return Timeline(kept, *map(tuple, told))


_FIELDS = ("lives", "asked", "started", "refused", "ends")


def timeline(journal: Iterable[Mapping[str, Any]], pilots: Iterable[Pilot]) -> Timeline:
    """What the lines of a ``journal``, the oldest first, and the record's ``pilots`` tell together: a pilot may be
    older than the journal's first line. When a pilot ended that neither knows any more, nobody can tell."""
    reader = _Reader()
    for entry in entries(journal):
        reader.read(entry)
    recorded = {pilot.key: pilot for pilot in pilots}
    lives = {
        key: life for key, life in reader.lives.items() if life.created_at or life.ended_at or key in recorded
    }
    lives = {key: life if key in recorded or life.ended_at else _lost(life) for key, life in lives.items()}
    lives |= {key: _recorded(pilot, lives.get(key)) for key, pilot in recorded.items()}
    return Timeline(tuple(lives.values()), *(tuple(getattr(reader, name)) for name in _FIELDS[1:]))


def _recorded(pilot: Pilot, known: PilotLife | None) -> PilotLife:
    life = known or PilotLife(pilot.key, _word(offering(pilot.spec.to_json())), pilot.requested_at)
    return replace(life, created_at=life.created_at or (pilot.requested_at if pilot.id else None))


def _lost(life: PilotLife) -> PilotLife:
    return replace(life, ended_at=life.dismissed_at or life.created_at)


@dataclass
class _Reader:
    lives: dict[str, PilotLife] = field(default_factory=dict)
    asked: list[Event] = field(default_factory=list)
    started: list[Event] = field(default_factory=list)
    refused: list[Event] = field(default_factory=list)
    ends: list[Event] = field(default_factory=list)
    at: dict[str, int] = field(default_factory=dict)

    def read(self, entry: Entry) -> None:
        told = _EVENTS.get(entry.event)
        if told is not None:
            told(self, entry)

    def submit(self, entry: Entry) -> None:
        label = _word(offering(entry.spec.to_json()))
        for key in entry.keys("keys"):
            self.lives[key] = PilotLife(key, label, requested_at=entry.time)
            self.asked.append(Event(entry.time, label, label))

    def submitted(self, entry: Entry) -> None:
        for key in entry.keys("created"):
            self.started.append(Event(entry.time, "started", self._became(key, entry.time)))
        for key in entry.keys("failed"):
            life = self.lives.get(key, PilotLife(key))  # it never had a VM, or one that failed and is gone
            self.lives[key] = replace(life, created_at=None, ended_at=entry.time)
            self.refused.append(Event(entry.time, _word(entry.reason(key) or UNKNOWN), life.offering))

    def recovered(self, entry: Entry) -> None:
        for key in entry.keys("adopted"):
            self._became(key, entry.time)
        for key in set(entry.keys("never_created")) - {vm.key for vm in entry.ended}:
            self.lives.pop(key, None)
        self.removed(entry)

    def _became(self, key: str, when: datetime) -> str:
        life = self.lives.get(key, PilotLife(key))
        self.lives[key] = replace(life, created_at=life.created_at or when, dismissed_at=None, ended_at=None)
        return life.offering

    def remove(self, entry: Entry) -> None:
        for key in entry.keys("pilots"):
            if key in self.lives:
                self.lives[key] = replace(self.lives[key], dismissed_at=self.lives[key].dismissed_at or entry.time)

    def removed(self, entry: Entry) -> None:
        for vm in entry.ended:
            life, cause = self.lives.get(vm.key, PilotLife(vm.key)), _word(vm.cause or UNKNOWN)
            self._ended(vm.id, Event(entry.time, cause, life.offering, vm.lived))
            if cause not in _ONE_OF_TWO:
                self.lives[vm.key] = replace(
                    life,
                    created_at=life.created_at or _before(entry.time, vm.lived),
                    ended_at=life.ended_at or entry.time,
                )

    def _ended(self, node: str, fact: Event) -> None:
        """A VM ends once: one host removed it, and another found it gone."""
        if node not in self.at:
            self.at |= {node: len(self.ends)} if node else {}
            self.ends.append(fact)
        elif self.ends[self.at[node]].word in _FOUND_GONE:
            self.ends[self.at[node]] = fact


_EVENTS: Mapping[str, Callable[[_Reader, Entry], None]] = {
    "submit": _Reader.submit,
    "submitted": _Reader.submitted,
    "recovered": _Reader.recovered,
    "repaired": _Reader.recovered,
    "remove": _Reader.remove,
    "removed": _Reader.removed,
}
_FOUND_GONE = (UNKNOWN, Cause.GONE.value)
_ONE_OF_TWO = ("duplicate",)  # the pilot's other VM lives on


def _word(value: str) -> str:
    return value[:_LONGEST]


def _before(when: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else when - timedelta(seconds=seconds)
