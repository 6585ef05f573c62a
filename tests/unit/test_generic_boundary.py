"""The boundary under a driver that is not ours."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from io import StringIO
from typing import Any

import libcloud
import pytest

from tests.unit.conftest import PAGES, MakeQueue, serving
from tfce.cloud.api import Cloud
from tfce.cloud.factory import connect
from tfce.cloud.generic.lookup import image_check, matching
from tfce.cloud.generic.nodes import created_of
from tfce.cloud.pool import AT_ONCE
from tfce.cloud.shape import Shape
from tfce.config.credentials import Credentials
from tfce.model.errors import CloudError
from tfce.model.images import newest
from tfce.model.vm import Owner

OWNER = Owner("i", "c", "q")
SHAPE = Shape(owner=OWNER, name_prefix="tfce-", image="1", flavor="1")


@dataclass
class Api:
    """What the server says: a status and JSON, by method; and how often it was asked."""

    say: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    drip: bool = False


@pytest.fixture
def api() -> Api:
    return Api({"GET": (200, {"nodes": []}), "POST": (200, {"id": "1", "name": "n"}), "DELETE": (200, {})})


@pytest.fixture
def cloud(api: Api, make_queue: MakeQueue, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    class Handler(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            api.asked[self.command] += 1
            status, answer = api.say.get(f"{self.command} {self.path[:7]}", api.say[self.command])
            text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            for byte in text:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1 if api.drip else 0)

        do_GET = do_POST = do_DELETE = do_any  # noqa: N815

    with serving(Handler) as port:
        driver = {
            "Driver_host": "127.0.0.1",
            "Driver_port": str(port),
            "Driver_secure": "no",
            "Driver_timeout": "1",
        }
        name = getattr(request, "param", "HttpNodeDriver")
        queue = make_queue(CloudType=f"tests.unit.httpcloud.{name}", Terraform_MaxRetries="1", **driver)
        yield connect(queue.endpoint, Credentials("key", "secret"))


def node(identity: Any, name: Any = "n") -> dict[str, Any]:
    return {"id": identity, "name": name}


def test_odd_records_are_left_out_and_twins_are_one(api: Api, cloud: Cloud) -> None:
    api.say["GET"] = (200, {"nodes": [node("1"), node(None), node("2", None), node("1"), node("a\nb")]})
    found = cloud.vms(OWNER)
    assert not found.complete and found.duplicates == 1
    assert cloud.vm("1") is not None
    with pytest.raises(CloudError, match="odd records is not believed"):
        cloud.vm("2")


@pytest.mark.parametrize("cloud", ["AskedNodeDriver"], indirect=True)
def test_a_driver_that_can_be_asked_for_one_vm_is_asked(api: Api, cloud: Cloud) -> None:
    assert cloud.capabilities.by_id
    api.say["GET"] = (200, {"node": node("1")})
    found = cloud.vm("1")
    assert found is not None and found.id == "1"
    with pytest.raises(CloudError, match="about something else"):
        cloud.vm("2")
    for status in (404, 410):
        api.say["GET"] = (status, {})
        assert cloud.vm("1") is None
    for status, answer in ((400, {}), (403, {}), (500, {}), (200, {}), (200, {"node": None}), (200, [])):
        api.say["GET"] = (status, answer)
        with pytest.raises(CloudError):
            cloud.vm("1")


@pytest.mark.parametrize("cloud", ["AskedNodeDriver"], indirect=True)
@pytest.mark.parametrize("page", PAGES)
def test_a_gateways_404_says_nothing_of_a_vm(api: Api, cloud: Cloud, page: str) -> None:
    api.say["GET"] = (404, page)
    with pytest.raises(CloudError):
        cloud.vm("1")


@pytest.mark.parametrize("cloud", ["AskedNodeDriver"], indirect=True)
@pytest.mark.parametrize(("status", "refused"), [(404, set()), (403, {"1"}), (200, {"1"})])
def test_what_a_list_lacks_is_not_gone_for_that(api: Api, cloud: Cloud, status: int, refused: set[str]) -> None:
    api.say["GET"] = (status, {"nodes": []})
    if status == 404:  # the list comes, and the one VM is not there
        api.say["GET /nodes?"] = (200, {"nodes": []})
    with pytest.raises(CloudError) if status == 403 else nullcontext():
        assert set(cloud.destroy(["1"])) == refused
    assert api.asked["DELETE"] == 0


def test_a_driver_that_only_lists_takes_nothing_for_removed_that_is_not_listed(api: Api, cloud: Cloud) -> None:
    assert not cloud.capabilities.by_id
    api.say["GET"] = (200, {"nodes": [node("2")]})
    assert "is not listed now" in cloud.destroy(["1", "2"])["1"] and api.asked["DELETE"] == 1


def test_pages_without_an_end_and_slow_answers_end(api: Api, cloud: Cloud) -> None:
    api.say["GET"] = (200, {"nodes": [], "more": True})
    with pytest.raises(CloudError, match="brought no end"):
        cloud.vms(OWNER)
    api.drip = True
    begun = time.monotonic()
    with pytest.raises(CloudError, match="does not answer"):
        cloud.vms(OWNER)
    assert time.monotonic() - begun < 15


@pytest.fixture
def libcloud_log() -> Iterator[StringIO]:
    """What libcloud notes of requests where ``LIBCLOUD_DEBUG`` is set."""
    written = StringIO()
    libcloud.enable_debug(written)
    yield written
    libcloud.reset_debug()


def test_libclouds_debugging_takes_no_request_out_of_the_bounds(
    libcloud_log: StringIO, api: Api, cloud: Cloud
) -> None:
    assert len(cloud.vms(OWNER)) == 0 and cloud.create(SHAPE, "0000000A", "text") == "1"
    assert cloud.calls.total() >= 2 and libcloud_log.getvalue() == ""
    api.drip = True
    with pytest.raises(CloudError, match="does not answer"):
        cloud.vms(OWNER)


def test_lists_are_asked_for_again_and_what_makes_vms_is_not(api: Api, cloud: Cloud) -> None:
    api.say |= {"GET": (503, {}), "POST": (503, {})}
    with pytest.raises(CloudError):
        cloud.vms(OWNER)
    assert api.asked["GET"] == 2
    with pytest.raises(CloudError) as caught:
        cloud.create(SHAPE, "0000000A", "text")
    assert caught.value.kind == "unreachable" and api.asked["POST"] == 1


def test_silence_costs_one_wait(api: Api, cloud: Cloud) -> None:
    api.say |= {"GET": (200, {"nodes": [node(str(n)) for n in range(3 * AT_ONCE)]}), "DELETE": (500, {})}
    assert set(cloud.destroy(map(str, range(3 * AT_ONCE)))) == set(map(str, range(3 * AT_ONCE)))
    assert 1 <= api.asked["DELETE"] <= AT_ONCE  # one for each of those at work at a time


class Listed:
    """An image as one of libcloud's drivers lists it."""

    def __init__(self, identity: str, name: str, **extra: Any) -> None:
        self.id, self.name, self.extra = identity, name, extra


