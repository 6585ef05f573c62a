"""Many queues whose record is in one PostgreSQL: `python -m benchmarks.many`.

A process that has started, as SiteDirector's, has all the queues, each on a nova of our own that answers at once.
One queue's pilots are submitted; those of the others are written into database and cloud from the side, so that
each queue begins as on a host from nothing. Then: a submission of one by every queue, a poll of every pilot, a
sweep. CPU is that of the process and of what it starts; the cloud is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.beside_worker import cpu
from benchmarks.hosts import Far, Rows
from benchmarks.results import FOLDER
from tests.e2e.hosts.backends import OnPostgres
from tests.rigs.postgres import Postgres
from tests.rigs.smallstack import IMAGE, SmallStack
from tests.rigs.wire import Wire
from tests.site import WRAPPER
from tests.smallsite import SmallSite

_TIMEOUT = 3600
_OPTIONS = {
    "Instance_Image": IMAGE,
    "Instance_Networks": "",
    "Terraform_Module": "bulk",
    "Terraform_Backend": "pg",
    "Workspace_Installation": "bench",
    "MaxTotalJobs": "1000",
    "MaxWaitingJobs": "1000",
}


# -- the process that has the queues ---------------------------------------------------------------------------


def work(configurations: Sequence[str], at_once: int) -> None:
    """One verb a line in; its seconds and those of CPU out."""
    from tfce.app import assemble
    from tfce.config.cfg import load_queue

    made = [
        assemble(load_queue(Path(cfg), name)) for cfg, _, name in (one.partition("=") for one in configurations)
    ]

    def submit(parts: Any, count: int) -> None:
        done = parts.fleet.submit(WRAPPER.encode(), count)
        assert len(done.stamps) == count, (done.failed, done.limited)

    def poll(parts: Any, count: int) -> None:
        asked = [f"cloud://{pilot.id}" for pilot in parts.workspace.load().pilots.values()]
        assert len(asked) == count and set(parts.fleet.poll(asked).values()) == {"Running"}

    def reap(parts: Any, _: int) -> None:
        done = parts.fleet.reap()
        assert not done.removed and not done.failed, done

    verbs: dict[str, Callable[[Any, int], None]] = {"submit": submit, "poll": poll, "reap": reap}
    for line in sys.stdin:
        verb, count = json.loads(line)
        begun, before = time.monotonic(), cpu()
        with ThreadPoolExecutor(at_once or len(made)) as pool:
            list(pool.map(lambda parts, verb=verb, count=count: verbs[verb](parts, count), made))
        print(json.dumps([time.monotonic() - begun, cpu() - before]), flush=True)


class Worker:
    """This side of it."""

    def __init__(self, sites: Sequence[SmallSite], at_once: int) -> None:
        words = [f"{site.cfg}={site.name}" for site in sites]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.many", "--worker", str(at_once), *words],
            env=os.environ | sites[0].environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(_TIMEOUT)

    def do(self, verb: str, count: int = 0) -> tuple[float, float]:
        """Seconds, and seconds of CPU, until all queues have done it."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps([verb, count]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{verb}: the worker ended with {self._process.wait()}")
        seconds, used = json.loads(line)
        return seconds, used


# -- what is measured ------------------------------------------------------------------------------------------


@dataclass
class Many:
    """Some queues with a cloud each, on one database."""

    stack: ExitStack
    queues: int

    def __post_init__(self) -> None:
        self.server = self.stack.enter_context(Postgres())
        self.wire = self.stack.enter_context(Wire(self.server.port))
        self.backend = OnPostgres(self.server)
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        auth = folder / "backend.auth"
        auth.touch(0o600)
        auth.write_text(Far(self.backend, self.wire).section())
        options = {**_OPTIONS, "Terraform_BackendFile": str(auth), "Workspace_Root": str(folder / "root")}
        self.clouds = [self.stack.enter_context(SmallStack()) for _ in range(self.queues)]
        self.sites = [
            SmallSite(folder / f"{number:04}", cloud, cloud.url, queue=f"queue{number:04}", options=dict(options))
            for number, cloud in enumerate(self.clouds)
        ]

    def populate(self, pilots: int) -> None:
        """Let so many pilots of each queue run."""
        with Worker(self.sites[:1], 1) as worker:
            worker.do("submit", pilots)
        table, model = f"{self.backend.schema}.states", self.sites[0]
        servers = json.dumps(self.clouds[0].servers)
        for site, cloud in zip(self.sites[1:], self.clouds[1:], strict=True):
            changed = "data"
            for old, new in (
                (model.queue, site.queue),
                (f"127.0.0.1:{model.cloud.port}", f"127.0.0.1:{cloud.port}"),
            ):
                changed = f"replace({changed}, '{old}', '{new}')"
            name = f"replace(name, '{model.queue}', '{site.queue}')"
            known = f"select {name}, {changed} from {table} where name like '%{model.queue}%'"
            self.server.sql(f"insert into {table} (name, data) {known}")
            cloud.servers = deepcopy(json.loads(servers.replace(model.queue, site.queue)))

    def kept(self) -> dict[str, int]:
        """Bytes: of one queue's rows, and of the whole table with what PostgreSQL keeps beside it."""
        table = f"{self.backend.schema}.states"
        (one,) = self.server.sql(f"select sum(octet_length(data)) from {table} where name like '%queue0000%'")
        (whole,) = self.server.sql(f"select pg_total_relation_size('{table}')")
        return {"queue": int(one), "table": int(whole)}


def measure(rows: Rows, queues: int, pilots: int, at_once: int) -> None:
    """A cycle of all, piece by piece."""
    with ExitStack() as stack:
        many = Many(stack, queues)
        many.populate(pilots)
        worker = stack.enter_context(Worker(many.sites, at_once))
        who = {"queues": queues, "pilots": pilots}
        rows.add(what="kept before", **who, **many.kept())
        for what, verb, count in _steps(pilots):
            wire = many.wire
            trips, sent, connections = wire.trips, wire.sent, wire.connections
            seconds, used = worker.do(verb, count)
            each = {"packets": wire.trips - trips, "bytes": wire.sent - sent}
            each |= {"connections": wire.connections - connections}
            told = {name: round(value / queues, 1) for name, value in each.items()}
            rows.add(what=what, **who, seconds=round(seconds, 1), cpu=round(used, 1), each=told)
        rows.add(what="kept after", **who, **many.kept())


def _steps(pilots: int) -> list[tuple[str, str, int]]:
    """What is measured, its verb, and the verb's number."""
    one = [("submit 1", "submit", 1), ("poll all", "poll", pilots + 1), ("sweep", "reap", 0)]
    return [("sweep on a new host", "reap", 0), *one]


def main() -> None:
    """Measure; every row is printed and written down as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="10x10,10x50,10x200,50x50,200x50", help="queues x pilots of each")
    parser.add_argument("--at-once", type=int, default=4, help="queues that are worked on at once; 0: all")
    parser.add_argument("--results", type=Path, default=FOLDER / f"many-{datetime.now(UTC):%Y-%m-%d}.json")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker[1:], int(given.worker[0]))
        return
    rows = Rows(given.results)
    for size in given.sizes.split(","):
        queues, pilots = map(int, size.split("x"))
        measure(rows, queues, pilots, given.at_once)


if __name__ == "__main__":
    main()
