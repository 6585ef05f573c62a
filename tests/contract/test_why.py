"""Why no pilots match, as one answer: the first cause, with its cure."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Refused
from tfce.model.drain import Drain
from tfce.model.errors import CloudError, ConfigError, TerraformError
from tfce.model.overview import Urgency
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import State
from tfce.model.why import Demand, Finding, Subject, of_submission


def first(edge: FakeEdge, **options: str) -> Finding:
    return edge.parts(**options).fleet.why()[0]


def test_a_queue_that_nobody_asks(edge: FakeEdge) -> None:
    found = first(edge)
    assert found.subject is Subject.DEMAND and "none ever" in found.text and "mask" in found.cure


def test_a_cloud_that_does_not_answer(edge: FakeEdge) -> None:
    edge.sky.down = "connection refused"
    found = first(edge)
    assert found.subject is Subject.CLOUD and "connection refused" in found.text and "tfce doctor" in found.cure


@pytest.mark.parametrize("fault", ["down", "login", "refused", "drained"])
def test_what_nobody_can_know_is_not_said(edge: FakeEdge, fault: str) -> None:
    """That no VM is there, of a cloud that does not answer; that nobody asks, of a queue that starts nothing."""
    if fault == "refused":
        edge.sky.at("create", Refused("InvalidAMIID.NotFound: ami-1 does not exist"), times=9)
    edge.parts().fleet.submit(WRAPPER, 1)
    if fault == "drained":
        (node,) = edge.living()
        edge.parts().fleet.drain(Drain(edge.now()))
        edge.stop(node)
        edge.parts().fleet.reap()
    if fault == "down":
        edge.sky.down = "no route to host"
    if fault == "login":
        edge.sky.at("list", CloudError("the cloud refuses the credentials", "authentication"), times=9)
    told = edge.parts().fleet.why()
    assert not [one for one in told if "no VM is there" in one.text or "nobody asks" in one.text]
    joined = edge.parts().fleet.why(Demand(9, 4))
    assert joined[-1].text == "4 of DIRAC's 9 waiting jobs match the queue"


def test_a_lock_that_is_held_for_hours_comes_first_and_a_day_without_a_sweep_is_told(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.parts().fleet.reap()
    edge.sky.clock.now = datetime.now(UTC)
    edge.advance(25 * 3600)
    assert first(edge).subject is Subject.NOT_SWEPT
    with edge.parts().workspace.locked():
        edge.advance(4 * 3600)
        found = first(edge)
    assert found.subject is Subject.STUCK and "holds the queue's lock" in found.text and "process" in found.text


def no_terraform(edge: FakeEdge) -> None:
    edge.sky.at("prepare", TerraformError("no terraform is to be had"))
    with pytest.raises(TerraformError):
        edge.parts().fleet.submit(WRAPPER, 1)


def too_large(edge: FakeEdge) -> None:
    with pytest.raises(ConfigError):
        edge.parts().fleet.submit(b"#!/bin/sh\n" + os.urandom(40_000), 1)


def removals_refused(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 2)
    for node in list(edge.living()):
        edge.stop(node)
    edge.sky.at("destroy", CloudError("UnauthorizedOperation"), times=9)
    edge.parts().fleet.reap()


def vanished(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 3)
    edge.advance(700)
    for node in list(edge.living()):
        edge.sky.vanish(node)


def refused_in_part(edge: FakeEdge) -> None:
    edge.sky.at("create", Refused("InvalidSubnetID.NotFound: no such subnet"))
    edge.parts().fleet.submit(WRAPPER, 3)


@pytest.mark.parametrize(
    ("plant", "words", "need"),
    [
        (no_terraform, "the last submit failed (terraform): no terraform is to be had", Urgency.PERSON),
        (
            too_large,
            "the last submit failed (configuration): Context_Template: the user data takes",
            Urgency.PERSON,
        ),
        (removals_refused, "the cloud refused to remove 2 VMs, which go on costing", Urgency.PERSON),
        (vanished, "3 pilots' VMs are not listed any more", Urgency.NOTE),
    ],
)
def test_what_no_console_and_no_refusal_tells_is_named_too(
    tmp_path: Path, plant: Callable[[FakeEdge], None], words: str, need: Urgency
) -> None:
    """Also where a queue's very first pilots meet it."""
    edge = FakeEdge(tmp_path)
    plant(edge)
    fleet = edge.parts().fleet
    told = [one.text for one in fleet.why()]
    assert [text for text in told if text.startswith(words)]
    assert not [text for text in told if "no VM is there" in text or "nothing is wrong" in text]
    assert fleet.glance(fleet.announce()).urgency is need


def test_pilots_that_were_refused_beside_others_are_told(tmp_path: Path) -> None:
    edge = FakeEdge(tmp_path)
    refused_in_part(edge)
    assert "1 of 3 failed: InvalidSubnetID.NotFound: no such subnet" in first(edge).text


