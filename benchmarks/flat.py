"""What a cycle costs while 10, 1000 and 10 000 pilots run: `make bench-flat` (`python -m benchmarks.flat`).

A nova of our own (tests/rigs/smallstack.py) answers at once and counts what it is asked; an emulator would need
seconds for a list of 1000. The verbs run in a process of their own that has started and is logged in, as
SiteDirector has; what runs already is written into the cloud, the record and the state from the side. Own seconds
are judged by CPU, which other work on the machine changes least; memory is that of the process and Terraform.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, memory, numbers, under_way
from benchmarks.results import Results, software
from tests.checking import state_file
from tests.rigs.smallstack import IMAGE, SmallStack
from tests.site import WRAPPER
from tests.smallsite import SmallSite
from tfce.model.pilot import Pilot, fresh_keys, timestamp

_PAGE = 1000  # servers of one answer
_BY_ID = {"Instance_Image": IMAGE, "Instance_Networks": "", "Terraform_Module": "bulk"}  # nothing to look up
_BY_ID |= {"Workspace_ProtectAfter": "0"}  # its pilots end too soon


class Worker:
    """The process that has the fleet. One verb a line in; its seconds out."""

    def __init__(self, site: SmallSite) -> None:
        self._site = site
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.flat", "--worker", str(site.cfg), site.name],
            env=os.environ | site.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def cost(self, verb: str, value: Any = None) -> Cost:
        """What ``verb`` costs."""
        cloud = self._site.cloud
        cloud.asked.clear()
        cloud.spans.clear()
        assert self.process.stdin and self.process.stdout
        with memory(self.process) as peak:
            print(json.dumps([verb, value]), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
            time.sleep(0.06)  # memory is looked at 20 times a second
        if not line:
            raise SystemExit(f"{verb}: the worker ended with {self.process.wait()}")
        seconds, cpu = json.loads(line)
        return Cost(seconds, len(cloud.asked), peak(), under_way(list(cloud.spans)), cpu=cpu)

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def work(cfg: str, name: str) -> None:
    """The worker's side."""
    from tfce.app import assemble
    from tfce.config.cfg import load_queue

    parts = assemble(load_queue(Path(cfg), name))
    fleet, wrapper = parts.fleet, WRAPPER.encode()

    def submit(count: int) -> None:
        done = fleet.submit(wrapper, count)
        assert len(done.stamps) == count, (done.failed, done.stopped, done.limited)

    def reap(count: int) -> None:
        done = fleet.reap()
        assert len(done.removed) == count, done

    def poll(count: int) -> None:
        states = fleet.poll([f"cloud://{pilot.id}" for pilot in parts.workspace.load().pilots.values()])
        assert len(states) == count

    def refresh(_: None) -> None:
        assert parts.terraform.plan().empty

    verbs: dict[str, Callable[[Any], None]] = {"submit": submit, "reap": reap, "poll": poll, "refresh": refresh}
    for line in sys.stdin:
        verb, value = json.loads(line)
        begun, before = time.monotonic(), _cpu()
        verbs[verb](value)
        print(json.dumps([time.monotonic() - begun, _cpu() - before]), flush=True)


def _cpu() -> float:
    """Seconds of CPU of this process and of its children that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def populate(site: SmallSite, count: int) -> None:
    """Let ``count`` pilots of the queue run, beside one that was submitted."""
    cloud, parts = site.cloud, site.parts()
    record, now = parts.workspace.load(), datetime.now(UTC).replace(microsecond=0)
    (model,) = cloud.servers.values()
    old = next(iter(record.pilots))
    ids = {}
    for number, key in enumerate(fresh_keys(count - 1, record.pilots)):
        server = json.loads(json.dumps(deepcopy(model)).replace(old, key))
        server["id"] = ids[key] = f"00000000-0000-4000-8000-{number:012x}"
        cloud.servers[server["id"]] = server
    path = state_file(site)
    state = json.loads(path.read_text())
    (resource,) = (one for one in state["resources"] if one["mode"] == "managed")
    attributes = resource["instances"][0]["attributes"]
    attributes["ids"] |= ids
    attributes["pilots"] |= dict.fromkeys(ids, timestamp(now))
    state["serial"] += 1
    path.write_text(json.dumps(state))
    parts.workspace.save(record.including(Pilot(key, now, "bench", node) for key, node in ids.items()))


def measure(results: Results, count: int, submits: list[int], reap: int) -> None:
    """All verbs beside ``count`` pilots."""
    with SmallStack(page=_PAGE) as cloud, tempfile.TemporaryDirectory() as folder:
        site = SmallSite(Path(folder) / "site", cloud, cloud.url, options=dict(_BY_ID))
        worker = Worker(site)
        pages = -(-count // _PAGE)

        def note(what: str, number: int, cost: Cost, least: int) -> None:
            results.add("small", "bulk", what, number, cost, 0.0, running=count, least=least)

        try:
            worker.cost("submit", 1)
            populate(site, count)
            note("poll all", 0, worker.cost("poll", count), pages)
            note("refresh", 0, worker.cost("refresh"), pages)
            for number in submits:
                before = set(cloud.servers)
                note("submit", number, worker.cost("submit", number), -(-number // 100) + 1)
                made = list(set(cloud.servers) - before)
                for vm in made:
                    cloud.stop(vm)
                part = made[:reap]
                if len(part) == reap:
                    for vm in made[reap:]:
                        cloud.servers[vm]["status"] = "ACTIVE"
                    note("reap", reap, worker.cost("reap", reap), pages + reap + min(reap, 10))
                else:
                    worker.cost("reap", len(made))
        finally:
            worker.close()


def main() -> None:
    """Measure; every row is printed and written down as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--running", default="10,1000,10000", help="pilots that run already")
    parser.add_argument("--submit", default="10,1000", help="pilots to submit")
    parser.add_argument("--reap", type=int, default=100, help="pilots to remove")
    parser.add_argument("--results", type=Path, help="file for the rows, instead of one named by the day")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(*given.worker)
        return
    results = Results("flat", software("a small OpenStack of our own"), given.results)
    for count in numbers(given.running):
        measure(results, count, numbers(given.submit), given.reap)


if __name__ == "__main__":
    main()
