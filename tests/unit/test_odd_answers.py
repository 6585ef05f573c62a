"""Refusals that are in no API's own words, an empty one or a gateway's: status and text are told, and judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.claims import some
from tests.rigs.hostile import Attack, Hostile, Reply
from tests.rigs.smallstack import SmallStack
from tests.unit.conftest import MakeQueue
from tfce.cloud import retries
from tfce.cloud.api import Cloud
from tfce.cloud.factory import connect
from tfce.cloud.shape import Shape
from tfce.config.credentials import Credentials
from tfce.model.errors import CloudError
from tfce.model.reasons import Kind
from tfce.model.vm import Owner

OWNER = Owner("site-1", "cloud.example.org", "long")
STATUSES = (300, 400, 401, 403, 404, 405, 409, 412, 413, 429, 500, 502, 503, 504)
BODIES = {
    "empty": "",
    "null": "null",
    "list": '[{"error": "no"}]',
    "number": "12",
    "gateway": '{"code": 403, "message": "the code of a gateway", "error_code": null}',
    "text in JSON": '{"message": "status code 7", "x": 1}',
    "cut": '{"error": {"code": 5',
    "html": "<html><body><p>Not for you<br></body></html>",
    "text": "default backend",
    "no message": "<Response><Errors><Error><Code>Odd</Code></Error></Errors></Response>",
    "more": "<Response><Errors><Error><Code>Odd</Code><Message/><Type/></Error></Errors></Response>",
    "nobody": "<Response><Errors/></Response>",
}
TYPES = {"GET /servers/detail": ("application/json", "text/xml", ""), "DescribeInstances": ("text/xml",)}
PYTHONS = re.compile(r"[a-z]Error\b|Exception|NoneType|object has no")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Hostile]:
    with SmallStack() as stack, Hostile(stack.url) as made:
        stack.front = made.url
        yield made


@pytest.fixture
def clouds(proxy: Hostile, make_queue: MakeQueue) -> dict[str, Cloud]:
    openstack = {
        "CloudType": "OPENSTACK",
        "Driver_ex_force_auth_url": proxy.url,
        "Driver_ex_tenant_name": "project",
        "Driver_ex_force_service_region": "RegionOne",
    }
    ec2 = {"Driver_host": "127.0.0.1", "Driver_port": str(proxy.port), "Driver_secure": "no"}
    made = {"GET /servers/detail": openstack, "DescribeInstances": ec2}
    return {
        action: connect(make_queue(**options, Terraform_MaxRetries="0").endpoint, Credentials("key", "secret"))
        for action, options in made.items()
    }


def expected(action: str, status: int, own: bool = False) -> tuple[Kind, ...]:
    """What a status means; ``own``: the API's own code stands beside it."""
    if status in (413, 429):
        return (Kind.THROTTLED,)
    if status >= 500:
        return (Kind.UNREACHABLE,)
    if status == 401 or (status == 403 and action == "DescribeInstances"):
        if own:
            return (Kind.UNCLASSIFIED,)
        return (Kind.AUTHENTICATION,)
    return (Kind.UNCLASSIFIED, Kind.CONFIGURATION)


@pytest.mark.parametrize("status", STATUSES)
def test_a_refusal_keeps_its_status_whatever_it_is_written_in(
    proxy: Hostile, clouds: dict[str, Cloud], status: int
) -> None:
    wrong = []
    for action, cloud in clouds.items():
        for name, body in BODIES.items():
            for kind in TYPES[action]:
                retries.BUDGETS.clear()
                proxy.attack = Attack(action, "reply", reply=Reply(status, body.encode(), kind))
                with pytest.raises(CloudError) as raised:
                    cloud.vms(OWNER)
                said, reason = raised.value.message, raised.value.reason
                named = str(status) in said or "Odd" in said
                if (
                    reason.kind not in expected(action, status, "Odd:" in said)
                    or not named
                    or PYTHONS.search(said)
                ):
                    wrong.append((action, name, kind, reason.kind, said))
    assert wrong == []


@pytest.mark.parametrize("after", ["soon", "", "-5", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "0x1", "1e3"])
def test_an_odd_retry_after_hides_no_refusal(proxy: Hostile, clouds: dict[str, Cloud], after: str) -> None:
    for status in (413, 429, 503):
        for action, cloud in some(clouds.items()):
            retries.BUDGETS.clear()
            reply = Reply(status, b"", "application/json", {"Retry-After": after})
            proxy.attack = Attack(action, "reply", reply=reply)
            with pytest.raises(CloudError) as raised:
                cloud.vms(OWNER)
            assert raised.value.reason.kind in expected(action, status), raised.value


@pytest.mark.parametrize("body", ["", "<html/>", "<a>", "null", '{"server": {}}', "<RunInstancesResponse/>"])
def test_who_grants_a_vm_without_a_word_may_have_made_it(
    proxy: Hostile, clouds: dict[str, Cloud], body: str
) -> None:
    shape = Shape(OWNER, "tfce-", "image", "flavor")
    for action, cloud in zip(("POST /servers", "RunInstances"), clouds.values(), strict=True):
        reply = Reply(200, body.encode(), "application/json" if "/" in action else "text/xml")
        proxy.attack = Attack(action, "reply", reply=reply)
        with pytest.raises(CloudError) as raised:
            cloud.create(shape, "0000000A", "#cloud-config\n")
        assert raised.value.reason.kind is Kind.UNREACHABLE, raised.value


@pytest.mark.parametrize("status", [300, 404, 405])
def test_who_is_no_keystone_is_said_with_the_option(proxy: Hostile, clouds: dict[str, Cloud], status: int) -> None:
    proxy.attack = Attack("POST /auth/tokens", "reply", reply=Reply(status, b"<html>", "text/html"))
    with pytest.raises(CloudError, match=rf"HTTP {status}.*Driver_ex_force_auth_url") as raised:
        clouds["GET /servers/detail"].vms(OWNER)
    assert raised.value.reason.kind is Kind.CONFIGURATION


@pytest.mark.parametrize("change", ["", "twice", "internal"])
def test_a_catalog_without_just_one_url_names_the_options(make_queue: MakeQueue, change: str) -> None:
    with SmallStack() as stack:
        token = stack._token()
        (compute,) = [one for one in token["catalog"] if one["type"] == "compute"]
        (url,) = compute["endpoints"]
        compute["endpoints"] = {"": [], "twice": [url, url], "internal": [{**url, "interface": "internal"}]}[
            change
        ]
        stack._token = lambda: token  # type: ignore[method-assign]
        options: dict[str, Any] = {"CloudType": "OPENSTACK", "Driver_ex_force_auth_url": stack.url}
        cloud = connect(make_queue(**options, Driver_ex_tenant_name="p").endpoint, Credentials("key", "secret"))
        with pytest.raises(CloudError, match=r"public URL of compute.*Driver_ex_force_base_url"):
            cloud.vms(OWNER)
