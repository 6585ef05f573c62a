"""A cloud in this process: VMs in memory behind an HTTP API that a subclass writes as its vendor documents it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.rigs.quiet import QuietServer

Answer = tuple[int, Any]  # status, and what is sent as JSON


@dataclass
class Machine:
    """One VM. ``data``: its user data as the guest reads it."""

    id: str
    name: str
    image: str
    size: str
    place: str
    data: str
    running: bool = True
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]

    def page(self, size: int, name: str = "page") -> slice:
        """The part of a list that is asked for."""
        number = int(self.query.get(name, "1"))
        return slice((number - 1) * size, number * size)


class RestCloud:
    """The server, and the cloud seen from the side. ``TOKEN``: the login that it takes."""

    TOKEN = "planted-token"
    # What VMs of the queue are made of, by id; another flavor, as an option has it
    image, flavor, other = "", "", ""
    REMOVED: Answer = (204, None)
    PAGE = 2  # records on a page: small, so that every test reads more than one

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.full = ""  # the words of a refusal
        self._numbers, self._lock = count(1001), threading.Lock()
        self._server = QuietServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *ignored: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._server.server_address[1])

    def here(self) -> dict[str, str]:
        """The CE options that name its address."""
        return {"Driver_host": "127.0.0.1", "Driver_port": str(self.port), "Driver_secure": "no"}

    def options(self) -> dict[str, str]:
        """The CE options of a queue in this cloud."""
        raise NotImplementedError

    def login(self) -> tuple[str, str]:
        """Key and secret for cloud.auth."""
        return "whoever", self.TOKEN

    def answer(self, ask: Ask) -> Answer:
        """What the API says."""
        raise NotImplementedError

    def allowed(self, ask: Ask) -> bool:
        """Whether the request has the login."""
        return ask.headers.get("Authorization") == f"Bearer {self.TOKEN}"

    def error(self, text: str) -> Any:
        """How the API writes what is wrong."""
        return {"message": text}

    def serve(self, ask: Ask) -> Answer:
        """One request, one at a time."""
        with self._lock:
            return self.answer(ask) if self.allowed(ask) else (401, self.error("Unable to authenticate you"))

    # -- for subclasses and for tests ------------------------------------------------------------------------

    def add(self, name: str, image: str = "1", size: str = "1", place: str = "1", data: str = "") -> Machine:
        """A new VM."""
        number = next(self._numbers)
        made = Machine(self.identity(number), name, image, size, place, data)
        self.machines[made.id] = made
        return made

    def identity(self, number: int) -> str:
        """The id of the VM of this number."""
        return str(number)

    def removed(self, machine: Machine) -> Answer:
        """The usual answer of an API that removed a VM."""
        del self.machines[machine.id]
        return self.REMOVED

    def one(self, ask: Ask, identity: str, shown: Callable[[Machine], Answer]) -> Answer:
        """The usual answers about one VM: what it is, that it was removed, or that there is none."""
        act = self.removed if ask.method == "DELETE" else shown
        return found(self.machines, identity, act, self.error("Not found"))

    def sorted(self) -> list[Machine]:
        """All VMs, oldest first."""
        return list(self.machines.values())


def decoded(text: str) -> str:
    """User data that came in base64."""
    return base64.b64decode(text, validate=True).decode()


def _handler(cloud: RestCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            parts = urlsplit(self.path)
            headers = dict(self.headers.items())
            ask = Ask(self.command, parts.path, dict(parse_qsl(parts.query)), _json(body), headers)
            status, answer = cloud.serve(ask)
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *ignored: object) -> None:
            pass

        do_GET = do_POST = do_DELETE = any  # noqa: N815

    return Handler


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def found(table: Mapping[str, Any], key: str, made: Callable[[Any], Answer], missing: Any) -> Answer:
    """``made`` of what ``table`` has under ``key``, or a 404 that says ``missing``."""
    return made(table[key]) if key in table else (404, missing)
