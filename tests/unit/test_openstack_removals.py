"""Removing many servers: side by side, and bounded where nova does not answer; a server of our own is asked."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.unit.conftest import MakeQueue
from tfce.cloud import Cloud, connect
from tfce.credentials import Credentials
from tfce.node import Owner

OWNER = Owner("site-1", "cloud.example.org", "long")
IDS = [f"00000000-0000-4000-8000-{number:012x}" for number in range(12)]


@dataclass
class Nova:
    """What a DELETE gets: a status by id (204 unless it is here; 0: no answer), and what happened."""

    statuses: dict[str, int] = field(default_factory=dict)
    pause: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    now: int = 0
    most: int = 0
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def catalog(self) -> dict[str, object]:
        kinds = (("compute", "nova", "/v2.1"), ("image", "glance", ""), ("network", "neutron", ""))
        services = [
            {
                "type": kind,
                "name": name,
                "endpoints": [{"interface": "public", "region": "RegionOne", "url": self.url + path}],
            }
            for kind, name, path in kinds
        ]
        return {"catalog": services, "expires_at": "2099-01-01T00:00:00.000000Z", "user": {"id": "u", "name": "u"}}

    def delete(self, node_id: str) -> int:
        with self.lock:
            self.asked[node_id] += 1
            self.now += 1
            self.most = max(self.most, self.now)
        self.over.wait(60 if self.statuses.get(node_id) == 0 else self.pause)
        with self.lock:
            self.now -= 1
        return self.statuses.get(node_id, 204)


@pytest.fixture
def nova() -> Iterator[Nova]:
    made = Nova()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: object, **headers: str) -> None:
            text = json.dumps(body).encode() if body is not None else b""
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(text)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            made.asked["login"] += 1
            self.answer(201, {"token": made.catalog()}, **{"X-Subject-Token": "t0ken"})

        def do_GET(self) -> None:
            self.answer(200, {"servers": []})

        def do_DELETE(self) -> None:
            status = made.delete(self.path.rpartition("/")[2])
            if status:
                self.answer(status, {"conflictingRequest": {"message": "it is locked"}} if status > 299 else None)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cloud(nova: Nova, make_queue: MakeQueue) -> Cloud:
    """A cloud that has listed its VMs, as it has before anything is removed."""
    queue = make_queue(
        CloudType="OPENSTACK",
        Driver_ex_force_auth_url=nova.url,
        Driver_ex_force_auth_version="3.x_password",
        Driver_ex_tenant_name="project",
        Driver_ex_force_service_region="RegionOne",
        Driver_timeout="1",
    )
    made = connect(queue, Credentials("user", "secret"))
    assert made.nodes(OWNER) == []
    return made


def test_many_are_removed_side_by_side_with_one_login(nova: Nova, cloud: Cloud) -> None:
    nova.pause = 0.3
    assert cloud.destroy(IDS) == {}
    assert nova.asked == {"login": 1, **dict.fromkeys(IDS, 1)}
    assert 1 < nova.most <= 5
    assert cloud.calls["DELETE /servers/ID"] == len(IDS)


def test_one_refusal_stops_none_of_the_others(nova: Nova, cloud: Cloud) -> None:
    nova.statuses = {IDS[0]: 409, IDS[5]: 404}
    refused = cloud.destroy(IDS)
    assert list(refused) == [IDS[0]] and "it is locked" in refused[IDS[0]]
    assert all(nova.asked[node_id] == 1 for node_id in IDS)


def test_nova_without_answers_costs_one_wait(nova: Nova, cloud: Cloud) -> None:
    nova.statuses = dict.fromkeys(IDS, 0)
    begun = time.monotonic()
    refused = cloud.destroy(IDS)
    assert time.monotonic() - begun < 4  # one time-out of a second, not twelve
    assert set(refused) == set(IDS) and len(nova.asked) == 1 + 5
    assert all("does not answer" in reason or "did not answer" in reason for reason in refused.values())


def test_nothing_to_remove_asks_nothing(nova: Nova, cloud: Cloud) -> None:
    before = nova.asked.total()
    assert cloud.destroy([]) == {} and nova.asked.total() == before
