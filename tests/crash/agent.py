"""The command line under watch: ``python -m tests.crash.agent LOG STEP VICTIM ROOT COMMAND...``.

Before step STEP it kills VICTIM: "tfce" (this process), "terraform" (its Terraform alone), "group" (both, and what
they started), or "power": the group, and what was not fsynced under ROOT is lost. LOG gets a line for each step,
with a mark where a Terraform was at work."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.crash.steps import Disk, Watch


def started() -> list[int]:
    """The processes that this one started, and that still run."""
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def is_terraform(pid: int) -> bool:
    """Whether a process is a Terraform that tfce started, as opposed to what it keeps beside it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"apply" in words or b"init" in words or b"push" in words or b"pull" in words or b"rm" in words


def strike(victim: str, disk: Disk | None) -> None:
    """Kill ``victim`` now."""
    children = started()
    if victim in ("terraform", "group", "power"):
        for pid in children:
            if victim != "terraform" or is_terraform(pid):
                os.kill(pid, signal.SIGKILL)
    if disk is not None:
        disk.lose(names_too=True)
    if victim != "terraform":
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the command line."""
    log_path, step, victim, root, *command = sys.argv[1:]
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    disk = Disk(Path(root).resolve()) if victim == "power" else None

    def at(number: int, name: str) -> None:
        mark = "*" if any(map(is_terraform, started())) else " "
        os.write(log, f"{number} {mark} {name}\n".encode())
        if number and number == int(step):
            strike(victim, disk)

    sys.argv = ["tfce", *command]
    from tfce.cli.main import main as tfce

    with Watch(at, disk):
        code = tfce()
        at(0, "end")
    sys.exit(code)


if __name__ == "__main__":
    main()
