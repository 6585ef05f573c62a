"""A reverse proxy for the EC2 query API that counts, delays and breaks requests, on 127.0.0.1.

    with Proxy(cloud.url, latency=0.1) as proxy:
        proxy.add(Fault("RunInstances", "error", nth=2, status=503, code="RequestLimitExceeded"))
        ...                              # point the program at proxy.url
        assert proxy.counts() == {"RunInstances": 3, ...}

From another process: `python tests/rigs/proxy.py --target http://127.0.0.1:4566 --port 4567`, then
    GET    /_proxy/counts    {"RunInstances": 3, ...}
    DELETE /_proxy/counts    the same, and start anew
    GET    /_proxy/requests  [{"action": ..., "line": ..., "status": ...}, ...]
    POST   /_proxy/faults    a Fault's fields as JSON
    DELETE /_proxy/faults    forget all faults
    POST   /_proxy/latency   {"seconds": 0.1}
    POST   /_proxy/refuse    {"seconds": 2}: no connection is accepted for so long
Faults count the requests of their action from the moment they are added, so tests repeat exactly.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import re
import signal
import socket
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from xml.etree import ElementTree

Answer = tuple[int, str, bytes]  # HTTP status, content type, body
Effect = Literal["error", "empty", "reply", "drop", "lose", "hang", "pending", "ended"]
ALWAYS = 10**9  # for `times`: until the faults are cleared
_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15"
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Fault:
    """What goes wrong with the `nth` request of an `action` ("*": of any) and, in all, `times` in a row.

    error: HTTP `status` with EC2's error document for `code` and `message`. empty: a list without entries.
    reply: `status` with `body`. drop: the connection is cut, nothing is forwarded. lose: it is forwarded, but
    then the connection is cut. hang: `seconds` pass, then it is forwarded. pending: it is forwarded, and VMs
    that run are shown as booting. ended: it is forwarded, and the VM whose id is `body` is shown as ended by the
    cloud, for the reason `code`. Only requests whose query or body holds `where` are looked at.
    """

    action: str
    effect: Effect
    nth: int = 1
    times: int = 1
    status: int = 400
    code: str = "InternalError"
    message: str = "made to fail by the test's proxy"
    body: str = ""
    seconds: float = 0.0
    where: str = ""
    seen: int = field(default=0, init=False)

    def strikes(self, action: str, text: str = "") -> bool:
        """Count one request; true if it is one that goes wrong. ``text``: its query or body."""
        if self.action not in ("*", action) or self.where not in text:
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass(frozen=True)
class Request:
    """One request as it came: `line` is its first line; `status` is 0 where no answer was given. `start`: seconds
    since the epoch; `seconds`: until the answer was there."""

    action: str
    line: str
    status: int
    start: float = 0.0
    seconds: float = 0.0


class Proxy:
    """The proxy; a context manager that listens and stops listening. Safe to use from several threads.

    `room`: how many VMs one RunInstances may start, as EC2 grants them (0: none). `latency`: seconds added to
    every request. `mend`: write the answers' XML namespaces as EC2 does (a slash at the end, none in errors);
    as the emulators write them, libcloud's driver sees empty lists and empty errors.
    """

    def __init__(self, target: str, port: int = 0, latency: float = 0.0, mend: bool = True) -> None:
        self.target = urllib.parse.urlsplit(target)
        self.port = port
        self.latency = latency
        self.room = 1000
        self.mend = mend
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._counts: Counter[str] = Counter()
        self._requests: list[Request] = []
        self._under_way = 0
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where the proxied EC2 API answers."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._holder = self._bound()
        self._bind()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        assert self._socket is not None
        self._socket.close()
        self._holder.close()

    def add(self, fault: Fault) -> None:
        """Let something go wrong from now on. Where several faults strike one request, the oldest is done."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def counts(self, reset: bool = False) -> dict[str, int]:
        """Requests per action since the start or the last reset, failed ones included."""
        with self._lock:
            counts = dict(self._counts)
            if reset:
                self._counts.clear()
                self._requests.clear()
            return counts

    def requests(self) -> list[Request]:
        """The same requests one by one, in the order in which they were answered."""
        with self._lock:
            return list(self._requests)

    @property
    def busy(self) -> bool:
        """Whether a request is on its way."""
        with self._lock:
            return self._under_way > 0

    def refuse(self) -> None:
        """Stop listening and cut all connections; the port stays ours. `listen` ends it."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        with self._lock:
            for connection in self._connections:
                _cut(connection)
        self._bind()

    def listen(self) -> None:
        """Accept connections (again)."""
        if self._server is not None:
            return
        assert self._socket is not None, "use the proxy as a context manager"
        self._server = _Server(("127.0.0.1", self.port), _handler(self), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = self._socket
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _bind(self) -> None:
        """Hold the port without listening: connections are refused, and nobody else takes it."""
        self._socket = self._bound()

    def _bound(self) -> socket.socket:
        """A socket of our port; several have it at once, so that it is never free for others."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", self.port))
        self.port = made.getsockname()[1]
        return made

    def _judge(self, action: str, text: str) -> Fault | None:
        with self._lock:
            self._counts[action] += 1
            struck = [fault for fault in self._faults if fault.strikes(action, text)]
            return struck[0] if struck else None

    def _note(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    @contextlib.contextmanager
    def _connected(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Ask the emulator. A connection per request: nothing is ever sent twice."""
        upstream = http.client.HTTPConnection(self.target.hostname or "", self.target.port, timeout=120)
        try:
            upstream.request(method, path, body, headers)
            answer = upstream.getresponse()
            content, kind = answer.read(), answer.getheader("Content-Type", "text/xml")
        finally:
            upstream.close()
        return answer.status, kind, _mended(content) if self.mend else content


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cut connection is what this program is for: no traceback."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle(self) -> None:
            with proxy._connected(self.connection):
                super().handle()

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/_proxy/"):
                self.answer(*_control(proxy, self.command, self.path.removeprefix("/_proxy/"), body))
                return
            action, start = _action(self.path, body), time.time()
            with proxy._asked():
                answer = self.work(action, body)
            status = answer[0] if answer else 0
            proxy._note(Request(action, self.requestline, status, start, time.time() - start))
            if answer:
                self.answer(*answer)
            else:
                self.close_connection = True
                _cut(self.connection)

        do_GET = do_POST = do_DELETE = do_any  # noqa: N815

        def work(self, action: str, body: bytes) -> Answer | None:
            fault = proxy._judge(action, _query(self.path, body))
            effect = fault.effect if fault else "none"
            time.sleep(proxy.latency + (fault.seconds if fault else 0.0))
            if fault and effect in ("error", "empty", "reply"):
                return _made_up(action, fault)
            if effect == "drop":
                return None
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            if action == "RunInstances":
                body, refusal = _within(body, proxy.room)
                if refusal:
                    return _made_up(action, refusal)
            answer = proxy._forward(self.command, self.path, headers, body)
            if effect == "pending":
                answer = (*answer[:2], _booting(answer[2]))
            if fault and effect == "ended":
                answer = (*answer[:2], _ended(answer[2], fault))
            return None if effect == "lose" else answer

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    return Handler


def _query(path: str, body: bytes) -> str:
    return urllib.parse.urlsplit(path).query or body.decode("utf-8", "replace")


def _action(path: str, body: bytes) -> str:
    return urllib.parse.parse_qs(_query(path, body)).get("Action", ["?"])[0]


def _within(body: bytes, room: int) -> tuple[bytes, Fault | None]:
    """A RunInstances in a cloud with so much room, as EC2 answers it: up to MaxCount VMs, or none where MinCount
    is too many. The emulators start MinCount, whatever MaxCount is."""
    numbers = [int(found.group(1)) for found in re.finditer(rb"M(?:in|ax)Count=(\d+)", body)]
    if not numbers:  # libcloud's own driver puts them into the address, and asks for one VM at a time
        return body, None
    least, most = min(numbers), max(numbers)
    if least > room:
        code, message = "InstanceLimitExceeded", f"You asked for {least} instances, your limit is {room}."
        return body, Fault("RunInstances", "error", code=code, message=message)
    return re.sub(rb"MinCount=\d+", f"MinCount={min(most, room)}".encode(), body), None


def _booting(content: bytes) -> bytes:
    """An answer of DescribeInstances in which no VM has come further than "pending"."""
    state = rb"(<instanceState>\s*)<code>16</code>(\s*)<name>running</name>"
    return re.sub(state, rb"\1<code>0</code>\2<name>pending</name>", content)


def _ended(content: bytes, fault: Fault) -> bytes:
    """An answer of DescribeInstances in which the cloud ended a VM that somebody ended."""
    root = ElementTree.fromstring(content)
    for item in root.iterfind(".//{*}instancesSet/{*}item"):
        code = item.find("{*}stateReason/{*}code")
        if code is not None and item.findtext("{*}instanceId") == fault.body:
            code.text = fault.code
    changed: bytes = ElementTree.tostring(root, "utf-8", default_namespace=root.tag[1:].partition("}")[0])
    return changed


def _mended(content: bytes) -> bytes:
    content = content.replace(f'<Response xmlns="{_NAMESPACE}">'.encode(), b"<Response>")
    return content.replace(f'"{_NAMESPACE}"'.encode(), f'"{_NAMESPACE}/"'.encode())


def _made_up(action: str, fault: Fault) -> Answer:
    if fault.effect == "reply":
        return fault.status, "text/xml", fault.body.encode()
    if fault.effect == "error":
        error = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors><RequestID>proxy</RequestID></Response>"
        return fault.status, "text/xml", text.encode()
    items = "<reservationSet/>" if action == "DescribeInstances" else ""
    text = f'<{action}Response xmlns="{_NAMESPACE}/"><requestId>proxy</requestId>{items}</{action}Response>'
    return 200, "text/xml", text.encode()


def _control(proxy: Proxy, method: str, name: str, body: bytes) -> Answer:
    given = json.loads(body or b"{}")
    answer: object = {}
    match method, name:
        case "GET", "counts":
            answer = proxy.counts()
        case "DELETE", "counts":
            answer = proxy.counts(reset=True)
        case "GET", "requests":
            answer = [asdict(request) for request in proxy.requests()]
        case "POST", "faults":
            proxy.add(Fault(**given))
        case "DELETE", "faults":
            proxy.clear()
        case "POST", "latency":
            proxy.latency = float(given["seconds"])
        case "POST", "refuse":
            threading.Thread(target=_refuse, args=(proxy, float(given["seconds"])), daemon=True).start()
        case _:
            return 404, "application/json", b'{"error": "no such control"}'
    return 200, "application/json", json.dumps(answer).encode()


def _refuse(proxy: Proxy, seconds: float) -> None:
    proxy.refuse()
    time.sleep(seconds)
    proxy.listen()


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def main() -> int:
    """Serve until SIGINT or SIGTERM; the first line printed is the URL."""
    parser = argparse.ArgumentParser(description="A counting, delaying, breaking proxy for an EC2 API.")
    parser.add_argument("--target", required=True, help="the EC2 API's URL")
    parser.add_argument("--port", type=int, default=0, help="the port; a free one if not given")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every request")
    given = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with Proxy(given.target, given.port, given.latency) as proxy:
        print(proxy.url, flush=True)
        signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
