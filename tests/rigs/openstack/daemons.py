"""Starting and ending the rig's own processes, by the ids it recorded, and never any other."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


class RigError(SystemExit):
    """The rig cannot do what was asked; the message says why."""


@dataclass(frozen=True)
class Daemon:
    """One process, leader of its own group."""

    name: str
    argv: Sequence[str]
    port: int | Path  # or the path of its socket
    env: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False


@dataclass(frozen=True)
class Supervisor:
    """Keeps a record `run/NAME.pid` ("PID BIRTH") per daemon, so a recycled id is never mistaken for ours."""

    state: Path

    def pid(self, name: str) -> int | None:
        """The daemon's process id if it lives, else None."""
        try:
            pid, born = self._record(name).read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _birth(int(pid)) == born else None

    def state_of(self, name: str) -> str:
        """up, paused (by SIGSTOP) or down."""
        pid = self.pid(name)
        fields = _stat(pid) if pid else None
        return "down" if not fields else "paused" if fields[0] == "T" else "up"

    def start(self, daemon: Daemon) -> None:
        if self.pid(daemon.name):
            return
        if _accepts(daemon.port):
            raise RigError(
                f"port {daemon.port} ({daemon.name}) is taken; TFCE_OPENSTACK_PORT moves the rig's ports"
            )
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        with self.log(daemon.name).open("ab") as log:
            process = subprocess.Popen(
                daemon.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**keep, **daemon.env},
                start_new_session=True,
            )
        self._record(daemon.name).write_text(f"{process.pid} {_birth(process.pid)}")

    def stop(self, name: str, patience: float = 10.0) -> None:
        """SIGTERM (after SIGCONT, in case it was paused), then SIGKILL to its whole group."""
        pid = self.pid(name)
        if pid:
            self.signal(name, signal.SIGCONT)
            self.signal(name, signal.SIGTERM)
            with contextlib.suppress(RigError):
                wait_for(lambda: not self.pid(name), f"{name} to end", patience)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            wait_for(lambda: not self.pid(name), f"{name} to die", patience)
        self._record(name).unlink(missing_ok=True)

    def signal(self, name: str, number: signal.Signals) -> None:
        pid = self.pid(name)
        if not pid:
            raise RigError(f"{name} does not run")
        os.killpg(pid, number)

    def wait(self, daemon: Daemon, seconds: float = 60.0) -> None:
        """Until the daemon answers HTTP with any status (TLS and sockets: accepts); tells of its log if it ends
        or is late."""

        def ready() -> bool:
            if not self.pid(daemon.name):
                raise RigError(f"{daemon.name} ended: see {self.log(daemon.name)}")
            if daemon.tls or isinstance(daemon.port, Path):
                return _accepts(daemon.port)
            return _answers_http(daemon.port)

        wait_for(ready, f"{daemon.name} to answer (log: {self.log(daemon.name)})", seconds)

    def log(self, name: str) -> Path:
        return self.state / "log" / f"{name}.out"

    def _record(self, name: str) -> Path:
        return self.state / "run" / f"{name}.pid"


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Poll `condition`; RigError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RigError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.05)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _birth(pid: int) -> str | None:
    """The process's start time in clock ticks; None if it is gone or a zombie."""
    fields = _stat(pid)
    return None if not fields or fields[0] == "Z" else fields[19]


def _accepts(port: int | Path) -> bool:
    unix = isinstance(port, Path)
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as probe:
        return probe.connect_ex(str(port) if unix else ("127.0.0.1", port)) == 0


def _answers_http(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return bool(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
