"""The verbs over a queue's pilots: submit, poll, count, status, reap, kill, log, audit, repair."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from tfce.cloud.api import Cloud
from tfce.cloud.shared import SharedCloud, SharedLists
from tfce.config.options import Queue
from tfce.model.allocation import Balance
from tfce.model.drain import Drain
from tfce.model.hold import Hold
from tfce.model.overview import QueueStatus
from tfce.model.record import Record
from tfce.model.why import Demand, Finding
from tfce.pilots import allocations, audit, drain, holds, overview, spending_metrics, why
from tfce.pilots.audit import Row
from tfce.pilots.consoles import LINES
from tfce.pilots.drift import Drift, drift
from tfce.pilots.kill import Killer
from tfce.pilots.meter import Meter, VerbRun
from tfce.pilots.pilot_log import PilotLog, pilot_log
from tfce.pilots.poll import Count, Memory, Poller, SeenPilot
from tfce.pilots.reap import Reaper
from tfce.pilots.services import Provisioner, Services
from tfce.pilots.submission import Submission
from tfce.pilots.submit import Submitter
from tfce.pilots.sweep import Sweep
from tfce.review import approvals
from tfce.store import traces
from tfce.store.shared_document import RefusedError
from tfce.store.workspace import Workspace

_T = TypeVar("_T")
_GLANCE = 30  # seconds that a list may be old

log = logging.getLogger("tfce")

__all__ = ["Fleet", "Provisioner", "SeenPilot", "Submission", "Sweep"]


@dataclass(frozen=True)
class Look:
    """One queue as an operator sees it."""

    seen: list[SeenPilot]
    held: Hold | None
    balances: list[Balance]


class Fleet:
    """The pilots of one queue. ``lists``: what polls and counts share with the login's other queues."""

    def __init__(
        self,
        workspace: Workspace,
        provisioner: Provisioner,
        cloud: Cloud,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        lists: SharedLists | None = None,
    ) -> None:
        self.workspace = workspace
        approvals.resume(workspace)
        self._services = Services(workspace, provisioner, cloud, clock, lists)
        self._lists, age = lists, workspace.queue.workspace.list_age
        shared = replace(self._services, cloud=SharedCloud(cloud, lists, age)) if lists and age else self._services
        self._meter = Meter(workspace, cloud, clock, partial(spending_metrics.measured, self._services))
        self._poller = Poller(shared, Memory())

    @property
    def queue(self) -> Queue:
        """The queue, as its pilots are made."""
        return self.workspace.queue

    def _writing(self) -> AbstractContextManager[None]:
        """No list from before or meanwhile is good for this queue afterwards."""
        return self._lists.writing(self.workspace.any_installation()) if self._lists else nullcontext()

    @contextmanager
    def _verb(self, name: str, keep: bool = True) -> Iterator[VerbRun]:
        """Trace and measure a verb; what only looks for a person leaves (``keep``) no measurement."""
        folder = self.queue.workspace.trace
        with traces.to_folder(folder, self.workspace.name, name), self._meter.run(name, keep) as run:
            yield run

    def submit(
        self,
        wrapper: bytes,
        count: int,
        proxy: bytes | None = None,
        progress: Callable[[str], None] = lambda text: None,
        ignore_limits: bool = False,
    ) -> Submission:
        """Start ``count`` pilots that run ``wrapper``; see ``Submitter.submit``."""
        with self._verb("submit") as run, self._writing():
            run.asked = count
            self._review()
            submitter = Submitter(self._services)
            return run.of(self._again(lambda: submitter.submit(wrapper, count, proxy, progress, ignore_limits)))

    def _again(self, verb: Callable[[], _T]) -> _T:
        """Once more where another host wrote first: nothing was asked of the cloud by then."""
        deadline = time.monotonic() + self.queue.workspace.lock_timeout
        while True:
            try:
                return verb()
            except RefusedError as error:
                if not error.early or time.monotonic() >= deadline:
                    raise

    def _review(self) -> None:
        """Look at what was approved since, and say what waits."""
        seen = approvals.refresh(self.workspace, self._services.clock())
        for line in seen.lines() if seen else ():
            log.warning("%s: %s", self.queue.label, line)

    def reap(self, dry_run: bool = False) -> Sweep:
        """Remove what has ended; see ``Reaper.reap``."""
        with self._verb("reap", keep=not dry_run) as run, self._writing():
            return run.of(self._again(lambda: Reaper(self._services).reap(dry_run)))

    def kill(self, references: Iterable[str]) -> Sweep:
        """Remove these pilots' VMs; see ``Killer.kill``."""
        with self._verb("kill") as run, self._writing():
            return run.of(Killer(self._services).kill(references))

    def poll(self, references: Iterable[str]) -> dict[str, str]:
        """DIRAC's state of each pilot by reference; see ``Poller.poll``."""
        with self._verb("poll"):
            return self._poller.poll(references)

    def count(self) -> Count:
        """How many pilots wait and run; see ``Poller.count``."""
        with self._verb("count"):
            return self._poller.count()

    def status(self) -> list[SeenPilot]:
        """Every wanted pilot as the cloud shows it now."""
        with self._verb("status", keep=False):
            self.workspace.refresh()
            return self._poller.status()

    def look(self) -> Look:
        """The same, what holds the queue, and how its allocations stand: all of one reading of the record."""
        with self._verb("status", keep=False):
            self.workspace.refresh()
            return Look(self._poller.status(), self._held(), self._balances())

    def announce(self) -> Record:
        """What is remembered; the login's next list will be for this queue, too. Raises ``WorkspaceError``."""
        record = overview.record_of(self._services)
        if self._lists:
            self._lists.expect(self.workspace.owner_of(record.installation))
        return record

    def glance(self, record: Record) -> QueueStatus:
        """The queue in one line; its list may be some seconds old, and another queue's."""
        cloud = self._services.cloud
        services = replace(self._services, cloud=SharedCloud(cloud, self._lists, _GLANCE)) if self._lists else None
        return overview.status(services or self._services, record)

    def drain(self, wanted: Drain | None) -> Drain | None:
        """Start no new pilots (None: start them again); see ``drain.drain``."""
        with self._verb("drain"):
            return self._again(lambda: drain.drain(self._services, wanted))

    def held(self) -> Hold | None:
        """What keeps the queue from starting pilots, as far as its record tells."""
        self.workspace.refresh()
        return self._held()

    def _held(self) -> Hold | None:
        workspace = self.workspace
        if workspace.exists:
            return holds.held(self._services, workspace.load())
        return workspace.review_status.hold if workspace.review_status else None

    def balances(self) -> list[Balance]:
        """How each allocation of the queue stands in its period; see ``allocations.balances``."""
        self.workspace.refresh()
        return self._balances()

    def _balances(self) -> list[Balance]:
        record = self.workspace.load() if self.workspace.exists else Record("")
        return allocations.balances(self._services, record)

    def why(self, demand: Demand | None = None) -> list[Finding]:
        """What keeps the queue's pilots from matching, the first cause first; see ``why.why``."""
        self.workspace.refresh()
        return why.why(self._services, demand)

    def log(self, pilot: str, lines: int = LINES) -> PilotLog:
        """What is known of one pilot, by reference or key; see ``history.pilot_log``."""
        self.workspace.refresh()
        return pilot_log(self._services, pilot, lines)

    def audit(self, known: Iterable[str] | None = None) -> list[Row]:
        """Record, state and cloud side by side; see ``audit.audit``."""
        self.workspace.refresh()
        return audit.audit(self._services, known)

    def drift(self) -> list[Drift]:
        """Where shape, approval, options and cloud differ; see ``drift.drift``."""
        with self._verb("drift", keep=False):
            return drift(self._services)

    def repair(self) -> list[str]:
        """Rebuild a damaged record or state; see ``audit.repair``."""
        return self._again(lambda: audit.repair(self._services))
