"""Servers whose data outlives them: each is a process that has on disk what it changed before it answers. It can
be killed at any moment, by a signal or by its fate: before it does what it is asked next, or between that and its
answer.

    with KeptMoto() as cloud:
        cloud.doom(UNANSWERED)     # dies when it has done what it is asked next
        ...
        cloud.kill()
        cloud.start()              # with all that it held
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

from tests.rigs.errors import RigError
from tests.rigs.fate import Fate, Moment
from tests.rigs.localstack import REGION, Moto, free_port
from tests.rigs.statehttp import address

REPOSITORY = Path(__file__).resolve().parents[2]
_PATIENCE = 60.0  # seconds for a server to be back


class KeptMoto(Moto):
    """moto's server, EC2 and S3, which keeps what it has in its folder. One changing request takes some 25 ms."""

    def command(self, python: Path) -> list[str]:
        return [str(python), str(Path(__file__).with_name("kept_moto.py")), str(self.port), str(self.folder)]

    def kill(self) -> None:
        """SIGKILL, also where its fate was quicker."""
        self.strike(signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(json.loads(self.record.read_text())["pid"], 0)  # until its last thread has left the port
        self.doom(None)

    def doom(self, moment: Moment | None) -> None:
        """Let it die at that moment of the next request that changes something; None: not any more."""
        Fate(self.folder).set(moment)

    def answers(self) -> bool:
        """Whether EC2 does, at once."""
        try:
            super().call("DescribeRegions")
        except (OSError, http.client.HTTPException, RigError, ElementTree.ParseError):
            return False
        return True

    def call(self, action: str, region: str = REGION, **parameters: str) -> ElementTree.Element:
        """One request to the EC2 API, again while the server is down: from the side nothing breaks."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return super().call(action, region, **parameters)
            except (OSError, http.client.HTTPException, ElementTree.ParseError):
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)


class StateProcess:
    """A server of states over HTTP (``kept_states``, which knows its kinds); a context manager that removes its
    data."""

    def __init__(self, kind: str = "http") -> None:
        self.port, self._kind = free_port(), kind
        self.folder = Path(tempfile.mkdtemp(prefix="tfce-states-"))
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """What a backend's address is."""
        return address(self.port)

    def start(self) -> None:
        """Start on what is there, unless it runs, and wait until it listens."""
        if self.running():
            return
        words = [sys.executable, "-m", "tests.rigs.kept_states", str(self.port), str(self.folder), self._kind]
        self._server = subprocess.Popen(words, cwd=REPOSITORY, stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + _PATIENCE
        while not _listens(self.port):
            if self._server.poll() is not None or time.monotonic() >= deadline:
                raise RigError(f"no server of states on port {self.port}")
            time.sleep(0.05)

    def running(self) -> bool:
        """Whether it lives."""
        return self._server is not None and self._server.poll() is None

    def strike(self, number: int) -> None:
        """A signal."""
        if self._server is not None and self.running():
            os.killpg(self._server.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.strike(signal.SIGKILL)
        if self._server is not None:
            self._server.wait(10)
        self.doom(None)

    def doom(self, moment: Moment | None) -> None:
        """Let it die at that moment of the next request that changes something; None: not any more."""
        Fate(self.folder).set(moment)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
