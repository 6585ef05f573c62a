"""What a backend that hosts share costs: `python -m benchmarks.hosts`.

One queue after the other gets a pilot, on an emulated EC2 (moto): with the state here, in PostgreSQL and in S3,
whose wire has a latency, all in turns in one run. Wires count what goes to a backend. Many queues on one
PostgreSQL: `benchmarks.many`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
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

    def backup(self, state: str, folder: Path) -> Callable[[], None]:
        """Back the queue up whose state this is, on the near side."""
        return self.near.backup(state, folder)


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


def main() -> None:
    """Measure; every row is printed and written down as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="submissions on each backend")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds to S3 and back")
    parser.add_argument("--results", type=Path, default=FOLDER / f"hosts-{datetime.now(UTC):%Y-%m-%d}.json")
    given = parser.parse_args()
    with ExitStack() as stack:
        submissions(Bench(stack, Rows(given.results)), given.rounds, given.latency)


if __name__ == "__main__":
    main()
