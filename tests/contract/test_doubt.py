"""What a cloud does not show yet, shows twice, says it removed and did not, or shows again: nobody who lives is
ended or said to be gone, and nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, assert_settled
from tests.fakes import ReplyLost
from tfce.cloud.listing import Listing
from tfce.model.errors import BusyError, CloudError, ConfigError
from tfce.model.pilot import Pilot
from tfce.model.vm import Owner, State
from tfce.pilots.fleet import Fleet

MINUTE, HOUR, DAY = 60, 3600, 86400


def node(reference: str) -> str:
    return reference.removeprefix("cloud://")


def submitted(edge: FakeEdge, count: int = 1) -> list[str]:
    return edge.parts().fleet.submit(WRAPPER, count).references


def unknown(edge: FakeEdge, references: list[str]) -> Callable[[], None]:
    """The cloud knows nothing of these, neither by a list nor by their ids. Returns what lets them appear."""
    away = {node(one): edge.sky.vms.pop(node(one)) for one in references}
    return lambda: edge.sky.vms.update(away)


# -- not listed yet --------------------------------------------------------------------------------------------


def test_a_young_vm_that_the_cloud_does_not_know_yet_keeps_its_state(edge: FakeEdge) -> None:
    references = submitted(edge, 2)
    appear = unknown(edge, references[:1])
    for _ in range(3):
        edge.advance(2 * MINUTE)
        edge.parts().fleet.reap()
        assert edge.parts().fleet.poll(references) == {references[1]: "Running"}
        assert {seen.state for seen in edge.parts().fleet.status()} == {"Running", "not listed yet"}
        count = edge.parts().fleet.count()
        assert count["WaitingJobs"] + count["RunningJobs"] == 2
    appear()
    assert set(edge.parts().fleet.poll(references).values()) == {"Running"}
    assert_settled(edge.parts(), edge)


def test_a_kill_of_one_that_is_not_listed_yet_is_remembered_and_carried_out(edge: FakeEdge) -> None:
    references = submitted(edge, 2)
    appear = unknown(edge, references[:1])
    sweep = edge.parts().fleet.kill(references[:1])
    assert (sweep.later, sweep.removed, sweep.absent, sweep.failed) == (references[:1], [], [], {})
    assert references[0] not in edge.parts().fleet.poll(references)
    appear()
    assert edge.parts().fleet.poll(references[:1]) == {references[0]: "Running"}
    (removed,) = edge.parts().fleet.reap().removed
    assert removed.reference == references[0]
    assert edge.parts().fleet.poll(references[:1]) == {references[0]: "Deleted"}
    assert_settled(edge.parts(), edge)


def test_a_kill_that_cannot_be_remembered_now_says_so(edge: FakeEdge) -> None:
    first = submitted(edge)
    appear = unknown(edge, first)
    answers = []
    edge.sky.at("created", lambda: answers.append(edge.parts().fleet.kill(first)))
    submitted(edge)
    (sweep,) = answers
    assert not sweep.absent and not sweep.removed and "not listed yet" in sweep.failed[first[0]]
    appear()
    assert edge.parts().fleet.poll(first) == {first[0]: "Running"}


def test_a_reference_that_no_record_knows_is_not_given_up_at_once(edge: FakeEdge) -> None:
    fleet = edge.parts().fleet
    submitted(edge)
    assert fleet.poll(["cloud://i-elsewhere"]) == {}
    edge.advance(9 * MINUTE)
    assert fleet.poll(["cloud://i-elsewhere"]) == {}
    edge.advance(MINUTE)
    assert fleet.poll(["cloud://i-elsewhere"]) == {"cloud://i-elsewhere": "Deleted"}


def test_a_list_that_never_is_complete_keeps_no_pilot_for_ever(edge: FakeEdge) -> None:
    parts = edge.parts()
    listed = parts.cloud.vms

    def odd(*owners: Owner) -> Listing:
        found = listed(*owners)
        found.complete = False
        return found

    submitted(edge)
    record = parts.workspace.load()
    parts.workspace.save(record.including([Pilot("0000000E", edge.sky.clock(), "lost")]))
    parts.cloud.vms = odd  # type: ignore[method-assign]
    parts.fleet.reap()
    assert "0000000E" in parts.workspace.load().pilots and parts.fleet.count()["WaitingJobs"] == 1
    edge.advance(11 * MINUTE)
    parts.fleet.reap()
    assert parts.fleet.count() == {"SubmittedJobs": 0, "WaitingJobs": 0, "RunningJobs": 1}
    assert_settled(edge.parts(), edge)


# -- going, and not gone ---------------------------------------------------------------------------------------


def test_a_removal_that_the_cloud_took_and_does_not_carry_out(edge: FakeEdge) -> None:
    references = submitted(edge, 2)
    first = node(references[0])
    edge.sky.at("destroyed", lambda: edge.sky.set(first, State.DELETING))
    assert len(edge.parts().fleet.kill(references[:1]).removed) == 1
    for _ in range(3):
        assert edge.parts().fleet.poll(references[:1]) == {references[0]: "Running"}
        assert edge.parts().fleet.count()["RunningJobs"] == 2  # its quota is still taken
        (row,) = [row for row in edge.parts().fleet.audit() if row.reference == references[0]]
        assert row.verdict == "deleting" and not row.cure
        assert edge.parts().fleet.reap().removed == []
        edge.advance(15 * MINUTE)
    edge.advance(16 * MINUTE)
    (row,) = [row for row in edge.parts().fleet.audit() if row.reference == references[0]]
    assert row.verdict == "deleting for too long" and "tfce reap" in row.cure and row.mismatch
    assert [one.reference for one in edge.parts().fleet.reap().removed] == references[:1]
    assert edge.parts().fleet.poll(references[:1]) == {references[0]: "Deleted"}
    assert_settled(edge.parts(), edge)


def test_a_removed_vm_that_runs_again_is_removed_again(edge: FakeEdge) -> None:
    references = submitted(edge, 2)
    edge.parts().fleet.kill(references[:1])
    edge.sky.set(node(references[0]), State.RUNNING)
    assert edge.parts().fleet.poll(references[:1]) == {references[0]: "Running"}
    assert [one.reference for one in edge.parts().fleet.reap().removed] == references[:1]
    assert_settled(edge.parts(), edge)


def test_a_refused_kill_leaves_the_state_as_it_is(edge: FakeEdge) -> None:
    references = submitted(edge)
    edge.sky.at("destroy", CloudError("OperationNotPermitted: termination protection"), times=2)
    assert list(edge.parts().fleet.kill(references).failed) == references
    edge.sky.hidden = {node(references[0])}
    edge.sky.at("node", CloudError("no answer", "unreachable"))
    assert edge.parts().fleet.poll(references) == {}  # nobody can tell
    edge.sky.hidden = set()
    assert edge.parts().fleet.poll(references) == {references[0]: "Running"}


def test_one_that_was_found_gone_and_comes_back_is_taken_in_and_polled_as_it_is(edge: FakeEdge) -> None:
    references = submitted(edge, 3)
    edge.advance(HOUR)
    appear = unknown(edge, references[:1])
    assert [one.reference for one in edge.parts().fleet.reap().removed] == references[:1]
    assert edge.parts().fleet.poll(references[:1]) == {references[0]: "Deleted"}
    assert edge.parts().workspace.load().tombstones[node(references[0])].gone
    appear()
    edge.parts().fleet.reap()
    assert set(edge.parts().fleet.poll(references).values()) == {"Running"}
    assert_settled(edge.parts(), edge)


def test_what_vanished_is_remembered_and_costs_no_look_afterwards(edge: FakeEdge) -> None:
    references = submitted(edge, 2)
    edge.advance(HOUR)
    edge.sky.vanish(node(references[0]))
    edge.parts().fleet.reap()
    parts = edge.parts()
    assert parts.fleet.poll(references[:1]) == {references[0]: "Deleted"} and not parts.cloud.calls


# -- clocks ----------------------------------------------------------------------------------------------------


def with_clock(edge: FakeEdge, ahead: int) -> Fleet:
    """The fleet of a host whose clock is ``ahead`` seconds ahead."""
    parts = edge.parts(Context_MaxLifetime=str(2 * HOUR))
    return Fleet(
        parts.workspace, parts.terraform, parts.cloud, lambda: edge.sky.clock() + timedelta(seconds=ahead)
    )


@pytest.mark.parametrize("ahead", [15 * DAY, 11 * MINUTE, -15 * DAY])
@pytest.mark.parametrize("tells_time", [True, False])
def test_a_clock_that_is_wrong_ends_nothing_that_runs(edge: FakeEdge, ahead: int, tells_time: bool) -> None:
    references = submitted(edge, 3)
    edge.advance(2 * HOUR - MINUTE)
    edge.sky.tells_time = tells_time
    assert with_clock(edge, ahead).reap().removed == []
    assert set(with_clock(edge, ahead).poll(references).values()) == {"Running"}
    edge.sky.tells_time = True
    assert with_clock(edge, 0).reap().removed == []
    assert_settled(edge.parts(), edge)


def test_a_clock_that_was_wrong_stops_nothing_afterwards(edge: FakeEdge) -> None:
    with_clock(edge, 30 * DAY).submit(WRAPPER, 2)
    edge.sky.quota = 2
    for _ in range(3):
        with_clock(edge, 30 * DAY).submit(WRAPPER, 1)
    edge.sky.quota = None
    assert len(with_clock(edge, 0).submit(WRAPPER, 1).references) == 1
    assert with_clock(edge, 0).reap().removed == []
    edge.advance(3 * HOUR)
    assert len(with_clock(edge, 0).reap().removed) == 3
    assert_settled(edge.parts(), edge)


# -- where -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True])
def test_a_kill_asks_no_other_cloud(edge: FakeEdge, busy: bool) -> None:
    references = submitted(edge, 2)
    moved = edge.parts(Driver_region="eu-west-1")
    edge.sky.vms.clear()  # so it looks from there
    moved.terraform.prepare = _busy if busy else moved.terraform.prepare
    with pytest.raises(ConfigError, match="live in"):
        moved.fleet.kill(references)
    assert moved.fleet.poll(references) == {} and moved.fleet.count()["RunningJobs"] == 2


def _busy() -> None:
    raise BusyError("the queue is busy")


def test_a_wrong_first_address_is_corrected_without_a_trace(edge: FakeEdge) -> None:
    edge.sky.down = "no route"
    edge.parts(Driver_region="us-west-2").fleet.submit(WRAPPER, 1)
    edge.sky.down = ""
    assert len(edge.parts(Driver_region="eu-west-1").fleet.submit(WRAPPER, 1).references) == 1
    edge.parts(Driver_region="eu-west-1").fleet.reap()
    assert_settled(edge.parts(Driver_region="eu-west-1"), edge)


# -- listed in odd ways ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [State.STOPPED, State.FAILED, State.DELETING, State.DELETED])
def test_a_vm_that_is_listed_in_two_states_lives(edge: FakeEdge, other: State) -> None:
    references = submitted(edge, 2)
    parts = edge.parts()
    honest = parts.cloud.vms

    def doubled(*owners: Owner) -> Listing:
        found = honest(*owners)
        return found.of([*found, *(replace(vm, state=other) for vm in found)])

    parts.cloud.vms = doubled  # type: ignore[method-assign]
    assert parts.fleet.reap().removed == []
    assert set(parts.fleet.poll(references).values()) == {"Running"}
    assert parts.fleet.count()["RunningJobs"] == 2
    assert_settled(edge.parts(), edge)


def test_queues_whose_names_begin_alike_are_two(edge: FakeEdge) -> None:
    references = submitted(edge, 2)
    for queue in ("lon", "long2", "long.", "LONG"):
        other = edge.parts(queue)
        assert other.fleet.reap().removed == [] and other.fleet.status() == []
        assert list(other.fleet.kill(references).failed) == references
    assert set(edge.parts().fleet.poll(references).values()) == {"Running"}


def test_a_lost_answer_under_a_list_with_gaps_starts_nothing_twice(edge: FakeEdge) -> None:
    edge.sky.at("create", ReplyLost("EOF"))
    edge.sky.at("created", lambda: edge.sky.hidden.update(edge.sky.vms))
    assert submitted(edge, 1) == []
    edge.sky.hidden.clear()
    edge.parts().fleet.reap()
    assert len(edge.sky.living()) == 1
    assert_settled(edge.parts(), edge)
