"""The part of ``benchmarks.beside`` that runs with one tree's code: it uses what every tree has."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.rigs.localstack import Moto
from tests.rigs.proxy import Proxy
from tests.site import WRAPPER, Site


def cpu() -> float:
    """Seconds of CPU of this process and of the children that have ended; moto is none of them."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def family() -> int:
    """Resident memory in MB of this process and of what it started but the cloud."""
    sizes, parents = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            clouds = b"moto" in (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid], sizes[pid] = (0 if clouds else int(fields[1])), int(fields[21]) * 4096
    found, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown, found = bool(more), found | more
    return sum(sizes.get(pid, 0) for pid in found) // 2**20


def under_way(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of these requests was."""
    total, end = 0.0, 0.0
    for start, seconds in sorted(spans):
        total += max(0.0, start + seconds - max(start, end))
        end = max(end, start + seconds)
    return total


def measured(proxy: Proxy, work: Callable[[], object]) -> dict[str, Any]:
    """What ``work`` costs."""
    proxy.counts(reset=True)
    peak, over = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.2):
            peak = max(peak, family())

    watcher = threading.Thread(target=watch)
    watcher.start()
    before, start = cpu(), time.monotonic()
    work()
    wall = time.monotonic() - start
    spent = cpu() - before
    over.set()
    watcher.join()
    asking = under_way([(request.start, request.seconds) for request in proxy.requests()])
    return {"wall": round(wall, 3), "own": round(wall - asking, 3), "cpu": round(spent, 3), "megabytes": peak}


def submit(fleet: Any) -> None:
    """One pilot in one queue."""
    done = fleet.submit(WRAPPER.encode(), 1)
    assert len(done.stamps) == 1, done.failed


def cycle(fleet: Any) -> None:
    """What SiteDirector asks of one queue in a cycle: how many there are, new ones, their states, a sweep."""
    fleet.count()
    done = fleet.submit(WRAPPER.encode(), 1)
    fleet.poll(list(done.stamps))
    fleet.reap()


def main() -> None:
    """Make the queues, submit once to each, and then measure what each line of the input says."""
    with tempfile.TemporaryDirectory() as folder, Moto() as emulator, Proxy(emulator.url, mend=False) as proxy:
        options = {"Terraform_Module": "bulk", "Workspace_Root": f"{folder}/root"}
        sites = [
            Site(Path(folder) / f"site{n}", emulator, proxy, queue=f"queue{n}", options=dict(options))
            for n in range(int(sys.argv[1]))
        ]
        fleets = [site.parts().fleet for site in sites]
        for fleet in fleets:
            submit(fleet)
        print("{}", flush=True)

        def together(do: Callable[[Any], None]) -> None:
            threads = [threading.Thread(target=do, args=(fleet,)) for fleet in fleets]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        for line in sys.stdin:
            tasks = {
                "one": partial(submit, fleets[0]),
                "all": partial(together, submit),
                "cycle": partial(together, cycle),
            }
            print(json.dumps(measured(proxy, tasks[line.strip()])), flush=True)


if __name__ == "__main__":
    main()
