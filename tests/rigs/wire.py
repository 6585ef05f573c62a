"""Wires between hosts and servers that can be cut or long, for any protocol; hosts with a network of their own.

with Wire(server.port, latency=0.05) as wire:      # seconds for a way there and back
    ...                                            # point the program at wire.port
    wire.cut()                                     # nothing goes through, open connections end
    wire.mend()

with Wire(server.port, at=Path("w")) as wire, Island({server.port: Path("w")}) as island:
    subprocess.run(island.inside([...]))           # there, 127.0.0.1:server.port is the wire's other end
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

Place = int | Path  # a port of 127.0.0.1, or a socket's file
REPOSITORY = Path(__file__).resolve().parents[2]
_UP = 0x1 | 0x40  # up, running


class Wire:
    """Forwards connections to ``target`` from ``at``, 0 being a free port. ``sent``: bytes that went through, both
    ways; ``trips``: how often something was sent there, over all connections: what a latency is paid for."""

    def __init__(self, target: Place, latency: float = 0.0, at: Place = 0) -> None:
        self.target, self.latency, self.at = target, latency, at
        self.sent, self.trips, self.connections = 0, 0, 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut = False

    def __enter__(self) -> Self:
        self._listener = _listener(self.at)
        if isinstance(self.at, int):
            self.at = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    @property
    def port(self) -> int:
        """Where it begins, if that is a port."""
        assert isinstance(self.at, int)
        return self.at

    @property
    def busy(self) -> bool:
        """Whether a connection goes through it."""
        with self._lock:
            return bool(self._open)

    def cut(self) -> None:
        """From now on every connection ends at once, also those that are open."""
        with self._lock:
            self._cut = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Forward again."""
        with self._lock:
            self._cut = False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), _connected(self.target) as far:
            if isinstance(self.at, int):  # else what is sent in two parts waits 40 ms for a word of the other side
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._cut:
                    return
                self.connections += 1
                self._open |= {near, far}
            try:
                self._both_ways(near, far)
            finally:
                with self._lock:
                    self._open -= {near, far}

    def _both_ways(self, near: socket.socket, far: socket.socket) -> None:
        time.sleep(self.latency)  # of the connection itself
        back = threading.Thread(target=self._pump, args=(far, near, False), daemon=True)
        back.start()
        self._pump(near, far, True)
        back.join(60)

    def _pump(self, source: socket.socket, sink: socket.socket, there: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self.sent += len(data)
                    self.trips += there
                if not there:
                    time.sleep(self.latency)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class Island:
    """A network namespace in which ports of 127.0.0.1 lead to sockets' files, and nowhere else. Needs root, or a
    kernel that lets everybody have a user namespace."""

    def __init__(self, ways: Mapping[int, Path]) -> None:
        self._ways = ways
        self._user = [] if os.geteuid() == 0 else ["--user"]

    def __enter__(self) -> Self:
        mapped = ["--map-root-user"] if self._user else []
        words = ["unshare", *self._user, *mapped, "--net", sys.executable, "-m", "tests.rigs.wire"]
        self._process = subprocess.Popen(
            [*words, *(f"{port}={path}" for port, path in self._ways.items())],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        if self._process.stdout.readline().strip() != "ready":
            raise OSError(f"no network namespace: {self._process.stderr.read()[-400:]}")
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def inside(self, words: Sequence[str]) -> list[str]:
        """A command line that runs ``words`` there."""
        user = [*self._user, "--preserve-credentials"] if self._user else []
        return ["nsenter", "--target", str(self._process.pid), *user, "--net", *words]


def _listener(at: Place) -> socket.socket:
    if isinstance(at, int):
        return socket.create_server(("127.0.0.1", at), backlog=128)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(at))
    listener.listen(128)
    return listener


def _connected(target: Place) -> socket.socket:
    if isinstance(target, int):
        far = socket.create_connection(("127.0.0.1", target), 10)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.settimeout(None)
        return far
    far = socket.socket(socket.AF_UNIX)
    far.connect(str(target))
    return far


def main(arguments: Sequence[str]) -> None:
    """Inside a namespace: bring its loopback up, forward, until the standard input ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", _UP))  # SIOCSIFFLAGS
    with contextlib.ExitStack() as stack:
        for way in arguments:
            port, _, path = way.partition("=")
            stack.enter_context(Wire(Path(path), at=int(port)))
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
