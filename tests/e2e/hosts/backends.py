"""The backends that hosts share, each a place of its own on a server."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from tests.rigs import statehttp
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


@dataclass
class OnS3:
    """A bucket of the emulator's S3."""

    emulator: Emulator
    bucket: str = field(default_factory=lambda: f"states-{uuid4().hex[:8]}")
    name: str = "s3"

    def __post_init__(self) -> None:
        scope = "Credential=test/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
        urllib.request.urlopen(
            urllib.request.Request(f"{self.emulator.url}/{self.bucket}", method="PUT", headers=headers), timeout=60
        ).close()

    @property
    def port(self) -> int:
        return self.emulator.port

    def section(self) -> str:
        where = f"bucket = {self.bucket}\nregion = us-east-1\nendpoint = {self.emulator.url}\n"
        return f"[s3]\n{where}access_key = test\nsecret_key = {S3_SECRET}\n"


@dataclass
class OnHttp:
    """A place on a state server; ``gitlab``: with the methods that GitLab has for locking."""

    server: StateServer
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
