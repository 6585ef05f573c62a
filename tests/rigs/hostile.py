"""A reverse proxy that means harm, for EC2's query API and for OpenStack's REST: on 127.0.0.1.

    with Hostile(cloud.url) as proxy:
        proxy.attack = Attack("DescribeInstances", "half")
        ...                                    # every answer to that action is spoilt now
        proxy.attack = None                    # healed

Actions are EC2's names (``RunInstances``), or method and path as tfce counts them (``POST /servers``).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from xml.etree import ElementTree

from tfce.cloud.calls import plain_call

STATUSES = (400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 504)
EC2_CODES = {429: "TooManyRequests", 503: "RequestLimitExceeded", 403: "UnauthorizedOperation", 400: "Throttling"}
PORTAL = b"<html><body>Please log in to the network</body></html>"
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "host"}


@dataclass(frozen=True)
class Reply:
    """What is sent. ``manner``: whole, or how it is spoilt on its way: cut, endless, drip, drop."""

    status: int
    body: bytes
    kind: str = "text/xml"
    headers: dict[str, str] = field(default_factory=dict)
    manner: str = "whole"


@dataclass
class Attack:
    """What is done to each request of ``action``; ``struck`` counts them. ``seed``: of what is done at random;
    ``reply``: what is answered where the effect is "reply"."""

    action: str
    effect: str
    seed: str = ""
    struck: int = 0
    reply: Reply | None = None


@dataclass
class Hostile:
    """The proxy. ``late``: seconds of a late reply; ``away``: where redirects lead; ``ahead``: by how much its
    clock is."""

    target: str
    late: float = 3.0
    away: str = "http://127.0.0.1:9"
    ahead: timedelta = timedelta()
    attack: Attack | None = None
    before: dict[str, Reply] = field(default_factory=dict)  # the first good answer to each action, for staleness
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where the spoilt API answers."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.attack = None
        self._server.shutdown()
        self._server.server_close()

    def struck(self, action: str) -> str:
        """The effect on this request, "" for none."""
        with self.lock:
            self.counts[action] += 1
            attack = self.attack
            if attack is None or attack.action != action:
                return ""
            attack.struck += 1
            return attack.effect

    def chance(self) -> random.Random:
        """What is random about this answer: the same for the same attack."""
        attack = self.attack
        return random.Random(f"{attack.seed} {attack.struck}" if attack else "")

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """What the cloud says."""
        there = urllib.parse.urlsplit(self.target)
        upstream = http.client.HTTPConnection(there.hostname or "", there.port, timeout=60)
        try:
            upstream.request(method, path, body, headers)
            answer = upstream.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return Reply(answer.status, answer.read(), kept.pop("Content-Type", "text/xml"), kept)
        finally:
            upstream.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cut connection is what this program is for: no traceback."""


