"""A small OpenStack in this process: keystone, nova, glance and neutron as far as tfce asks them, on 127.0.0.1.

    with SmallStack() as cloud:
        ...                               # point the program at cloud.url (keystone)
        cloud.living()                    # from the side: every server that is not gone

It answers in a millisecond, where the real one takes minutes to start and seconds for a server: it is there to be
put behind a proxy that breaks its answers. What the real one says, the suite in tests/e2e/openstack knows.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.rigs.quiet import QuietServer

Answer = tuple[int, Any]
IMAGE, FLAVOR, NETWORK = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
GROUP = str(uuid.UUID(int=4))


@dataclass
class SmallStack:
    """The servers and what else there is. ``front``: where clients are sent by keystone's catalog; a proxy's URL.
    ``page``: servers and images on one page at most."""

    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    flavors: list[dict[str, Any]] = field(default_factory=list)
    networks: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    endpoints: dict[str, str] = field(default_factory=dict)
    front: str = ""
    page: int = 1000
    forbidden: set[str] = field(default_factory=set)  # what nova's policy lets nobody ask
    operators: tuple[str, ...] = ("in", "eq", "neq")  # that glance's filters know
    asked: list[str] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)  # when an answer was made, and for how long
    port: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.images = self.images or [image(IMAGE, "debian")]
        self.flavors = self.flavors or [flavor(FLAVOR, "small")]
        self.networks = self.networks or [{"id": NETWORK, "name": "net", "subnets": ["s"], "admin_state_up": True}]
        self.groups = self.groups or [{"id": GROUP, "name": "default"}]
        self.endpoints = {"compute": "/v2.1", "image": "", "network": "", **self.endpoints}

    @property
    def url(self) -> str:
        """Where keystone is."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"cloud": self})
        self._server = QuietServer(("127.0.0.1", 0), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- from the side -------------------------------------------------------------------------------------

    def living(self) -> dict[str, Mapping[str, str]]:
        """The metadata of every server that is not gone, by id."""
        with self.lock:
            return {server_id: dict(server["metadata"]) for server_id, server in self.servers.items()}

    def stop(self, server_id: str) -> None:
        """A server switches itself off."""
        with self.lock:
            self.servers[server_id]["status"] = "SHUTOFF"

    # -- what clients ask ----------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> Answer:
        """The status and JSON (None: no body) of one request."""
        with self.lock:
            self.asked.append(f"{method} {path}")
            match method, path.removeprefix("/v2.1").strip("/").split("/"):
                case _, [first, *_] if first in self.forbidden:
                    return 403, {"forbidden": {"code": 403, "message": f"Policy doesn't allow {first}."}}
                case "POST", ["v3", "auth", "tokens"]:
                    return 201, {"token": self._token()}
                case "GET", ["servers", "detail"]:
                    return 200, self._paged("servers", self._search(query), query)
                case "POST", ["servers"]:
                    return self._create(body["server"])
                case "POST", ["servers", server_id, "action"]:
                    return (200, {"output": "booted\n"}) if server_id in self.servers else _missing(server_id)
                case "GET", ["servers", server_id] if server_id in self.servers:
                    return 200, {"server": self.servers[server_id]}
                case "DELETE", ["servers", server_id] if server_id in self.servers:
                    del self.servers[server_id]
                    return 204, None
                case "GET", ["limits"]:
                    return 200, {"limits": {"absolute": {"maxTotalInstances": -1}}}
                case "GET", ["os-keypairs"]:
                    return 200, {"keypairs": []}
                case "GET", [("flavors" | "v2" | "v2.0"), *_]:
                    return self._catalogue(path, query)
                case _:
                    return _missing(path)

    def _token(self) -> dict[str, Any]:
        front = self.front or self.url
        endpoints = [
            {"type": kind, "name": kind, "endpoints": [_endpoint(place if "://" in place else front + place)]}
            for kind, place in self.endpoints.items()
        ]
        user = {"id": "user", "name": "user"}
        return {"catalog": endpoints, "expires_at": "2099-01-01T00:00:00.000000Z", "user": user, "roles": []}

    def _search(self, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        pattern = re.compile(query.get("name", [""])[0])
        return [server for server in self.servers.values() if pattern.search(server["name"])]

    def _paged(self, items: str, found: list[Any], query: Mapping[str, list[str]]) -> dict[str, Any]:
        ids = [one["id"] for one in found]
        marker = query.get("marker", [""])[0]
        begin = ids.index(marker) + 1 if marker in ids else 0
        size = min(self.page, int(query.get("limit", ["1000"])[0]))
        answer: dict[str, Any] = {items: found[begin : begin + size]}
        if begin + size < len(found):
            href = f"{self.front or self.url}/x?marker={ids[begin + size - 1]}"
            links = {f"{items}_links": [{"rel": "next", "href": href}]}
            answer |= {"next": f"/v2/images?marker={ids[begin + size - 1]}"} if items == "images" else links
        return answer

    def _create(self, wanted: dict[str, Any]) -> Answer:
        flavor_ = next((one for one in self.flavors if one["id"] == wanted["flavorRef"]), None)
        if flavor_ and not flavor_["disk"] and "block_device_mapping_v2" not in wanted:
            message = "Only volume-backed servers are allowed for flavors with zero disk."
            return 403, {"forbidden": {"code": 403, "message": message}}
        many = int(wanted.get("max_count", 1))
        for number in range(1, many + 1):
            server_id, now = str(uuid.uuid4()), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            name = wanted["name"] if many == 1 else f"{wanted['name']}-{number}"
            facts = {"id": server_id, "name": name, "status": "ACTIVE", "created": now, "updated": now}
            self.servers[server_id] = {**facts, "metadata": wanted["metadata"], "OS-EXT-STS:task_state": None}
        return 202, {"server": {"id": server_id}}

    def _catalogue(self, path: str, query: Mapping[str, list[str]]) -> Answer:
        kinds = {
            "/v2/images": ("images", "", self._seen(query)),
            "/v2.1/flavors": ("flavors", "flavor", self.flavors),
            "/v2.0/networks": ("networks", "network", self.networks),
            "/v2.0/security-groups": ("security_groups", "security_group", self.groups),
        }
        for start, (items, item, found) in kinds.items():
            if path in (start, f"{start}/detail"):
                return self._list(items, found, query)
            if path.startswith(f"{start}/"):
                every = self.images if items == "images" else found
                one = next((one for one in every if one["id"] == path.rpartition("/")[2]), None)
                return (200, {item: one} if item else one) if one else _missing(path)
        return _missing(path)

    def _seen(self, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """The images that a list shows: without asking for them, not the hidden, the published, the offered."""
        hidden = query.get("os_hidden", ["false"])[0] == "true"
        seen = query.get("visibility", ["public"])[0]
        offered = "pending" in query.get("member_status", [])
        mine = [one for one in self.images if one["os_hidden"] is hidden]
        if "visibility" not in query:
            return [one for one in mine if one["visibility"] != "community" and not one.get("pending")]
        return [one for one in mine if one["visibility"] == seen and bool(one.get("pending")) is offered]

    def _list(self, items: str, found: list[dict[str, Any]], query: Mapping[str, list[str]]) -> Answer:
        name = query.get("name", [None])[0]
        if items == "images" and name is not None:
            operator, colon, rest = name.partition(":")
            if colon and operator not in self.operators:
                return 400, {"message": f"Unable to filter by unknown operator '{operator}'."}
            name = rest.strip('"') if colon else name
        if name is not None and items != "flavors":
            found = [one for one in found if one["name"] == name]
        return 200, self._paged(items, found, query)


def image(identity: str, name: str, **more: Any) -> dict[str, Any]:
    """An image as glance shows it."""
    facts = {"id": identity, "name": name, "status": "active", "visibility": "public", "os_hidden": False}
    return {**facts, "size": 2**20, "min_disk": 0, "min_ram": 0, **more}


def flavor(identity: str, name: str, **more: Any) -> dict[str, Any]:
    """A flavor as nova shows it."""
    return {"id": identity, "name": name, "vcpus": 1, "ram": 512, "disk": 5, **more}


def _endpoint(url: str) -> dict[str, str]:
    return {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": url}


def _missing(what: str) -> Answer:
    return 404, {"itemNotFound": {"code": 404, "message": f"{what} could not be found."}}


class _Handler(BaseHTTPRequestHandler):
    cloud: SmallStack
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_any(self) -> None:
        begun = time.time()
        self.serve()
        self.cloud.spans.append((begun, time.time() - begun))

    def serve(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        given = json.loads(body) if body else None
        status, answer = self.cloud.answer(self.command, parts.path, parse_qs(parts.query), given)
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        if parts.path.endswith("/auth/tokens"):
            self.send_header("X-Subject-Token", "a-token-of-the-small-stack")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_any  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""
