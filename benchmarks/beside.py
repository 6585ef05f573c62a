"""This tree beside an older one, in one run: `python -m benchmarks.beside --before FOLDER` (a git worktree).

Each tree's own code submits one pilot at a time on an emulated EC2 (moto) of its own, the trees in turns; then
it submits to twenty queues at once, from threads of one process as SiteDirector does; the program that serves
Terraform's provider is started, too (`--starts`: that only). Own seconds are those of the
clock less those in which a request was under way. Memory is that of the process and of what it starts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from tfce.provider.tls import certificate

HERE = Path(__file__).resolve().parents[1]
FIGURES = {"wall": "seconds", "own": "own seconds", "cpu": "CPU seconds", "megabytes": "MB"}


class Tree:
    """A process that has one tree's code, a cloud and queues, and measures when told."""

    def __init__(self, name: str, folder: Path, queues: int) -> None:
        self.name, self.folder = name, folder
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(HERE / "benchmarks" / "beside_worker.py"), str(queues)],
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended early")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def measure(self, what: str) -> dict[str, Any]:
        """``one``, ``all`` or ``cycle``: what it costs."""
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End it, and its cloud with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def program(folder: Path) -> dict[str, Any]:
    """What the program ``terraform-provider-tfce`` costs until Terraform may speak to it."""
    client = certificate()[0].public_bytes(Encoding.PEM).decode()
    cookie = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"  # as every Terraform sets it
    told = {"TF_PLUGIN_MAGIC_COOKIE": cookie, "PLUGIN_CLIENT_CERT": client, "PYTHONPATH": str(folder)}
    told |= {"TFCE_CLOUD_KEY": "k", "TFCE_CLOUD_SECRET": "s"}
    command, begun = [sys.executable, "-P", "-m", "tfce.provider"], time.monotonic()
    with subprocess.Popen(command, env=os.environ | told, cwd="/", stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline().startswith("1|6|unix|")
        wall, cpu = time.monotonic() - begun, _cpu(process.pid)
        status = Path(f"/proc/{process.pid}/stat").read_text()
        process.kill()
    pages = int(status.rpartition(")")[2].split()[21])
    return {"wall": wall, "own": wall, "cpu": cpu, "megabytes": pages * 4096 // 2**20}


def _cpu(pid: int) -> float:
    """Seconds of CPU of all threads of a process."""
    spent = (path.read_text().split()[0] for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(map(int, spent)) / 1e9


def imports(code: str) -> dict[str, Any]:
    """What a Python costs that runs ``code``."""
    command = [sys.executable, "-P", "-c", f"{code}; print('here', flush=True); input()"]
    begun = time.monotonic()
    with subprocess.Popen(command, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline()
        wall, cpu = time.monotonic() - begun, _cpu(process.pid)
        process.kill()
    return {"wall": wall, "own": wall, "cpu": cpu, "megabytes": 0}


def starts(before: Path, rounds: int) -> list[dict[str, Any]]:
    """What the program costs until Terraform may speak to it, in both trees and in turns, beside what no such
    program can do without."""
    tasks: dict[str, Callable[[], dict[str, Any]]] = {
        "before": partial(program, before),
        "after": partial(program, HERE),
        "Python": partial(imports, "0"),
        "and grpc": partial(imports, "import grpc"),
        "and protobuf, the framework": partial(imports, "import grpc, tf.provider"),
    }
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in tasks}
    for name in [name for _ in range(rounds) for name in tasks]:
        taken[name].append(tasks[name]())
    return [{"tree": name, "what": "program's start", **middle(rows)} for name, rows in taken.items()]


def middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The middle of each figure."""
    return {key: round(median(row[key] for row in rows), 3) for key in FIGURES}


def main() -> None:
    """Measure; every row is printed and written down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="the older tree")
    parser.add_argument("--rounds", type=int, default=7, help="submissions of one pilot")
    parser.add_argument("--queues", type=int, default=20, help="queues at once")
    parser.add_argument("--cycle", action="store_true", help="of SiteDirector, instead of single submissions")
    parser.add_argument("--starts", action="store_true", help="of the program only")
    given = parser.parse_args()
    if given.starts:
        _written("starts", starts(given.before.resolve(), given.rounds))
        return
    trees = [Tree("before", given.before.resolve(), given.queues), Tree("after", HERE, given.queues)]
    taken: dict[str, list[dict[str, Any]]] = {tree.name: [] for tree in trees}
    for _ in range(0 if given.cycle else given.rounds):
        for tree in trees:
            taken[tree.name].append(tree.measure("one"))
    rows = []
    for tree in trees:
        if given.cycle:
            tasks = {f"cycle {given.queues}": tree.measure("cycle")}
        else:
            begun = [program(tree.folder) for _ in range(given.rounds)]
            tasks = {"submit 1": middle(taken[tree.name]), "program's start": middle(begun)}
            tasks[f"queues {given.queues}"] = tree.measure("all")
        for what, figures in tasks.items():
            rows.append({"tree": tree.name, "what": what, "load": round(os.getloadavg()[0], 1), **figures})
        tree.close()
    _written("cycle" if given.cycle else "beside", rows)


def _written(kind: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        words = " · ".join(f"{row[key]} {text}" for key, text in FIGURES.items())
        print(f"{row['tree']}, {row['what']}: {words}", flush=True)
    path = HERE / "benchmarks" / "results" / f"{kind}-{time.strftime('%Y-%m-%d', time.gmtime())}.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
