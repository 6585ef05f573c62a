"""What a backend that hosts share costs: `python -m benchmarks.hosts`.

One queue after the other gets a pilot, on an emulated EC2 (moto): with the state here, in PostgreSQL and in S3,
whose wire has a latency, all in turns in one run. Then queues with many pilots each share one PostgreSQL: seconds
of a cycle of all, and bytes of a queue. Wires count what goes to a backend.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import run
from benchmarks.results import FOLDER
from tests.e2e.hosts.backends import Backend, OnPostgres, OnS3
from tests.e2e.hosts.site import Host
from tests.rigs.localstack import Emulator, LocalStack, Moto
from tests.rigs.postgres import Postgres
from tests.rigs.proxy import Proxy
from tests.rigs.wire import Wire


@dataclass
class Far:
    """A backend at the other end of a wire."""

    near: Backend
    wire: Wire
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.near.name

    @property
    def port(self) -> int:
        """Where the wire begins."""
        return self.wire.port

    def section(self) -> str:
        """The backend's part of the file."""
        return self.near.section().replace(f":{self.near.port}", f":{self.wire.port}")


@dataclass
class Rows:
    """What was measured, in a file as it comes."""

    path: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **row: Any) -> None:
        """One measurement."""
        self.rows.append({**row, "load": round(os.getloadavg()[0], 1)})
        print(json.dumps(self.rows[-1]), flush=True)
        self.path.write_text(json.dumps(self.rows, indent=1) + "\n")


@dataclass
class Bench:
    """A cloud, a database and where the rows go."""

    stack: ExitStack
    rows: Rows

    def __post_init__(self) -> None:
        self.cloud: Emulator = self.stack.enter_context(Moto())
        self.server = self.stack.enter_context(Postgres())
        self.proxy = self.stack.enter_context(Proxy(self.cloud.url, mend=False))
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))

    def host(self, queue: str, backend: Backend | None) -> Host:
        """A host with a queue on a backend."""
        options = {"Terraform_Module": "bulk", "Workspace_Installation": "bench", "MaxTotalJobs": "1000"}
        options["Driver_port"] = str(self.proxy.port)
        return Host(self.folder / queue, self.cloud, self.proxy, queue=queue, options=options, backend=backend)

    def asked(self) -> int:
        """Requests to the cloud so far."""
        return sum(self.proxy.counts().values())


def submissions(bench: Bench, rounds: int, latency: float) -> None:
    """A submission of one pilot, on each backend in turns."""
    s3 = bench.stack.enter_context(LocalStack(settings={"SERVICES": "s3,ec2"}))
    wires = {"local": Wire(0), "pg": Wire(bench.server.port), "s3": Wire(s3.port, latency)}
    for wire in wires.values():
        bench.stack.enter_context(wire)
    places: dict[str, Backend | None] = {"local": None, "pg": Far(OnPostgres(bench.server), wires["pg"])}
    places["s3"] = Far(OnS3(s3), wires["s3"])
    sites = {name: bench.host(name, place) for name, place in places.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sites}
    for number in range(rounds + 1):  # the first sets a queue up, and does not count
        for name, site in sites.items():
            trips, sent = wires[name].trips, wires[name].sent
            cost = run(site, bench.asked, *site.submission(1))
            if number:
                seconds[name].append(cost.seconds)
                told = {"packets": wires[name].trips - trips, "bytes": wires[name].sent - sent}
                bench.rows.add(what="submit 1", who=name, seconds=round(cost.seconds, 2), calls=cost.calls, **told)
    for name, found in seconds.items():
        least, middle = min(found), statistics.median(found)
        ratios = least / min(seconds["local"]), middle / statistics.median(seconds["local"])
        print(f"{name}: least {least:.2f} s, median {middle:.2f} s; of local {ratios[0]:.2f}, {ratios[1]:.2f}")


def crowd(bench: Bench, queues: int, pilots: int, at_once: int) -> None:
    """Some queues with many pilots each on one PostgreSQL: a cycle is a submission of one and a sweep."""
    wire = bench.stack.enter_context(Wire(bench.server.port))
    near = OnPostgres(bench.server)
    sites = [bench.host(f"queue{number}", Far(near, wire)) for number in range(queues)]
    sites[0].run("doctor", sites[0].name)  # the schema is there
    for verb, count in (("submit", pilots - 1), ("submit", 1), ("reap", 0)):
        sent, trips, begun = wire.sent, wire.trips, datetime.now(UTC)
        commands = [(site, _words(site, verb, count)) for site in sites]
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda one: run(one[0], bench.asked, *one[1]), commands))
        seconds = (datetime.now(UTC) - begun).total_seconds()
        each = {"packets": (wire.trips - trips) // queues, "bytes": (wire.sent - sent) // queues}
        what = f"{verb} {count}".removesuffix(" 0")
        bench.rows.add(what=what, who=f"{queues} queues of {pilots}", seconds=round(seconds, 1), **each)
    known = f"select name, octet_length(data) from {near.schema}.states where name like '%queue0%' order by name"
    sizes = {
        line.split("|")[0].rpartition("queue0")[2]: int(line.split("|")[1]) for line in bench.server.sql(known)
    }
    whole = int(bench.server.sql(f"select pg_total_relation_size('{near.schema}.states')")[0])
    bench.rows.add(what="bytes kept", who=f"{queues} queues of {pilots}", queue=sum(sizes.values()), table=whole)


def _words(site: Host, verb: str, count: int) -> list[str]:
    return site.submission(count) if verb == "submit" else [verb, site.name]


def main() -> None:
    """Measure; every row is printed and written down as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="submissions on each backend")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds to S3 and back")
    parser.add_argument("--queues", type=int, default=10, help="queues on one PostgreSQL; 0: none")
    parser.add_argument("--pilots", default="10,50", help="pilots of each of them")
    parser.add_argument("--at-once", type=int, default=2, help="queues that are worked on at once")
    parser.add_argument("--results", type=Path, default=FOLDER / f"hosts-{datetime.now(UTC):%Y-%m-%d}.json")
    given = parser.parse_args()
    rows = Rows(given.results)
    if given.rounds:
        with ExitStack() as stack:
            submissions(Bench(stack, rows), given.rounds, given.latency)
    for pilots in map(int, given.pilots.split(",") if given.queues else ()):
        with ExitStack() as stack:
            crowd(Bench(stack, rows), given.queues, pilots, given.at_once)


if __name__ == "__main__":
    main()
