"""OpenStack's edge against a server of our own: removing many, bounded where nova is mute; one login for all."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from tests.claims import every
from tests.unit.conftest import PAGES, MakeQueue, serving
from tfce.cloud.api import Cloud
from tfce.cloud.factory import connect
from tfce.cloud.pool import AT_ONCE
from tfce.config.credentials import Credentials
from tfce.model.errors import CloudError
from tfce.model.vm import Owner

OWNER = Owner("site-1", "cloud.example.org", "long")
IDS = [f"00000000-0000-4000-8000-{number:012x}" for number in range(AT_ONCE + 2)]


@dataclass
class Nova:
    """What a DELETE gets: a status by id (204 unless it is here; 0: no answer), and what happened. ``ended``:
    tokens that are not taken any more."""

    statuses: dict[str, int] = field(default_factory=dict)
    pause: float = 0.0
    expires: str = "2099-01-01T00:00:00.000000Z"
    ended: set[str] = field(default_factory=set)
    page: str | None = None  # what a gateway says of every server, with 404
    asked: Counter[str] = field(default_factory=Counter)
    now: int = 0
    most: int = 0
    url: str = ""
    whose: dict[str, object] = field(default_factory=lambda: {"project": {"id": "0a1b", "name": "p"}})
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
        return {"catalog": services, "expires_at": self.expires, "user": {"id": "u", "name": "u"}, **self.whose}

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

    class Answers(BaseHTTPRequestHandler):
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
            token = f"t0ken-{made.asked['login']}"
            self.answer(201, {"token": made.catalog()}, **{"X-Subject-Token": token})

        def paged(self) -> bool:
            if made.page is None or "/servers/" not in self.path or "/detail" in self.path:
                return False
            self.send_response(404)
            self.send_header("Content-Length", str(len(made.page)))
            self.end_headers()
            self.wfile.write(made.page.encode())
            return True

        def do_GET(self) -> None:
            if self.paged():
                return
            good = self.headers["X-Auth-Token"] not in made.ended
            self.answer(200 if good else 401, {"servers": []})

        def do_DELETE(self) -> None:
            if self.paged():
                return
            status = made.delete(self.path.rpartition("/")[2])
            if status:
                self.answer(status, {"conflictingRequest": {"message": "it is locked"}} if status > 299 else None)

    with serving(Answers) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
        made.over.set()


@pytest.fixture
def another(nova: Nova, make_queue: MakeQueue) -> Callable[..., Cloud]:
    """Makes connections as a process of its own would; each has listed its VMs."""

    def make(key: str = "user", secret: str = "secret", **options: str) -> Cloud:
        given = {
            "CloudType": "OPENSTACK",
            "Driver_ex_force_auth_url": nova.url,
            "Driver_ex_force_auth_version": "3.x_password",
            "Driver_ex_tenant_name": "project",
            "Driver_ex_force_service_region": "RegionOne",
            "Driver_timeout": "3",
        }
        made = connect(make_queue(**given | options).endpoint, Credentials(key, secret))
        assert made.vms(OWNER) == []
        return made

    return make


@pytest.fixture
def cloud(another: Callable[..., Cloud]) -> Cloud:
    """A cloud that has listed its VMs, as it has before anything is removed."""
    return another()


def test_the_account_is_the_project_of_the_login_and_costs_nothing(nova: Nova, cloud: Cloud) -> None:
    asked = dict(nova.asked)
    assert cloud.account() == "0a1b" == cloud.clone().account()
    assert cloud.vms(OWNER).account == "0a1b" and nova.asked == asked


@pytest.mark.parametrize("whose", [{}, {"project": None}, {"project": {"id": 7}}, {"project": {"id": "a\nb"}}])
def test_a_login_that_does_not_say_whose_it_is(
    nova: Nova, another: Callable[..., Cloud], whose: dict[str, object]
) -> None:
    nova.whose = whose
    assert another().account() == ""


def test_many_are_removed_side_by_side_with_one_login(nova: Nova, cloud: Cloud) -> None:
    nova.pause = 0.3
    assert cloud.destroy(IDS) == {}
    assert nova.asked == {"login": 1, **dict.fromkeys(IDS, 1)}
    assert 1 < nova.most <= AT_ONCE
    assert cloud.calls["DELETE /servers/ID"] == len(IDS)


def test_one_refusal_stops_none_of_the_others(nova: Nova, cloud: Cloud) -> None:
    nova.statuses = {IDS[0]: 409, IDS[5]: 404}
    refused = cloud.destroy(IDS)
    assert list(refused) == [IDS[0]] and "it is locked" in refused[IDS[0]]
    assert every(nova.asked[node_id] == 1 for node_id in IDS)


def test_nova_without_answers_costs_one_wait(nova: Nova, cloud: Cloud) -> None:
    nova.statuses = dict.fromkeys(IDS, 0)
    begun = time.monotonic()
    refused = cloud.destroy(IDS)
    assert time.monotonic() - begun < 12  # one time-out of three seconds, or two, not twelve
    assert set(refused) == set(IDS) and len(nova.asked) == 1 + AT_ONCE
    assert every("does not answer" in reason or "did not answer" in reason for reason in refused.values())


@pytest.mark.parametrize(("page", "gone"), [*((page, False) for page in PAGES), ('{"itemNotFound": {}}', True)])
def test_a_gateways_404_says_nothing_of_a_vm(nova: Nova, cloud: Cloud, page: str, gone: bool) -> None:
    nova.page = page
    with nullcontext() if gone else pytest.raises(CloudError, match="not nova's"):
        assert cloud.vm(IDS[0]) is None
    refused = cloud.destroy(IDS[:1])
    assert set(refused) == (set() if gone else set(IDS[:1]))


def test_nothing_to_remove_asks_nothing(nova: Nova, cloud: Cloud) -> None:
    before = nova.asked.total()
    assert cloud.destroy([]) == {} and nova.asked.total() == before


# -- one login -----------------------------------------------------------------------------------------------


def test_connections_share_a_login(nova: Nova, cloud: Cloud) -> None:
    for one in (cloud.clone(), cloud.clone().clone()):
        assert one.vms(OWNER) == []
    assert nova.asked["login"] == 1


def test_a_login_of_a_clone_serves_the_others(nova: Nova, cloud: Cloud) -> None:
    nova.ended = {"t0ken-1"}
    assert cloud.clone().vms(OWNER) == [] and nova.asked["login"] == 2  # is refused, and logs in
    assert cloud.vms(OWNER) == [] and nova.asked["login"] == 2  # refused, too, and finds the clone's


def test_queues_share_no_login(nova: Nova, another: Callable[..., Cloud], cloud: Cloud) -> None:
    another()
    assert nova.asked["login"] == 2


def test_a_token_that_is_about_to_end_is_not_shared(nova: Nova, another: Callable[..., Cloud]) -> None:
    nova.expires = f"{datetime.now(UTC) + timedelta(seconds=8):%Y-%m-%dT%H:%M:%S.000000Z}"
    another().clone().vms(OWNER)
    assert nova.asked["login"] == 2
