"""A server of Terraform states over HTTP with locking, on 127.0.0.1; ``gitlab`` has one that answers as GitLab.

A state is read with GET, written with POST (with the lock's ID where it is locked, and none where it is not),
removed with DELETE. Its lock is taken with LOCK or POST on .../lock, and given back with UNLOCK or DELETE: 423
tells who holds it. It wants a login. `kept_states` has it as a process of its own, whose data outlives it.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.rigs.quiet import QuietServer

USER, PASSWORD = "robot", "planted-http-pass%word"
_LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_JSON = "application/json"
Answer = tuple[int, bytes]
Memory = dict[str, dict[str, Any]]


class Gate:
    """Holds back the answer to the next request that ``fits``, once it was carried out, until it is opened."""

    def __init__(self, fits: Callable[[str, str, bytes], bool]) -> None:
        self.fits, self.reached, self.opened = fits, threading.Event(), threading.Event()

    def pass_by(self) -> None:
        """Be held back."""
        self.reached.set()
        self.opened.wait(120)


class StateServer:
    """The states and their locks, by path. They outlive ``stop`` and ``start``, as a server's disk does.
    ``refused``: a method that nobody may use; ``asked``: each request's first line; ``gates``: those still to be
    reached."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.locks: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.gates: list[Gate] = []
        self.port, self.refused = 0, ""
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """What a backend's address is."""
        return address(self.port)

    def start(self) -> None:
        """Listen, on the same port as before."""
        handler = type("Handler", (_Handler,), {"server_of_states": self})
        self._server = QuietServer(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, ident: str, body: bytes) -> Answer:
        """Status and body of one request."""
        with self._lock:
            if path.endswith("/lock"):
                return self._locking(method, path.removesuffix("/lock"), body)
            if method == "GET":
                return (200, self.states[path]) if path in self.states else (404, b"")
            held = self.locks.get(path, b"")
            if lock_id(held) != ident:  # also one whose lock was broken writes nothing
                return 423, held
            if method == "POST":
                self.states[path] = body
            elif method == "DELETE":
                self.states.pop(path, None)
            return 200, b""

    def backup(self) -> Callable[[], None]:
        """What puts back what is there now."""
        kept = dict(self.states)
        return lambda: self.states.update(kept)

    def memory(self) -> Memory:
        """All that it has to keep."""
        return {"states": self.states, "locks": self.locks}

    def remember(self, memory: Memory) -> None:
        """Have what was kept."""
        self.states, self.locks = memory["states"], memory["locks"]

    def gate(self, fits: Callable[[str, str, bytes], bool]) -> Gate:
        """A gate for the next request whose method, path and body ``fits``."""
        made = Gate(fits)
        self.gates.append(made)
        return made

    def hold(self, method: str, path: str, body: bytes) -> None:
        """Hold an answer back where a gate is."""
        with self._lock:
            found = next((gate for gate in self.gates if gate.fits(method, path, body)), None)
            if found:
                self.gates.remove(found)
        if found:
            found.pass_by()

    def _locking(self, method: str, path: str, body: bytes) -> Answer:
        held = self.locks.get(path)
        if method in ("LOCK", "POST"):
            if held is not None:
                return 423, held
            self.locks[path] = body
            return 200, b""
        if body and lock_id(held or b"") != lock_id(body):
            return 409, held or b""
        self.locks.pop(path, None)  # `force-unlock` sends no body
        return 200, b""


def address(port: int) -> str:
    """What the address of a backend on ``port`` is."""
    return f"http://127.0.0.1:{port}/api/v4/projects/1/terraform/state"


def lock_id(lock: bytes) -> str:
    """The ID of a lock, "" for none."""
    try:
        return str(json.loads(lock).get("ID", ""))
    except ValueError:
        return ""


class _Handler(BaseHTTPRequestHandler):
    server_of_states: StateServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_any(self) -> None:
        """Answer one request."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # whoever sent it is gone
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        self.server_of_states.asked.append(self.requestline)
        status, answer = 401, b""
        if self.command == self.server_of_states.refused:
            status = 403
        elif self.headers.get("Authorization") == _LOGIN:
            if self.headers.get("Content-Type", _JSON) != _JSON:
                body = b""  # nobody looks for a lock's ID in it
            ident = parse_qs(parts.query).get("ID", [""])[0]
            status, answer = self.server_of_states.answer(self.command, parts.path, ident, body)
            self.server_of_states.hold(self.command, parts.path, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = do_LOCK = do_UNLOCK = do_any  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""