class _Handler(BaseHTTPRequestHandler):
    proxy: Hostile
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    date: str | None = None

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = action_of(self.command, self.path, body)
        effect = self.proxy.struck(action)
        reply = self._reply(action, effect, body)
        self._send(reply)

    do_GET = do_POST = do_DELETE = do_any  # noqa: N815

    def _reply(self, action: str, effect: str, body: bytes) -> Reply:
        xml = " " not in action
        attack = self.proxy.attack
        if effect == "reply" and attack and attack.reply:
            return attack.reply
        made_up = _made_up(effect, xml, self.proxy.away)
        if made_up:
            return made_up
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        reply = self.proxy.forward(self.command, self.path, headers, body)
        if effect == "late":
            time.sleep(self.proxy.late)
        if effect == "stale":
            return self.proxy.before.get(action, reply)
        if not effect and reply.status < 300:
            self.proxy.before.setdefault(action, reply)
        if effect in ("ahead", "behind"):
            days = timedelta(days=30 if effect == "ahead" else -30)
            return replace(reply, headers={**reply.headers, "Date": format_datetime(datetime.now(UTC) + days)})
        if effect in ("cut", "drop"):
            return replace(reply, manner=effect)
        if effect == "type":
            return replace(reply, kind="image/png")
        if effect == "random":
            return replace(reply, body=scrambled(reply.body, self.proxy.chance()))
        return replace(reply, body=spoilt(effect, xml, reply.body)) if effect in SPOILS else reply

    def _send(self, reply: Reply) -> None:
        if reply.manner == "drop":
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        headers = {
            "Date": format_datetime(datetime.now(UTC) + self.proxy.ahead),
            **reply.headers,
            "Content-Type": reply.kind,
        }
        size = {"whole": len(reply.body), "cut": len(reply.body) + 99, "endless": 10**12, "drip": 10**4}[
            reply.manner
        ]
        for name, value in {**headers, "Content-Length": str(size)}.items():
            self.send_header(name, value)
        self.end_headers()
        self._body(reply)

    def _body(self, reply: Reply) -> None:
        self.wfile.write(reply.body)
        self.wfile.flush()
        with contextlib.suppress(OSError):
            while reply.manner in ("endless", "drip"):
                self.wfile.write(b" " * (2**16 if reply.manner == "endless" else 1))
                self.wfile.flush()
                time.sleep(0.0 if reply.manner == "endless" else 0.5)
        self.close_connection = reply.manner != "whole"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


def action_of(method: str, path: str, body: bytes) -> str:
    """The action of a request."""
    query = urllib.parse.urlsplit(path).query
    for text in (query, body.decode("utf-8", "replace") if b"Action=" in body else ""):
        named = urllib.parse.parse_qs(text).get("Action")
        if named:
            return named[0]
    return plain_call(method, path)


def _made_up(effect: str, xml: bool, away: str) -> Reply | None:
    """An answer that the cloud was never asked for."""
    if effect.isdigit():
        return _error(int(effect), xml)
    if effect == "html":
        return Reply(200, PORTAL, "text/html")
    if effect in ("endless", "drip"):
        return Reply(200, b"<a>" if xml else b"{", "text/xml" if xml else "application/json", manner=effect)
    if effect == "redirect":
        return Reply(307, b"", headers={"Location": f"{away}/stolen"})
    return None


def _error(status: int, xml: bool) -> Reply:
    after = {"Retry-After": "1"} if status in (413, 429, 503) else {}
    words = f"made to fail by the test {status}"
    if not xml:
        text = json.dumps({"error": {"code": status, "message": words}}).encode()
        return Reply(status, text, "application/json", after)
    code = EC2_CODES.get(status, "InternalError")
    error = f"<Error><Code>{code}</Code><Message>{words}</Message></Error>"
    return Reply(
        status, f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode(), headers=after
    )


# -- lists that are not what they should be ----------------------------------------------------------------


def _half(items: list[Any]) -> list[Any]:
    return items[: len(items) // 2]


def _odd_json(record: Any, what: str) -> Any:
    if not isinstance(record, dict):
        return record
    changes: dict[str, Any] = {
        "no-id": {"id": None},
        "yesterday": {"created": "yesterday"},
        "tags": {"metadata": ["a", "list"]},
        "null": {"name": None},
        "huge": {"name": "n" * 2_000_000},
        "escape": {"id": f"{record.get('id')}\x1b[31m"},
    }
    return {**record, **changes[what]}


_ODD_XML = {
    "no-id": (r"<instanceId>[^<]*</instanceId>", ""),
    "yesterday": (r"<launchTime>[^<]*</launchTime>", "<launchTime>yesterday</launchTime>"),
    "tags": (r"(?s)<tagSet>.*?</tagSet>", "<tagSet><item><value>x</value></item></tagSet>"),
    "null": (r"<name>[^<]*</name>", "<name/>"),
    "huge": (r"<instanceId>[^<]*</instanceId>", f"<instanceId>{'i' * 2_000_000}</instanceId>"),
    "escape": (r"<instanceId>([^<]*)</instanceId>", "<instanceId>\\1&#10;&#155;31m</instanceId>"),
}
ODD = tuple(_ODD_XML)
_LISTS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "half": _half,
    "doubled": lambda items: [*items, *items],
    "empty": lambda items: [],
    "shuffled": lambda items: random.sample(items, len(items)),
}
SPOILS = (*_LISTS, *(f"odd-{what}" for what in ODD), "again")


