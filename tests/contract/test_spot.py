"""Spot instances: which are asked for first, what their refusals mean, and what becomes of a pilot whose VM the
cloud takes back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Refused
from tfce.config.offerings import offerings
from tfce.config.options import parse
from tfce.model.errors import ConfigError
from tfce.model.health import Health
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import State

SPOT = {"Terraform_Spot": "first", "Instance_Flavor": "small, large"}
TAKEN = Reason(Kind.TAKEN_AWAY, "Server.SpotInstanceTermination: no capacity", "Server.SpotInstanceTermination")


def markets(edge: FakeEdge) -> Counter[tuple[str, str]]:
    return Counter((node.spec.flavor, node.spec.market) for node in edge.sky.living())


@pytest.mark.parametrize(
    ("option", "labels"),
    [
        ("no", ["small", "large"]),
        ("yes", ["small, spot", "large, spot"]),
        ("first", ["small, spot", "large, spot", "small", "large"]),
    ],
)
def test_which_offerings_there_are(edge: FakeEdge, option: str, labels: list[str]) -> None:
    queue = edge.queue("long", {**SPOT, "Terraform_Spot": option})
    assert [one.label for one in offerings(queue)] == labels


def test_spot_instances_come_first_and_others_fill_up(edge: FakeEdge) -> None:
    edge.sky.offers = {("small", "", "", "spot"): 2, ("small", "", ""): 9}
    parts = edge.parts(**SPOT)
    submission = parts.fleet.submit(WRAPPER, 5)
    assert len(submission.references) == 5 and submission.failed == {}
    assert markets(edge) == {("small", "spot"): 2, ("small", ""): 3}
    record = parts.workspace.load()
    assert set(record.offering_backoffs) == {"small, spot", "large, spot"}
    assert Counter(one.spec.market for one in record.pilots.values()) == {"spot": 2, "": 3}
    assert Counter(seen.spec.market for seen in parts.fleet.status()) == {"spot": 2, "": 3}


def test_the_quota_of_spot_instances_is_none_of_the_others(edge: FakeEdge) -> None:
    edge.sky.at("create", Refused("MaxSpotInstanceCountExceeded: Max spot instance count exceeded"))
    parts = edge.parts(**SPOT)
    assert len(parts.fleet.submit(WRAPPER, 1).references) == 1
    assert markets(edge) == {("small", ""): 1}
    assert sum(1 for step, _ in edge.sky.steps if step == "apply") == 2  # no other spot offering was tried
    assert set(parts.workspace.load().offering_backoffs) == {"small, spot", "large, spot"}


def taken_away(edge: FakeEdge, node: str, fault: Reason | None = TAKEN) -> None:
    edge.sky.set(node, State.DELETED)
    edge.sky.vms[node] = replace(edge.sky.vms[node], fault=fault, switched_off=fault is None, ended=None)


def test_a_vm_that_the_cloud_took_back_is_failed_with_that_reason(edge: FakeEdge) -> None:
    parts = edge.parts(**SPOT)
    (reference,) = parts.fleet.submit(WRAPPER, 1).references
    edge.advance(60)
    taken_away(edge, reference.removeprefix("cloud://"))
    assert edge.parts(**SPOT).fleet.poll([reference]) == {reference: "Failed"}
    (removed,) = edge.parts(**SPOT).fleet.reap().removed
    assert str(removed.reason) == "taken away: Server.SpotInstanceTermination: no capacity"
    assert edge.parts(**SPOT).workspace.load().health == Health()  # says nothing of the pilots to come
    edge.sky.vanish(reference.removeprefix("cloud://"))
    assert edge.parts(**SPOT).fleet.poll([reference]) == {reference: "Failed"}  # also when the cloud forgot it
    assert not [step for step, _ in edge.sky.steps if step == "destroy"]


@pytest.mark.parametrize("lived", [60, 6000])
def test_a_spot_instance_whose_pilot_ended_is_done(edge: FakeEdge, lived: int) -> None:
    """EC2 terminates a spot instance that switches itself off, and does not always say when it did."""
    parts = edge.parts(**SPOT)
    (reference,) = parts.fleet.submit(WRAPPER, 1).references
    edge.advance(lived)
    taken_away(edge, reference.removeprefix("cloud://"), None)
    assert edge.parts(**SPOT).fleet.poll([reference]) == {reference: "Done"}
    (removed,) = edge.parts(**SPOT).fleet.reap().removed
    assert str(removed.reason) == "stopped"
    assert len(edge.parts(**SPOT).workspace.load().health.row) == (lived == 60)
    edge.sky.vanish(reference.removeprefix("cloud://"))
    assert edge.parts(**SPOT).fleet.poll([reference]) == {reference: "Done"}


def test_what_a_cloud_ended_as_it_could_not_start_it_failed_to_boot(edge: FakeEdge) -> None:
    parts = edge.parts()
    (reference,) = parts.fleet.submit(WRAPPER, 1).references
    fault = Reason(Kind.CONFIGURATION, "Client.InternalError: Client error on launch", "Client.InternalError")
    taken_away(edge, reference.removeprefix("cloud://"), fault)
    assert edge.parts().fleet.poll([reference]) == {reference: "Failed"}
    edge.parts().fleet.reap()
    (end,) = edge.parts().workspace.load().health.row
    assert (end.verdict.value, end.said) == ("failed to boot", "Client.InternalError: Client error on launch")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"Terraform_Spot": "often"}, "Terraform_Spot = often: must be no, yes, first"),
        ({"Terraform_Spot": "yes", "Terraform_SpotMaxPrice": "0"}, "must be a price, more than 0"),
        ({"Terraform_Spot": "yes", "Terraform_Module": "native"}, "set Terraform_Module = bulk"),
        (
            {"Terraform_Spot": "yes", "CloudType": "OPENSTACK"},
            "only CloudType = EC2 has spot instances; remove it",
        ),
    ],
)
def test_what_cannot_be_is_refused(edge: FakeEdge, options: dict[str, str], told: str) -> None:
    wanted = {"CloudType": "EC2", "Instance_Image": "ami-1", "Instance_Flavor": "small", **options}
    with pytest.raises(ConfigError) as caught:
        parse("ce", "long", wanted, edge.folder, edge.folder)
    assert told in caught.value.message
