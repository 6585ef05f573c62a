"""Twenty queues of one CE at once, as SiteDirector's threads submit them: `python -m benchmarks.queues`.

Each queue gets one pilot, on an emulated EC2 (moto), with tfce's own provider and one Workspace_Root; at first
when none has a workspace, then again. The figure is the largest sum of resident memory of all commands,
Terraforms and providers together.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.ec2 import cloud
from benchmarks.measure import run_all
from benchmarks.results import Results, software
from tests.site import Site


def main() -> None:
    """Measure; every row is printed and written down as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--queues", type=int, default=20, help="queues at once")
    parser.add_argument("--who", default="bulk", help="tfce's modules")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each request")
    parser.add_argument("--results", type=Path, help="file for the rows, instead of one named by the day")
    given = parser.parse_args()
    results = Results("queues", software("moto"), given.results)
    for who in given.who.split(","):
        with tempfile.TemporaryDirectory() as folder, cloud("moto") as (emulator, proxy):
            proxy.latency = given.latency
            options = {"Terraform_Module": who, "Workspace_Root": f"{folder}/root"}
            sites = [
                Site(Path(folder) / f"site{n}", emulator, proxy, queue=f"queue{n}", options=dict(options))
                for n in range(given.queues)
            ]
            for what in ("first queues", "queues"):
                commands = [(site, site.submission(1)) for site in sites]
                cost = run_all(commands, lambda: sum(proxy.counts().values()))
                results.add("moto", who, what, given.queues, cost, given.latency)


if __name__ == "__main__":
    main()