def test_an_error_counts_until_pilots_are_asked_for_again(tmp_path: Path) -> None:
    edge = FakeEdge(tmp_path)
    edge.sky.at("create", Refused("InvalidAMIID.NotFound: ami-1 does not exist"))
    edge.parts().fleet.submit(WRAPPER, 1)
    no_terraform(edge)
    assert "no terraform is to be had" in first(edge).text
    edge.sky.at("create", Refused("InvalidAMIID.NotFound: ami-1 does not exist"))
    edge.parts().fleet.submit(WRAPPER, 1)
    assert "ami-1 does not exist" in first(edge).text
    edge.parts().fleet.submit(WRAPPER, 1)
    assert first(edge).text.startswith("1 pilots run")


def test_it_makes_nothing_for_a_queue_that_never_was(edge: FakeEdge) -> None:
    edge.parts().fleet.why()
    assert not (edge.folder / "root").exists()


def test_a_drain_comes_before_all_else(edge: FakeEdge) -> None:
    edge.parts().fleet.drain(Drain(edge.now()))
    edge.sky.down = "connection refused"
    held = edge.parts().fleet.held()
    found = first(edge)
    assert found.subject is Subject.HELD and str(found) == str(held)


def test_a_limit(edge: FakeEdge) -> None:
    edge.parts(MaxTotalJobs="2").fleet.submit(WRAPPER, 2)
    assert first(edge, MaxTotalJobs="2").text == "MaxTotalJobs = 2, 2 are there"
    edge.advance(601)
    found = first(edge, MaxTotalJobs="9")
    assert found.subject is Subject.DEMAND and found.text.startswith("2 pilots run")


def test_vms_that_boot_and_vms_that_failed(edge: FakeEdge) -> None:
    edge.sky.boot_seconds = 60
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    assert first(edge).subject is Subject.BOOTING
    edge.sky.set(reference.removeprefix("cloud://"), State.FAILED, Reason(Kind.IMAGE, "no kernel found"))
    found = first(edge)
    assert found.text == "1 VMs failed to start: no kernel found" and "tfce reap" in found.cure


def test_a_submission_that_started_nothing_is_told_in_the_words_of_its_error(edge: FakeEdge) -> None:
    edge.sky.at("create", Refused("InvalidAMIID.NotFound: ami-1 does not exist"), times=9)
    parts = edge.parts()
    failed = parts.fleet.submit(WRAPPER, 2).failed
    found = first(edge)
    assert found.subject is Subject.SUBMISSION
    assert found == of_submission(failed, "cloud.example.org/long")
    assert str(found) == f"image: 2 of 2 failed: {next(iter(failed.values()))}; correct Instance_Image"
    edge.sky._planned.clear()
    parts.fleet.submit(WRAPPER, 1)
    assert first(edge).subject is not Subject.SUBMISSION


def test_a_console_tells_how_far_a_pilot_got(edge: FakeEdge) -> None:
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    node = reference.removeprefix("cloud://")
    for console, said in (
        ("tfce: stage=cvmfs status=start code=0\n", "has got as far as cvmfs"),
        (
            "tfce: stage=cvmfs status=failed code=32\nno route to host\n",
            "failed at cvmfs (failed, code 32): no route",
        ),
        ("tfce: pilot AAAAAAAA starts\ntfce: pilot AAAAAAAA ended, exit code 7, after 3 s\n", "exit code 7"),
    ):
        edge.sky.consoles[node] = console
        found = first(edge)
        assert found.subject is Subject.START_UP and said in found.text and "tfce log" in found.cure
    edge.sky.consoles[node] = "tfce: pilot AAAAAAAA starts\n"
    assert first(edge).subject is Subject.DEMAND


def test_bad_ends_are_told_before_they_protect(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 2)
    edge.advance(30)
    for node in edge.sky.living():
        edge.sky.stop(node.id)
    edge.parts().fleet.reap()
    found = first(edge)
    assert found.subject is Subject.ENDS and "2 pilots in a row fizzled" in found.text


def test_it_costs_little_and_writes_nothing(edge: FakeEdge) -> None:
    parts = edge.parts()
    parts.fleet.submit(WRAPPER, 9)
    before, generation = sum(parts.cloud.calls.values()), parts.workspace.load().generation
    parts.fleet.why()
    assert sum(parts.cloud.calls.values()) - before == 4  # a list, three consoles
    assert parts.workspace.load().generation == generation


@pytest.mark.parametrize(
    ("demand", "cure"),
    [
        (Demand(9, 4), "look at SiteDirector's log"),
        (Demand(9, 0), "requirements"),
        (Demand(0, 0), "wait for jobs"),
    ],
)
def test_what_dirac_knows_of_its_jobs_is_joined(edge: FakeEdge, demand: Demand, cure: str) -> None:
    found = edge.parts().fleet.why(demand)[0]
    assert found.subject is Subject.DEMAND and cure in found.cure
    assert found.text.endswith(f"; {demand.matching} of DIRAC's {demand.waiting} waiting jobs match the queue")
