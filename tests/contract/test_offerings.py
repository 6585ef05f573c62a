"""Several flavors, zones, subnets: what one has no room for is asked for in the next, in the same cycle."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.contract.edges import MINIMAL, WRAPPER, FakeEdge, assert_settled
from tests.fakes import Refused
from tfce.config.offerings import offerings
from tfce.config.options import parse
from tfce.model.errors import ConfigError
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import State

FLAVORS = {"Instance_Flavor": "small, large", "Terraform_AvailabilityZone": "a, b"}
NOTHING = "small, a", "small, b", "large, a", "large, b"


def made(edge: FakeEdge) -> Counter[tuple[str, str]]:
    return Counter((node.spec.flavor, node.spec.zone) for node in edge.sky.living())


def test_what_is_missing_comes_from_the_next_in_the_same_cycle(edge: FakeEdge) -> None:
    edge.sky.offers = {("small", "a", ""): 2, ("small", "b", ""): 1, ("large", "b", ""): 9}
    parts = edge.parts(**FLAVORS)
    submission = parts.fleet.submit(WRAPPER, 5)
    assert len(submission.references) == 5 and submission.failed == {}
    assert made(edge) == {("small", "a"): 2, ("small", "b"): 1, ("large", "b"): 2}
    assert_settled(parts, edge)
    record = parts.workspace.load()
    assert Counter((one.spec.flavor, one.spec.zone) for one in record.pilots.values()) == made(edge)
    assert set(record.offering_backoffs) == {"small, a", "small, b", "large, a"} and record.backoff is None
    journal = [line["made"] for line in parts.workspace.journal.entries() if line["event"] == "submit"]
    assert journal[0] == {"image": "ami-1", "flavor": "small", "zone": "a"} and len(journal) == 4


def test_offerings_that_have_room_cost_the_record_no_further_write(edge: FakeEdge) -> None:
    parts = edge.parts(**FLAVORS)
    parts.fleet.submit(WRAPPER, 1)
    before = parts.workspace.load().generation
    assert len(parts.fleet.submit(WRAPPER, 1).references) == 1
    assert parts.workspace.load().generation == before + 2  # before the cloud is asked, and after


def test_one_without_room_is_left_alone_for_a_while_that_doubles(edge: FakeEdge) -> None:
    edge.sky.offers = {("large", "a", ""): 100}

    def applies() -> int:
        return sum(1 for step, _ in edge.sky.steps if step == "apply")

    seen = []
    for _ in range(6):
        before = applies()
        assert len(edge.parts(**FLAVORS).fleet.submit(WRAPPER, 1).references) == 1
        seen.append(applies() - before)
        edge.advance(100)
    assert seen == [3, 1, 3, 1, 1, 1]  # 180 s, then 360 s
    for _ in range(8):
        edge.advance(3601)
        edge.parts(**FLAVORS).fleet.submit(WRAPPER, 1)
    assert {one.rest for one in edge.parts(**FLAVORS).workspace.load().offering_backoffs.values()} == {3600}
    edge.sky.offers[("small", "a", "")] = 100
    edge.advance(3601)
    edge.parts(**FLAVORS).fleet.submit(WRAPPER, 1)
    assert "small, a" not in edge.parts(**FLAVORS).workspace.load().offering_backoffs


def test_the_queue_rests_when_all_do(edge: FakeEdge) -> None:
    edge.sky.offers = {}
    parts = edge.parts(**FLAVORS)
    submission = parts.fleet.submit(WRAPPER, 2)
    assert submission.references == [] and {one.kind for one in submission.failed.values()} == {Kind.CAPACITY}
    assert len(submission.failed) == 2  # what was asked for, not what was tried
    hold = parts.fleet.held()
    assert hold is not None and hold.text.startswith("all 4 offerings rest, ") and "none left" in hold.text
    applies = len(edge.sky.steps)
    assert parts.fleet.submit(WRAPPER, 2).limited == str(hold)
    assert not any(step == "apply" for step, _ in edge.sky.steps[applies:])
    edge.sky.offers = {("large", "b", ""): 5}
    assert len(edge.parts(**FLAVORS).fleet.submit(WRAPPER, 2, ignore_limits=True).references) == 2


@pytest.mark.parametrize(
    ("said", "kind"),
    [("VcpuLimitExceeded: no", Kind.QUOTA), ("InvalidAMIID.NotFound: ami-1 does not exist", Kind.IMAGE)],
)
def test_a_quota_or_an_image_is_no_lack_of_room_of_one_offering(edge: FakeEdge, said: str, kind: Kind) -> None:
    edge.sky.at("create", Refused(said), times=9)
    parts = edge.parts(**FLAVORS)
    (why,) = set(parts.fleet.submit(WRAPPER, 1).failed.values())
    assert why.kind is kind and "no lack of room of one offering" in why.text
    assert sum(1 for step, _ in edge.sky.steps if step == "apply") == 1
    assert parts.workspace.load().offering_backoffs == {}


def test_a_vm_that_fails_for_lack_of_room_later_rests_its_offering_only(edge: FakeEdge) -> None:
    parts = edge.parts(**FLAVORS, MaxTotalJobs="9")
    (node,) = (one.removeprefix("cloud://") for one in parts.fleet.submit(WRAPPER, 1).references)
    edge.sky.set(node, State.FAILED)
    edge.sky.vms[node] = replace(edge.sky.vms[node], fault=Reason(Kind.CAPACITY, "No valid host was found"))
    edge.advance(60)
    assert len(edge.parts(**FLAVORS, MaxTotalJobs="9").fleet.submit(WRAPPER, 1).references) == 1
    assert made(edge)["small", "b"] == 1
    edge.parts(**FLAVORS).fleet.reap()
    record = edge.parts(**FLAVORS).workspace.load()
    assert (
        set(record.offering_backoffs) == {"small, a"}
        and record.offering_backoffs["small, a"].failures == 1
        and record.backoff is None
    )


def test_no_running_pilot_is_touched_by_another_offering(edge: FakeEdge) -> None:
    edge.sky.offers = {("small", "a", ""): 1, ("large", "a", ""): 1}
    first = edge.parts(**FLAVORS).fleet.submit(WRAPPER, 1).references
    second = edge.parts(**FLAVORS).fleet.submit(WRAPPER, 1).references
    assert len(first) == len(second) == 1
    gone = [step for step, _ in edge.sky.steps if step in ("destroy", "untaint", "forget")]
    assert gone == [] and len(edge.sky.living()) == 2
    parts = edge.parts(Instance_Flavor="tiny")
    parts.fleet.reap()
    assert len(edge.sky.living()) == 2 and parts.workspace.load().offering_backoffs.keys() <= set(NOTHING)


def labels(folder: FakeEdge, **options: str) -> list[str]:
    return [one.label for one in offerings(folder.queue("long", options))]


PLACES = {"Terraform_AvailabilityZone": "b, a", "Instance_Networks": "net-1, net-2, net-3"}


def test_a_subnet_knows_its_zone(edge: FakeEdge) -> None:
    """Only the combinations that can be are offerings; where the subnets are is asked for once."""
    edge.sky.network_zones = {"net-1": "a", "net-2": "b", "net-3": "c"}
    parts = edge.parts(**PLACES)
    assert len(parts.fleet.submit(WRAPPER, 1).references) == 1
    assert [one.label for one in parts.workspace.network_zones.offerings] == [
        "t3.micro, b, net-2",
        "t3.micro, a, net-1",
    ]
    (made,) = (one.spec for one in parts.workspace.load().pilots.values())
    assert (made.zone, made.network) == ("b", "net-2")
    edge.sky.offers = {("t3.micro", "a", "net-1"): 5}
    again = edge.parts(**PLACES)
    assert len(again.fleet.submit(WRAPPER, 2).references) == 2
    assert parts.cloud.calls["DescribeSubnets"] == 1 and not again.cloud.calls["DescribeSubnets"]
    assert set(again.workspace.load().offering_backoffs) == {"t3.micro, b, net-2"}
    assert_settled(again, edge)


def test_where_no_subnet_is_in_a_zone_the_cure_says_which_are(edge: FakeEdge) -> None:
    edge.sky.network_zones = {"net-1": "c", "net-2": "c", "net-3": "d"}
    with pytest.raises(ConfigError, match="name a zone that has one: net-1 in c, net-2 in c, net-3 in d"):
        edge.parts(**PLACES).fleet.submit(WRAPPER, 1)
    edge.sky.network_zones = {"net-1": "a"}  # the others are in no zone that anybody knows
    assert len(edge.parts(**PLACES).fleet.submit(WRAPPER, 1).references) == 1
    assert [one.spec.network for one in edge.parts(**PLACES).workspace.load().pilots.values()] == ["net-2"]


def test_several_networks_of_one_vm_are_one_offering(edge: FakeEdge) -> None:
    options = {**MINIMAL, "CloudType": "OPENSTACK", "Driver_ex_force_auth_url": "https://k.example.org:5000/v3"}
    options |= {"Instance_Networks": "one, two", "Driver_ex_tenant_name": "p"}
    queue = parse("ce", "long", options, edge.folder, edge.folder)
    assert [one.networks for one in offerings(queue)] == [("one", "two")]
