"""What was measured: a file of JSON lines for each program and day, written row by row, so that a run that is
stopped loses nothing. Tables and chart are made of these files (``benchmarks.report``)."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Cost

FOLDER = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Row:
    """One measurement: ``who`` did ``what`` with ``count`` pilots on ``cloud`` while ``running`` others ran (None:
    few, however many). ``least``: the smallest number of requests that could do it. ``asking``: seconds in which
    a request was under way; ``waiting``: seconds spent on looking until the VMs were up. ``cpu``: of
    ours and Terraform's; ``load``: how busy the
    machine was (processes, one minute's average); ``run``: when the program was started."""

    cloud: str
    who: str
    what: str
    count: int
    latency: float
    seconds: float
    requests: int
    running: int | None = None
    megabytes: int | None = None
    least: int | None = None
    asking: float | None = None
    waiting: float | None = None
    load: float = 0.0
    run: str = ""
    cpu: float | None = None

    @property
    def task(self) -> tuple[float, int, str, int]:
        """What it is about, whoever did it."""
        return self.latency, self.running or 0, self.what, self.count

    @property
    def title(self) -> str:
        """The task in words."""
        return self.what if self.what in TITLES else f"{self.what} {self.count}"

    @property
    def cell(self) -> str:
        """The figures."""
        parts = {"asking": self.asking, "waiting": self.waiting, "CPU": self.cpu}
        known = ", ".join(f"{seconds:.1f} {what}" for what, seconds in parts.items() if seconds)
        apart = f" ({known})" if known else ""
        memory = f" · {self.megabytes} MB" if self.megabytes else ""
        return f"{self.seconds:.1f} s{apart} · {self.requests}{memory}"


TITLES = ("refresh", "poll all", "Terraform's start", "command's start")  # tasks that have no number


class Results:
    """The file of one program, to which rows are added as they come."""

    def __init__(self, program: str, machine: str, path: Path | None = None) -> None:
        now = datetime.now(UTC)
        self.path = path or FOLDER / f"{program}-{now:%Y-%m-%d}.jsonl"
        self._run = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._append({"run": self._run, "machine": f"{machine}, {os.cpu_count()} cores"})
        print(f"{self._run[:10]}, {machine}; rows go to {self.path}", flush=True)

    def add(
        self,
        cloud: str,
        who: str,
        what: str,
        count: int,
        cost: Cost,
        latency: float,
        running: int | None = None,
        least: int | None = None,
    ) -> Row:
        """Write and print one row."""
        row = Row(
            cloud,
            who,
            what,
            count,
            latency,
            round(cost.seconds, 3),
            cost.calls,
            running,
            cost.megabytes,
            least,
            None if cost.asking is None else round(cost.asking, 3),
            None if cost.waiting is None else round(cost.waiting, 3),
            load=round(os.getloadavg()[0], 1),
            run=self._run,
            cpu=None if cost.cpu is None else round(cost.cpu, 3),
        )
        self._append({name: value for name, value in asdict(row).items() if value is not None})
        among = "" if running is None else f"{running} running, "
        minimum = "" if least is None else f" (at least {least})"
        print(f"{cloud}, +{latency:g} s, {among}{row.title}: {who}: {row.cell}{minimum}", flush=True)
        return row

    def _append(self, entry: dict[str, object]) -> None:
        with self.path.open("a") as out:
            out.write(json.dumps(entry) + "\n")


def load(paths: Iterable[Path]) -> tuple[list[Row], dict[str, str]]:
    """The newest row of each measurement in these files, of several in one run the middle one, and on what machine
    each run was made."""
    rows: dict[tuple[object, ...], list[tuple[str, int, Row]]] = {}
    machines: dict[str, str] = {}
    runs = 0  # two may begin within one second
    for path in paths:
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if "machine" in entry:
                machines[entry["run"]] = entry["machine"]
                runs += 1
            else:
                row = Row(**entry)
                rows.setdefault((row.cloud, row.who, *row.task), []).append((row.run, runs, row))
    found = [_middle(same) for same in rows.values()]
    return found, {run: text for run, text in machines.items() if run in {row.run for row in found}}


def _middle(rows: list[tuple[str, int, Row]]) -> Row:
    last = max(run[:2] for run in rows)
    mine = sorted((row for *run, row in rows if tuple(run) == last), key=lambda row: row.seconds)
    return mine[(len(mine) - 1) // 2]


def newest(folder: Path = FOLDER) -> list[Path]:
    """The last file of each program."""
    last = {path.stem.rsplit("-", 3)[0]: path for path in sorted(folder.glob("*.jsonl"))}
    return list(last.values())


def software(*parts: str) -> str:
    """What was measured with."""
    said = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True).stdout
    terraform = json.loads(said)["terraform_version"] if said else "of the wheel"
    return ", ".join((f"Python {platform.python_version()}", f"Terraform {terraform}", *parts))
