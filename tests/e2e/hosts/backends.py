"""The backends that hosts share, each a place of its own on a server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable
from uuid import uuid4

from tests.rigs import statehttp
from tests.rigs.fate import Moment
from tests.rigs.kept import KeptMoto, StateProcess
from tests.rigs.localstack import Emulator
from tests.rigs.postgres import Postgres
from tests.rigs.statehttp import StateServer

S3_SECRET = "planted-s3-secret/key"


class Backend(Protocol):
    """Where the record of one queue is: ``name`` as the options say it."""

    name: str

    @property
    def port(self) -> int:
        """Where its server listens."""

    def section(self) -> str:
        """The backend's part of the file."""

    def backup(self, state: str, folder: Path) -> Callable[[], None]:
        """Back the queue up whose state this is, as an administrator does; what puts the backup back."""


class Mortal(Protocol):
    """A server that breaks, and that comes back with what it held."""

    def strike(self, number: int) -> None:
        """A signal."""

    def kill(self) -> None:
        """SIGKILL."""

    def start(self) -> None:
        """Start again."""


@runtime_checkable
class Fated(Mortal, Protocol):
    """One whose end can be set to a moment of a request."""

    def doom(self, moment: Moment | None) -> None:
        """Let it die then; None: not any more."""


@dataclass
class OnPostgres:
    """A schema of a PostgreSQL."""

    server: Postgres
    schema: str = field(default_factory=lambda: f"tfce_{uuid4().hex[:8]}")
    name: str = "pg"

    @property
    def port(self) -> int:
        return self.server.port

    def section(self) -> str:
        return f"[pg]\nconn_str = {self.server.dsn()}\nschema_name = {self.schema}\n"

    def backup(self, state: str, folder: Path) -> Callable[[], None]:
        self.server.backup(folder / "pg.dump")
        return lambda: self.server.restore(folder / "pg.dump")


@dataclass
class OnS3:
    """A bucket of the emulator's S3."""

    emulator: Emulator
    bucket: str = field(default_factory=lambda: f"states-{uuid4().hex[:8]}")
    name: str = "s3"

    def __post_init__(self) -> None:
        self._put("")

    def lock(self, state: str) -> None:
        """Lock a state as a host does that dies while it makes it."""
        path = f"env:/{state}/tfce.tfstate"
        lock = {"ID": str(uuid4()), "Operation": "init", "Info": "", "Who": "dead@host", "Version": "1.11.4"}
        told = {**lock, "Created": "2026-01-01T00:00:00Z", "Path": f"{self.bucket}/{path}"}
        self._put(f"/{path}.tflock", json.dumps(told).encode())

    def backup(self, state: str, folder: Path) -> Callable[[], None]:
        paths = [f"/env:/{name}/tfce.tfstate" for name in (state, f"{state}.record")]
        kept = {path: self._asked("GET", path) for path in paths}

        def restore() -> None:
            for path, data in kept.items():
                self._put(path, data)

        return restore

    def _put(self, path: str, data: bytes | None = None) -> None:
        self._asked("PUT", path, data)

    def _asked(self, method: str, path: str, data: bytes | None = None) -> bytes:
        scope = "Credential=test/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
        asked = urllib.request.Request(f"{self.emulator.url}/{self.bucket}{path}", data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return bytes(answer.read())

    @property
    def port(self) -> int:
        return self.emulator.port

    def section(self) -> str:
        where = f"bucket = {self.bucket}\nregion = us-east-1\nendpoint = {self.emulator.url}\n"
        return f"[s3]\n{where}access_key = test\nsecret_key = {S3_SECRET}\n"


@dataclass
class OnHttp:
    """A place on a state server; ``gitlab``: with the methods that GitLab has for locking."""

    server: StateServer | StateProcess
    project: str = field(default_factory=lambda: uuid4().hex[:8])
    gitlab: bool = False
    name: str = "http"

    @property
    def port(self) -> int:
        return self.server.port

    def section(self) -> str:
        login = f"username = {statehttp.USER}\npassword = {statehttp.PASSWORD}\n"
        locking = "lock_method = POST\nunlock_method = DELETE\n" if self.gitlab else ""
        return f"[http]\naddress = {self.server.address}/{self.project}\n{login}{locking}"

    def backup(self, state: str, folder: Path) -> Callable[[], None]:
        assert isinstance(self.server, StateServer)
        return self.server.backup()


KINDS = ("pg", "s3", "http", "gitlab")


def mortal(kind: str, stack: ExitStack) -> tuple[Backend, Mortal]:
    """A backend of a kind, and its server, which can be killed and goes on with what it held. S3 is moto's:
    LocalStack has its own in memory."""
    if kind == "pg":
        database = stack.enter_context(Postgres())
        return OnPostgres(database), database
    if kind == "s3":
        objects = stack.enter_context(KeptMoto())
        return OnS3(objects), objects
    states = stack.enter_context(StateProcess(kind))
    return OnHttp(states, gitlab=True), states
