"""One verb on one host, a process of its own: ``python -m tests.e2e.hosts.agent CFG CE/QUEUE CLOCK VERB WORD...``.

The file CLOCK has two numbers of seconds: by how much the host's wall clock is wrong, and how much more time than
in truth has passed on it, so that a lease can pass without anybody waiting for it. Prints a JSON object."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.site import WRAPPER
from tfce.app import Parts, assemble
from tfce.config import backends
from tfce.config.cfg import load_queue
from tfce.model.drain import Drain
from tfce.model.errors import TfceError
from tfce.pilots.fleet import Fleet, Sweep
from tfce.store.shared_document import BootClock
from tfce.store.shared_record import SharedRecord
from tfce.store.whose import Whose
from tfce.terraform.document_store import StateDocumentStore, lease_seconds


class Clock:
    """The host's clocks, as the file says just now."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _numbers(self) -> tuple[float, float]:
        wrong, passed = self._path.read_text().split()
        return float(wrong), float(passed)

    def wall(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC) + timedelta(seconds=sum(self._numbers()))

    def seconds(self) -> float:
        """Since the machine started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self._numbers()[1]


def parts(cfg: Path, name: str, clock: Clock) -> Parts:
    """What the command line works with, on the host's own clocks."""
    made = assemble(load_queue(cfg, name), clock=clock.wall)
    workspace, queue = made.workspace, made.workspace.queue
    if workspace.shared is not None:
        ticks = BootClock(now=clock.seconds)
        documents = StateDocumentStore(workspace, made.credentials, backend=backends.load(queue), ticks=ticks)
        seconds, patience = lease_seconds(queue), queue.workspace.lock_timeout
        workspace.shared = SharedRecord(workspace.file, Whose.of(queue), documents, seconds, patience, ticks)
        made.terraform.ticks = ticks
    return made


def _submit(fleet: Fleet, words: list[str]) -> Any:
    made = fleet.submit(WRAPPER.encode(), int(words[0]))
    return {
        "stamps": made.stamps,
        "failed": {key: str(why) for key, why in made.failed.items()},
        "why": made.limited,
    }


def facts(made: Parts) -> Any:
    """What record and state of the queue say, as the backend has them."""
    made.workspace.refresh()
    record = made.workspace.load()
    pending = str(record.pending) if record.pending else ""
    return {"record": sorted(record.pilots), "state": sorted(made.terraform.instances()), "pending": pending}


def _swept(sweep: Sweep) -> Any:
    removed = {one.reference: str(one.reason) for one in sweep.removed}
    return {"removed": removed, "failed": sweep.failed, "adopted": sweep.adopted, "absent": sweep.absent}


VERBS: dict[str, Callable[[Fleet, list[str]], Any]] = {
    "submit": _submit,
    "poll": lambda fleet, words: fleet.poll(words),
    "status": lambda fleet, words: {one.pilot.key: one.state for one in fleet.status()},
    "audit": lambda fleet, words: [asdict(row) for row in fleet.audit()],
    "reap": lambda fleet, words: _swept(fleet.reap()),
    "kill": lambda fleet, words: _swept(fleet.kill(words)),
    "drain": lambda fleet, words: str(fleet.drain(Drain(datetime.now(UTC)))),
    "open": lambda fleet, words: str(fleet.drain(None)),
    "repair": lambda fleet, words: fleet.repair(),
}


def main() -> None:
    """Do the verb."""
    cfg, name, clock, verb, *words = sys.argv[1:]
    try:
        made = parts(Path(cfg), name, Clock(Path(clock)))
        said = {"said": facts(made) if verb == "facts" else VERBS[verb](made.fleet, words)}
    except TfceError as error:
        said = {"error": error.kind, "message": error.message}
    print(json.dumps(said, default=str))


if __name__ == "__main__":
    main()
