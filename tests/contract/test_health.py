"""A queue whose pilots do not work protects itself, says what they had in common, and comes back by itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.claims import subset
from tests.contract.edges import WRAPPER, FakeEdge
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import State

CYCLE = 120  # seconds between SiteDirector's submissions; a sweep is due every tenth


def cycle(edge: FakeEdge, number: int, lives: int, wanted: int = 10, **options: str) -> list[str]:
    """One cycle of SiteDirector's, then the time until the next; every pilot ends after ``lives`` seconds. Returns
    the references of the new pilots."""
    parts = edge.parts(**options)
    if number % 10 == 0:
        parts.fleet.reap()
    new = parts.fleet.submit(WRAPPER, wanted).references
    for _ in range(CYCLE // 10):
        edge.advance(10)
        for node in edge.sky.living():
            if node.state is State.RUNNING and node.created and (edge.now() - node.created).seconds >= lives:
                edge.sky.stop(node.id)
    return new


@pytest.mark.parametrize("limits", [{}, {"MaxTotalJobs": "50", "MaxWaitingJobs": "10"}], ids=["free", "limited"])
def test_three_hundred_pilots_of_a_broken_image_become_twenty(edge: FakeEdge, limits: dict[str, Any]) -> None:
    started = [len(cycle(edge, number, lives=60, **limits)) for number in range(30)]
    assert started[0] == 10 and 11 <= sum(started) <= 20
    assert subset(set(started[1:]), {0, 1})


def test_it_says_what_they_had_in_common_and_comes_back_by_itself(edge: FakeEdge) -> None:
    zone: dict[str, Any] = {"Terraform_AvailabilityZone": "us-east-1a"}
    cycle(edge, 1, lives=30, **zone)
    edge.parts(**zone).fleet.reap()
    hold = edge.parts(**zone).fleet.held()
    assert hold is not None and hold.kind.value == "protected" and hold.most == 0
    assert "10 pilots in a row fizzled, after 30 to 30 s" in hold.text
    assert "all had image ami-1, flavor t3.micro, zone us-east-1a" in hold.text
    assert "tfce log cloud.example.org/long cloud://i-" in hold.cure
    journal = edge.parts(**zone).workspace.journal.entries()
    assert [line["why"] for line in journal if line["event"] == "protected"] == [str(hold.text)[11:]]

    edge.advance(600)
    (probe,) = edge.parts(**zone).fleet.submit(WRAPPER, 10).references
    assert edge.parts(**zone).fleet.submit(WRAPPER, 10).references == []
    edge.advance(601)
    assert len(edge.parts(**zone).fleet.submit(WRAPPER, 10).references) == 10
    assert edge.parts(**zone).fleet.held() is None
    assert edge.sky.vms[probe.removeprefix("cloud://")].state is State.RUNNING
    events = [line["event"] for line in edge.parts(**zone).workspace.journal.entries()]
    assert events.count("unprotected") == 1


def test_an_operator_may_try_at_once(edge: FakeEdge) -> None:
    cycle(edge, 1, lives=30)
    assert edge.parts().fleet.submit(WRAPPER, 2).references == []
    assert len(edge.parts().fleet.submit(WRAPPER, 2, ignore_limits=True).references) == 2


def test_pilots_that_work_keep_a_queue_open_whatever_fizzles_beside_them(edge: FakeEdge) -> None:
    for _ in range(4):
        new = edge.parts().fleet.submit(WRAPPER, 6).references
        edge.advance(60)
        for reference in new[1:]:
            edge.sky.stop(reference.removeprefix("cloud://"))
        edge.advance(600)
        edge.parts().fleet.reap()
        assert edge.parts().fleet.held() is None


def test_old_pilots_that_go_on_do_not_excuse_a_new_image(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 3)
    edge.advance(3600)
    edge.parts().fleet.reap()
    bad = edge.parts(Instance_Image="ami-2").fleet.submit(WRAPPER, 10).references
    edge.advance(60)
    for reference in bad:
        edge.sky.stop(reference.removeprefix("cloud://"))
    edge.parts(Instance_Image="ami-2").fleet.reap()
    hold = edge.parts(Instance_Image="ami-2").fleet.held()
    assert hold is not None and "image ami-2" in hold.text


def test_no_room_and_vms_that_were_taken_away_say_nothing_of_the_pilots(edge: FakeEdge) -> None:
    for kind in (Kind.CAPACITY, Kind.TAKEN_AWAY):
        for reference in edge.parts().fleet.submit(WRAPPER, 10, ignore_limits=True).references:
            node = reference.removeprefix("cloud://")
            edge.sky.set(node, State.FAILED)
            edge.sky.vms[node] = replace(edge.sky.vms[node], fault=Reason(kind, "the cloud did it"))
        edge.parts().fleet.reap()
    assert edge.parts().workspace.load().health.row == ()


def test_vms_that_fail_to_boot_count_with_the_clouds_reason(edge: FakeEdge) -> None:
    for reference in edge.parts(Workspace_ProtectAfter="3").fleet.submit(WRAPPER, 3).references:
        edge.sky.set(reference.removeprefix("cloud://"), State.FAILED, Reason(Kind.IMAGE, "no kernel found"))
    edge.parts(Workspace_ProtectAfter="3").fleet.reap()
    hold = edge.parts(Workspace_ProtectAfter="3").fleet.held()
    assert hold is not None and "failed to boot" in hold.text and "no kernel found" in hold.text
    assert edge.parts(Workspace_ProtectAfter="0").fleet.held() is None


def test_a_console_tells_a_job_and_a_start_up_that_failed(edge: FakeEdge) -> None:
    worked, never = (one.removeprefix("cloud://") for one in edge.parts().fleet.submit(WRAPPER, 2).references)
    edge.sky.consoles[worked] = "tfce: pilot AAAAAAAA starts\nJobAgent INFO: Received JobID=12, JobType=User\n"
    edge.sky.consoles[never] = "tfce: stage=packages status=failed code=100\nNo space left on device\n"
    edge.advance(60)
    edge.sky.stop(never)
    edge.parts().fleet.reap()
    (end,) = edge.parts().workspace.load().health.row
    assert (end.verdict.value, end.lived, end.said) == ("never started", 60, "No space left on device")
    edge.sky.stop(worked)
    edge.parts().fleet.reap()
    assert edge.parts().workspace.load().health.row == ()


def test_a_broken_image_is_tried_less_and_less_often(edge: FakeEdge) -> None:
    started = [len(cycle(edge, number, lives=60)) for number in range(100)]
    probes = [number * CYCLE for number, some in enumerate(started) if some == 1]
    assert [later - before for before, later in pairwise(probes)] == [1200, 2400, 3600, 3600]
