"""What is kept of a VM that failed or ended too soon: the last lines of its console, with secrets masked."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tfce.cloud.api import Cloud
from tfce.cloud.pool import AT_ONCE, within
from tfce.model.errors import TfceError
from tfce.model.policy import Action, lived
from tfce.model.reconcile import Case, Condition
from tfce.model.redact import redacted
from tfce.model.vm import OVER
from tfce.store import files, other_hosts
from tfce.store.workspace import Workspace, slug

log = logging.getLogger("tfce")

LINES = 50  # of a console that are kept or shown
CONSOLES = 10  # asked for in one sweep, however many VMs go
PATIENCE = 30.0  # seconds of one sweep for consoles
BRIEF = 600  # seconds: a pilot that got work lives longer
_BETWEEN = 1200  # seconds between SiteDirector's sweeps: how long a VM may be off where no cloud says since when
_WIDTH = 500  # characters of a line
_SIZE = 200_000  # characters of a console that are looked at
_FILES = 200  # consoles kept for a queue


def suspicious(action: Action, now: datetime) -> bool:
    """Whether somebody will ask what that VM did: it failed, is overdue, or stopped within minutes."""
    case = action.case
    if case.vm is None or case.vm.state in OVER:
        return False
    if case.condition in (Condition.FAILED, Condition.STUCK, Condition.OVERDUE):
        return True
    brief = BRIEF if case.vm.ended else BRIEF + _BETWEEN
    age = lived(case.vm, case.requested_at, now)
    return case.condition is Condition.ENDED and age is not None and age < brief


class RemovalOrder:
    """The ids of VMs that are to be removed, each as soon as it may be: of a suspicious one the console is kept
    before, or given up. ``kept``: ids of those whose console was had.

    Consoles are asked for side by side; bounded in calls and time, whatever the number. That one is not to be had,
    or comes too late, stops nothing. ``known``: ids that were to be removed before, whose consoles were asked for
    then; they go last, each time in another order. Raises ``BusyError`` when the turn on the workspace ends
    meanwhile: none goes after that.
    """

    def __init__(
        self,
        cloud: Cloud,
        workspace: Workspace,
        actions: Sequence[Action],
        now: datetime,
        known: Container[str] = (),
    ) -> None:
        self._cloud, self._store, self._check = cloud, ConsoleStore(workspace), workspace.check_lease
        asked = [one.case for one in actions if one.case.id not in known and suspicious(one, now)]
        asked.sort(
            key=lambda case: (case.condition is Condition.ENDED, lived(case.vm, case.requested_at, now) or 0)
        )
        self._asked = asked[:CONSOLES]
        ids = [one.case.id for one in actions]
        # hazard: a cloud that fails on some is not asked for each, and those behind would wait for ever
        again = [node_id for node_id in ids if node_id in known]
        self._again = random.sample(again, len(again))
        self._ids = [node_id for node_id in ids if node_id not in known]
        self.kept = set[str]()

    def __len__(self) -> int:
        return len(self._ids) + len(self._again)

    def __iter__(self) -> Iterator[str]:
        late = {case.id: None for case in self._asked}
        self._check()
        # Consoles go first: a cloud that answers one after the other has removals to answer when they are kept.
        with _consoles(self._cloud, self._asked) as consoles:
            yield from (node_id for node_id in self._ids if node_id not in late)
            for case, text in consoles:
                if text.strip():
                    self._keep(case, text)
                del late[case.id]
                self._check()
                yield case.id
        self._check()
        yield from [*late, *self._again]

    def _keep(self, case: Case, text: str) -> None:
        try:
            self._store.keep(case.key, shown(text))
            self.kept.add(case.id)
        except TfceError as error:
            log.info("the console of %s is not kept: %s", case.id, error.message)


@contextmanager
def _consoles(cloud: Cloud, cases: Sequence[Case]) -> Iterator[Iterator[tuple[Case, str]]]:
    """What these VMs wrote, as it comes; it is asked for at once."""
    # hazard: what comes too late is still under way: no connection of it may be the sweep's own
    workers = [cloud.clone() for _ in cases[:AT_ONCE]]
    try:
        yield within(PATIENCE, workers, cases, _console)
    finally:
        for worker in workers:
            cloud.calls.update(worker.calls.copy())


def _console(cloud: Cloud, case: Case) -> str:
    try:
        return cloud.console(case.id) or ""
    except TfceError as error:
        log.info("no console of %s: %s", case.id, error.message)
        return ""


class ConsoleStore:
    """The consoles kept for a queue, newest first to be kept, by the pilot's key."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._folder = workspace, workspace.private / "consoles"

    def keep(self, key: str, text: str) -> None:
        """Put a console (masked) on the disk; the oldest ones make room."""
        files.private_folder(self._folder)
        files.write(self._path(key), text)
        with files.explained(self._folder, "listed"):
            newest = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in newest[_FILES:]:
            files.remove(path)

    def read(self, key: str) -> str | None:
        """The console kept of this pilot on this host."""
        return files.read(self._path(key))

    def anywhere(self, key: str) -> str | None:
        """The same; else the one that another host kept, where its folder is named."""
        own = self.read(key) if self._folder.is_dir() else None
        if own is not None:
            return own
        other = other_hosts.console(self._workspace, f"{self._folder.name}/{self._path(key).name}")
        return shown(other, LINES) if other is not None else None

    def _path(self, key: str) -> Path:
        return self._folder / f"{slug(key)}.log"


def shown(console: str, lines: int = LINES) -> str:
    """The last ``lines`` of a console as people may see it: masked, nothing that moves a terminal's cursor."""
    plain = _CONTROL.sub("", re.sub(r"\r\n?", "\n", console[-_SIZE:]))
    last = redacted(plain, strict=True).rstrip().split("\n")[-lines:]
    return "".join(f"{line[:_WIDTH].rstrip()}\n" for line in last)


_CONTROL = re.compile(
    r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])|[^\n\t\x20-\x7e\u00a0-\u200a\u2010-\u2027\u2030-\u2065\u206a-\uffff]"
)
