"""What a report says of one queue: how it is, what may be the cause, and what became of its pilots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tfce.model.account import QueueUsage
from tfce.model.errors import TfceError
from tfce.model.journals import MissingJournal
from tfce.model.metrics import Meters
from tfce.model.overview import Problem, QueueStatus
from tfce.model.record import Record
from tfce.model.timeline import Timeline, timeline
from tfce.model.why import Finding, Subject
from tfce.pilots import overview
from tfce.pilots.accounting import written
from tfce.pilots.fleet import Fleet
from tfce.store import other_hosts

_IDLE = (Subject.DEMAND, Subject.BOOTING)  # nothing is wrong with the queue


@dataclass(frozen=True)
class QueueReport:
    """One queue. ``causes``: what is wrong, the worst first, each once; ``missing_journals``: of hosts whose part
    of it is not here."""

    status: QueueStatus
    causes: tuple[Problem, ...]
    timeline: Timeline = field(default_factory=Timeline)
    meters: Meters = field(default_factory=Meters)
    book: QueueUsage | None = None
    missing_journals: tuple[MissingJournal, ...] = ()


def queue_report(fleet: Fleet, record: Record, since: datetime, now: datetime) -> QueueReport:
    """What there is to say of a queue with this ``record``; also one whose cloud does not answer. Takes no lock
    and writes nothing."""
    workspace, line = fleet.workspace, fleet.glance(record)
    try:
        found = fleet.why()
    except TfceError:
        found = []  # the line says so
    told = other_hosts.merged_journal(workspace, since)
    used = written(workspace.queue, record, told.lines, since, now)
    seen = timeline(told.lines, record.pilots.values())
    causes = tuple(_causes(line, found))
    return QueueReport(line, causes, seen, workspace.meters.read(), used, told.missing_journals)


def failed(label: str, error: TfceError, now: datetime) -> QueueReport:
    """A queue of which nothing can be known."""
    line = overview.broken(label, error, now)
    return QueueReport(line, line.problems)


def _causes(line: QueueStatus, found: Iterable[Finding]) -> Iterator[Problem]:
    """Each once: what wants a person, what was found, what else is not as it should be. That nothing is wrong is
    said only where nothing is."""
    failed = "submit" in line.facts.errors  # a trouble says so already
    known = {one.text: one for one in line.problems}
    news = [one for one in found if not (failed and one.subject is Subject.SUBMISSION)]
    idle = [one for one in news if one.subject in _IDLE]
    told = [known.get(one.text, Problem(one.text, one.cure, person=False)) for one in news if one not in idle]
    ordered = [*(one for one in line.problems if one.person), *told, *line.problems]
    yield from dict.fromkeys(ordered or (Problem(one.text, one.cure, person=False) for one in idle))
