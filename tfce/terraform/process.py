"""Run one program to its end: bounded, interruptible, its output never on disk."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INTERRUPT_GRACE = 60.0  # seconds a program gets to finish and write down what it did after SIGINT
TERMINATE_GRACE = 10.0  # seconds after SIGTERM, before SIGKILL
_TICK = 0.05
# In the environment of every provider, and of every Terraform that we start.
_PROVIDER, _TERRAFORM = b"\0TF_PLUGIN_MAGIC_COOKIE=", b"\0TF_WORKSPACE="


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code (negative: the signal), its output, and why it was stopped, if it
    was ("" otherwise, else "timed out" or "interrupted")."""

    exit: int
    out: str
    err: str
    stopped: str

    @property
    def how(self) -> str:
        """Its end in words."""
        if self.stopped or self.exit >= 0:
            return self.stopped or f"ended with {self.exit}"
        return f"was killed by signal {-self.exit}"


def run(
    argv: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout: float,
    keep_open: Sequence[int] = (),
    on_line: Callable[[str], None] = lambda line: None,
) -> Ended:
    """Run ``argv`` in ``folder`` and return when it has ended, whatever happens.

    After ``timeout`` seconds, or when the user interrupts us, it gets one SIGINT and time to finish;
    only then SIGTERM and SIGKILL. It has a session of its own: a terminal's Ctrl-C reaches it through us,
    once (twice would make Terraform give up what it has begun). Its output goes to memory, not to a pipe:
    if we are killed, it can still finish and record what it did. ``on_line`` gets each line of its output.
    What a program that was killed leaves at work is told to end and gets its time, too: a provider may be
    making a VM.
    """
    out, err = os.memfd_create("out"), os.memfd_create("err")
    try:
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=tuple(keep_open),
            start_new_session=True,
            umask=0o077,
        )
        stopped = _watch(child, timeout, _Lines(out, on_line))
        _outlast(child.pid)
        return Ended(child.returncode, _content(out), _content(err), stopped)
    finally:
        os.close(out)
        os.close(err)


def _watch(child: subprocess.Popen[bytes], timeout: float, lines: _Lines) -> str:
    deadline, stopped = time.monotonic() + timeout, ""
    escalation = iter(
        ((signal.SIGINT, INTERRUPT_GRACE), (signal.SIGTERM, TERMINATE_GRACE), (signal.SIGKILL, 3600.0))
    )
    step, grace = signal.SIGKILL, 3600.0
    while True:
        try:
            if _ended(child, lines):
                return stopped
            if time.monotonic() < deadline:
                continue
            stopped = stopped or "timed out"
        except KeyboardInterrupt:
            stopped = "interrupted"
        step, grace = next(escalation, (step, grace))
        deadline = time.monotonic() + grace
        _signal(child, step)


def _ended(child: subprocess.Popen[bytes], lines: _Lines) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_TICK)
    lines.read()
    return child.returncode is not None


def _signal(child: subprocess.Popen[bytes], step: signal.Signals) -> None:
    try:
        if step is signal.SIGKILL:
            os.killpg(child.pid, step)  # its providers, too
        else:
            child.send_signal(step)
    except ProcessLookupError:
        pass


def _outlast(group: int) -> None:
    """Wait until nothing is left of what a program started: all are told to end, and killed when they do not."""
    deadline = time.monotonic() + INTERRUPT_GRACE
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline and _at_work(group):
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(_TICK)
        os.killpg(group, signal.SIGKILL)


def end_orphans(held: Path) -> bool:
    """Kill the providers that hold the file ``held`` open and whose Terraform is gone: nobody will ever tell them
    to end. True if there were any; False where there is no /proc."""
    providers = [pid for pid in _processes() if _PROVIDER in _environment(pid) and _holds(pid, held)]
    orphans = [pid for pid in providers if _TERRAFORM not in _environment(_parent(pid))]
    for pid in orphans:
        with contextlib.suppress(OSError):
            os.kill(int(pid.name), signal.SIGKILL)
    return bool(orphans)


# Processes as their folders in /proc; of one that has ended, or is not ours, nothing is known.


def _processes() -> Iterator[Path]:
    return Path("/proc").glob("[0-9]*")


def _environment(pid: Path) -> bytes:
    with contextlib.suppress(OSError):
        return b"\0" + (pid / "environ").read_bytes()
    return b""


def _stat(pid: Path) -> list[str]:
    """State, parent and group; a zombie counts as one that has ended: in a container nobody may bury it."""
    with contextlib.suppress(OSError):
        fields = (pid / "stat").read_text().rpartition(")")[2].split()[:3]
        return fields if fields[0] not in "ZX" else []
    return []


def _at_work(group: int) -> bool:
    return any(_stat(pid)[2:] == [str(group)] for pid in _processes())


def _parent(pid: Path) -> Path:
    return pid.with_name((_stat(pid) or ["", pid.name])[1])


def _holds(pid: Path, held: Path) -> bool:
    with contextlib.suppress(OSError):
        return any(link.exists() and link.samefile(held) for link in (pid / "fd").iterdir())
    return False


class _Lines:
    """The whole lines that have been written to a file since the last look."""

    def __init__(self, handle: int, on_line: Callable[[str], None]) -> None:
        self._handle, self._on_line = handle, on_line
        self._position, self._rest = 0, b""

    def read(self) -> None:
        while data := os.pread(self._handle, 1 << 20, self._position):
            self._position += len(data)
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                self._on_line(line.decode(errors="replace"))


def _content(handle: int) -> str:
    size = os.fstat(handle).st_size
    return os.pread(handle, size, 0).decode(errors="replace")