def spoilt(effect: str, xml: bool, body: bytes) -> bytes:
    """An answer whose list is spoilt; an answer without a list as it is."""
    with contextlib.suppress(ValueError, ElementTree.ParseError):
        return _spoilt_xml(effect, body) if xml else _spoilt_json(effect, body)
    return body


def _spoilt_json(effect: str, body: bytes) -> bytes:
    answer = json.loads(body)
    for name, items in answer.items() if isinstance(answer, dict) else ():
        if isinstance(items, list) and not name.endswith("_links"):
            if effect.startswith("odd-") and items:
                items[0] = _odd_json(items[0], effect.removeprefix("odd-"))
            elif effect == "again":
                href = {"rel": "next", "href": "http://127.0.0.1/x?marker=again"}
                return json.dumps({**answer, f"{name}_links": [href], "next": "/x?marker=again"}).encode()
            elif effect in _LISTS:
                answer[name] = _LISTS[effect](items)
            return json.dumps(answer).encode()
    return body


def _spoilt_xml(effect: str, body: bytes) -> bytes:
    text = body.decode()
    if effect.startswith("odd-"):
        pattern, put = _ODD_XML[effect.removeprefix("odd-")]
        return re.sub(pattern, put, text, count=1).encode()
    if effect == "again":
        return re.sub(r"</(\w+Response)>\s*$", r"<nextToken>again</nextToken></\1>", text).encode()
    found = re.search(r"(?s)<(\w+Set)>(.*)</\1>", text)
    if not found:
        return body
    items = _items(found.group(2))
    return (text[: found.start(2)] + "".join(_LISTS[effect](items)) + text[found.end(2) :]).encode()


def _items(text: str) -> list[str]:
    """The outer <item>s of a text."""
    items, depth, begin = [], 0, 0
    for tag in re.finditer(r"<(/?)item>", text):
        if not tag.group(1):
            begin = tag.start() if depth == 0 else begin
        depth += -1 if tag.group(1) else 1
        if depth == 0:
            items.append(text[begin : tag.end()])
    return items


# -- answers in which anything may be odd --------------------------------------------------------------------

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    1e308,
    "",
    "\x1b[2J\n\u202e",
    "\ud800",
    [],
    {},
    [None],
    {"x": 1},
)
_TEXTS = ("", "0", "-1", "yesterday", "&#10;&#155;2J", "x" * 5000, "<item/>", "</item>", "<!DOCTYPE a>", "&a;")


def scrambled(body: bytes, chance: random.Random) -> bytes:
    """A good answer of which some values are others."""
    try:
        answer = json.loads(body)
    except ValueError:
        return _scrambled_xml(body, chance)
    return json.dumps(_scrambled_json(answer, chance)).encode()


def _scrambled_json(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.04:
        return chance.choice(VALUES)
    if isinstance(value, dict):
        return {name: _scrambled_json(one, chance) for name, one in value.items() if chance.random() > 0.02}
    return [_scrambled_json(one, chance) for one in value] if isinstance(value, list) else value


def _scrambled_xml(body: bytes, chance: random.Random) -> bytes:
    def other(found: re.Match[str]) -> str:
        return f">{chance.choice(_TEXTS)}<" if chance.random() < 0.04 else found.group()

    text = re.sub(r">[^<>]*<", other, body.decode("utf-8", "replace"))
    begin = chance.randrange(len(text) + 1)
    return (text if chance.random() < 0.9 else text[:begin] + text[begin + chance.randrange(99) :]).encode()
