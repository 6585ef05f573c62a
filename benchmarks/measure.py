"""Seconds, requests and memory of a piece of work, the same for every cloud."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
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

    def __str__(self) -> str:
        memory = f" · {self.megabytes} MB" if self.megabytes else ""
        return f"{self.seconds:.1f} s · {self.calls}{memory}"


def measured(asked: Asked, work: Callable[[], Any]) -> Cost:
    """What ``work`` costs in this process."""
    before, start = asked(), time.monotonic()
    work()
    return Cost(time.monotonic() - start, asked() - before)


def run(site: AnySite, asked: Asked, *arguments: str) -> Cost:
    """What a command costs, its children included."""
    before, start = asked(), time.monotonic()
    process = site.start(*arguments)
    with memory(process) as peak:
        out, err = process.communicate()
    seconds = time.monotonic() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}\n{out}{err}")
    return Cost(seconds, asked() - before, peak())


@contextmanager
def memory(process: subprocess.Popen[str]) -> Iterator[Callable[[], int]]:
    """The largest sum of resident memory (MB) of a process and all below it, looked at 20 times a second."""
    peak, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: peak // 2**20
    finally:
        ended.set()
        watcher.join()


def resident(root: int) -> int:
    """Bytes of resident memory of a process and all below it."""
    parents, sizes = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid], sizes[pid] = int(fields[1]), int(fields[21]) * 4096
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        grown, family = bool(more), family | more
    return sum(sizes.get(pid, 0) for pid in family)


def markdown(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
