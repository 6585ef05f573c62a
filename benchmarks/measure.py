"""Seconds, requests and memory of a piece of work, the same for every cloud."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.site import AnySite

Asked = Callable[[], int]  # how many requests the cloud has got so far


@dataclass
class Cost:
    """One measurement."""

    seconds: float
    calls: int
    megabytes: int | None = None
    asking: float | None = None
    waiting: float | None = None
    cpu: float | None = None


def measured(asked: Asked, work: Callable[[], Any]) -> Cost:
    """What ``work`` costs in this process."""
    before, start = asked(), time.monotonic()
    work()
    return Cost(time.monotonic() - start, asked() - before)


def run(site: AnySite, asked: Asked, *arguments: str) -> Cost:
    """What a command costs, its children included."""
    return run_all([(site, arguments)], asked)


def run_all(commands: Sequence[tuple[AnySite, Sequence[str]]], asked: Asked) -> Cost:
    """What commands that run at once cost together."""
    before, start = asked(), time.monotonic()
    processes = [site.start(*arguments) for site, arguments in commands]
    with memory(*processes) as peak, ThreadPoolExecutor(len(processes)) as pool:
        said = list(pool.map(lambda process: process.communicate(), processes))
    seconds = time.monotonic() - start
    for process, (_, arguments), (out, err) in zip(processes, commands, said, strict=True):
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}\n{out}{err}")
    return Cost(seconds, asked() - before, peak())


@contextmanager
def memory(*processes: subprocess.Popen[str]) -> Iterator[Callable[[], int]]:
    """The largest sum of resident memory (MB) of processes and all below them, looked at 20 times a second. What
    they share counts as often as it is shared: it is an upper bound."""
    peak, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, resident({process.pid for process in processes}))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: peak // 2**20
    finally:
        ended.set()
        watcher.join()


def resident(roots: set[int]) -> int:
    """Bytes of resident memory of processes and all below them."""
    parents, sizes = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid], sizes[pid] = int(fields[1]), int(fields[21]) * 4096
    family, grown = set(roots), True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        grown, family = bool(more), family | more
    return sum(sizes.get(pid, 0) for pid in family)


def under_way(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds in which at least one of these requests was; each has a start and seconds."""
    total, end = 0.0, 0.0
    for start, seconds in sorted(spans):
        total += max(0.0, start + seconds - max(start, end))
        end = max(end, start + seconds)
    return total


def numbers(text: str) -> list[int]:
    """A list of numbers; empty for an empty text."""
    return [int(number) for number in text.split(",") if number]