def test_a_time_without_a_zone_is_utc_whatever_the_hosts_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As libcloud's driver for Linode tells it: else a VM there is hours older or younger than it is."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        plain, aware = datetime(2026, 1, 31, 12), datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
        assert created_of(Listed("1", "d", created=plain)) == created_of(Listed("1", "d", created=aware))
        assert created_of(Listed("1", "d", created=plain)) == datetime(2026, 1, 31, 12, tzinfo=UTC)
        assert matching([Listed("1", "d", created=plain)], "newest:d")[0].created == aware
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_newest_image_is_known_where_the_driver_tells_when_it_was_made() -> None:
    items = [
        Listed("1", "d-1", created="2026-01-01T00:00:00Z"),
        Listed("2", "d-2", creationTimestamp="2026-02-01T00:00:00Z"),
        Listed("3", "d-3", created="last year"),
        Listed("4", "x"),
    ]
    best = newest(matching(items, "newest:d-*"), datetime.now(UTC))
    assert best is not None and best.id == "2"
    assert [one.id for one in matching(items, "name:x")] == [one.id for one in matching(items, "4")] == ["4"]
    with pytest.raises(CloudError, match="does not tell when an image was made; set Instance_Image to an id"):
        matching([Listed("4", "x")], "newest:x*")
    told = image_check(lambda kind: [Listed("4", "x")], "newest:x*")
    assert not told.ok and told.cure == "set Instance_Image to an id or name:NAME"
    assert image_check(lambda kind: items, "newest:d-*").detail == "newest:d-* is 2 (d-2, made 2026-02-01)"
