"""What a queue's journal and record know of its VMs, for accounts. Asks nothing of the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tfce.model import spells, spending
from tfce.model.account import Book
from tfce.model.pilot import moment
from tfce.model.record import Record
from tfce.model.spells import Spell
from tfce.store.workspace import Workspace


def book(workspace: Workspace, start: datetime, end: datetime, now: datetime) -> Book:
    """The VMs of a queue, those that ended and those that run."""
    allowance, label = workspace.queue.allowance, workspace.queue.label
    if not workspace.exists:
        return Book(label, (), {}, allowance.processors, allowance.prices)
    record, journal = workspace.load(), workspace.journal.entries()
    ended = spells.ended(journal)
    running = [_running(pilot) for pilot in record.pilots.values() if pilot.id and pilot.id not in ended]
    missing = _missing(record, ended.values(), start, end)
    known = (*ended.values(), *running)
    cores = spending.cores(record)
    return Book(label, known, cores, allowance.processors, allowance.prices, _begins(journal), missing)


def _running(pilot: Any) -> Spell:
    return Spell(pilot.id, pilot.key, pilot.requested_at, None, pilot.made)


def _begins(journal: Iterable[Mapping[str, Any]]) -> datetime | None:
    for line in journal:
        try:
            return moment(line["time"])
        except (KeyError, ValueError, TypeError):
            continue
    return None


def _missing(record: Record, ended: Iterable[Spell], start: datetime, end: datetime) -> int:
    """Seconds that the record has counted in the whole days of this time, and the journal has not."""
    first = _midnight(start + timedelta(days=1) - timedelta(microseconds=1))
    last = _midnight(end)
    told = sum(spell.stay(end).seconds(first, last) for spell in ended)
    return max(0, sum(record.usage.between(first, last).values()) - told) if first < last else 0


def _midnight(when: datetime) -> datetime:
    return when.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
