"""What a queue's journal and record know of its VMs, for accounts. Asks nothing of the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tfce.config.options import Queue
from tfce.model import spending, usage_records
from tfce.model.account import QueueUsage
from tfce.model.pilot import moment
from tfce.model.record import Record
from tfce.model.usage import midnight
from tfce.model.usage_records import UsageRecord
from tfce.store import other_hosts
from tfce.store.workspace import Workspace


def book(workspace: Workspace, start: datetime, end: datetime) -> QueueUsage:
    """The VMs of a queue, those that ended and those that run."""
    record = workspace.load() if workspace.exists else Record("")
    told = other_hosts.merged_journal(workspace, start)
    return replace(
        written(workspace.queue, record, told.lines, start, end), missing_journals=told.missing_journals
    )


def written(
    queue: Queue, record: Record, journal: Sequence[Mapping[str, Any]], start: datetime, end: datetime
) -> QueueUsage:
    """The same of a ``record`` and the lines of a ``journal`` that somebody has read."""
    allowance, label = queue.allowance, queue.label
    ended = usage_records.ended(journal)
    running = [_running(pilot) for pilot in record.pilots.values() if pilot.id and pilot.id not in ended]
    missing = _missing(record, ended.values(), start, end)
    known = (*ended.values(), *running)
    cores = spending.cores(record)
    return QueueUsage(label, known, cores, allowance.processors, allowance.prices, _begins(journal), missing)


def _running(pilot: Any) -> UsageRecord:
    return UsageRecord(pilot.id, pilot.key, pilot.requested_at, None, pilot.spec)


def _begins(journal: Iterable[Mapping[str, Any]]) -> datetime | None:
    for line in journal:
        try:
            return moment(line["time"])
        except (KeyError, ValueError, TypeError):
            continue
    return None


def _missing(record: Record, ended: Iterable[UsageRecord], start: datetime, end: datetime) -> int:
    """Seconds that the record has counted in the whole days of this time, and the journal has not."""
    first = midnight(start + timedelta(days=1) - timedelta(microseconds=1))
    last = midnight(end)
    told = sum(used.stay(end).seconds(first, last) for used in ended)
    return max(0, sum(record.usage.between(first, last).values()) - told) if first < last else 0
