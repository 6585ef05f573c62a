"""Run one program to its end: bounded, interruptible, its output never on disk."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfce.model.reasons import Stopped

INTERRUPT_GRACE = 60.0  # seconds a program gets to finish and write down what it did after SIGINT
TERMINATE_GRACE = 10.0  # seconds after SIGTERM, before SIGKILL
_TICK = 0.05


def interrupt_grace() -> float:
    """Seconds for a program that has begun something."""
    return INTERRUPT_GRACE


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code (negative: the signal), its output, and why it was stopped, if it was."""

    exit: int
    out: str
    err: str
    stopped: Stopped

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
    grace: Callable[[], float] = interrupt_grace,
    keep_open: Sequence[int] = (),
    on_start: Callable[[int], None] = lambda pid: None,
    on_line: Callable[[str], None] = lambda line: None,
) -> Ended:
    """Run ``argv`` in ``folder`` and return when it has ended, whatever happens.

    After ``timeout`` seconds, or when the user interrupts us, it gets one SIGINT and ``grace()`` seconds (asked
    then) to finish; only then SIGTERM and SIGKILL. It has a session of its own: a terminal's Ctrl-C reaches it
    through us, once (twice would make Terraform give up what it has begun). Its output goes to memory, not to a
    pipe: if we are killed, it can still finish and record what it did. ``on_start`` gets its process id,
    ``on_line`` each line of its output. What it leaves behind is killed.
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
        on_start(child.pid)
        stopped = _watch(child, timeout, grace, _Lines(out, on_line))
        end_group(child.pid)
        return Ended(child.returncode, _content(out), _content(err), stopped)
    finally:
        os.close(out)
        os.close(err)


def _watch(child: subprocess.Popen[bytes], timeout: float, first: Callable[[], float], lines: _Lines) -> Stopped:
    deadline, stopped = time.monotonic() + timeout, Stopped.NO
    last = (signal.SIGKILL, lambda: 3600.0)
    escalation = iter(((signal.SIGINT, first), (signal.SIGTERM, lambda: TERMINATE_GRACE)))
    while True:
        try:
            if _ended(child, lines):
                return stopped
            if time.monotonic() < deadline:
                continue
            stopped = stopped or Stopped.TIMED_OUT
        except KeyboardInterrupt:
            stopped = Stopped.INTERRUPTED
        step, grace = next(escalation, last)
        deadline = time.monotonic() + grace()
        _signal(child, step)


def _ended(child: subprocess.Popen[bytes], lines: _Lines) -> bool:
    _wait(child)
    lines.read()
    return child.returncode is not None


def _wait(child: subprocess.Popen[bytes]) -> None:
    """Wait until it has ended, or for a moment. ``Popen.wait`` alone would look again and again, ever later."""
    try:
        handle = os.pidfd_open(child.pid)
    except OSError:  # an old kernel, or a sandbox
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_TICK)
        return
    try:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        waiting.poll(_TICK * 1000)
    finally:
        os.close(handle)
    child.poll()


def _signal(child: subprocess.Popen[bytes], step: signal.Signals) -> None:
    try:
        if step is signal.SIGKILL:
            os.killpg(child.pid, step)  # its providers, too
        else:
            child.send_signal(step)
    except ProcessLookupError:
        pass


def end_group(group: int) -> None:
    """Kill what is left of a program that was started, once it has ended itself: a provider that nobody will ever
    tell to end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def at_work(pid: int) -> bool:
    """Whether there is such a process; a zombie has ended: in a container nobody may bury it."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
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
