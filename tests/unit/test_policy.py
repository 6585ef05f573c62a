"""What happens to a case: one decision for each condition, limits, words, room, ages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfce.model.endings import Cause, Ending
from tfce.model.pilot import Pilot
from tfce.model.policy import (
    FREE_REMOVALS,
    Action,
    Verb,
    lived,
    occupancy,
    plan,
    settle,
    sweep,
    tombstone,
    within_budget,
    word,
)
from tfce.model.reconcile import DELETING_LIMIT, Case, Clocks, Condition, Instance
from tfce.model.record import Record, Tombstone
from tfce.model.vm import VM, State

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CLOCKS = Clocks(NOW, NOW)
HOUR = timedelta(hours=1)
STATES = {
    Condition.BOOTING: State.BOOTING,
    Condition.STUCK: State.BOOTING,
    Condition.UNKNOWN: State.UNKNOWN,
    Condition.ENDED: State.STOPPED,
    Condition.FAILED: State.FAILED,
    Condition.DELETING: State.DELETING,
}
UNSEEN = (Condition.NOT_LISTED, Condition.ABSENT, Condition.VANISHED, Condition.NEVER_CREATED, Condition.STALE)


def vm(
    state: State = State.RUNNING, created: datetime | None = NOW - 5 * HOUR, ended: datetime | None = None
) -> VM:
    return VM("i-1", "vm", state, state.value, created, {"tfce:key": "AAAAAAAA"}, ended=ended)


def case(condition: Condition, **changes: object) -> Case:
    """A case as ``reconcile`` makes them: a pilot with its VM, in the record and in the state."""
    pilot, instance = Pilot("AAAAAAAA", NOW - 5 * HOUR, "s", "i-1"), Instance("i-1")
    seen = None if condition in UNSEEN else vm(STATES.get(condition, State.RUNNING))
    made = Case("AAAAAAAA", "i-1", condition, pilot, instance, seen)
    return replace(made, **changes)  # type: ignore[arg-type]  # a test's own names


def stone(**changes: object) -> Tombstone:
    made = Tombstone("i-1", "AAAAAAAA", State.DELETED, Ending(Cause.KILLED), NOW - 2 * HOUR)
    return replace(made, **changes)  # type: ignore[arg-type]  # a test's own names


# -- one decision for each condition ----------------------------------------------------------------------------

SWEEPS = {
    Condition.BOOTING: Verb.KEEP,
    Condition.HEALTHY: Verb.KEEP,
    Condition.UNKNOWN: Verb.KEEP,
    Condition.STUCK: Verb.DESTROY,
    Condition.OVERDUE: Verb.DESTROY,
    Condition.ENDED: Verb.DESTROY,
    Condition.FAILED: Verb.DESTROY,
    Condition.DISMISSED: Verb.DESTROY,
    Condition.DUPLICATE: Verb.DESTROY,
    Condition.DELETING: Verb.KEEP,
    Condition.NOT_LISTED: Verb.KEEP,
    Condition.ABSENT: Verb.LOOK_UP,
    Condition.VANISHED: Verb.FORGET,
    Condition.NEVER_CREATED: Verb.FORGET,
    Condition.STALE: Verb.FORGET,
    Condition.DOUBTFUL: Verb.KEEP,
    Condition.FOREIGN: Verb.KEEP,
}


@pytest.mark.parametrize("condition", Condition)
def test_a_sweep_decides_every_condition(condition: Condition) -> None:
    verb, cause = sweep(case(condition), CLOCKS)
    assert verb is SWEEPS[condition]
    assert (cause is not None) == (verb in (Verb.DESTROY, Verb.FORGET))


@pytest.mark.parametrize("condition", Condition)
def test_a_submission_ends_nothing_that_is_known_and_forgets_what_a_sweep_forgets(condition: Condition) -> None:
    verb, _ = settle(case(condition), CLOCKS)
    assert verb is not Verb.DESTROY
    assert (verb is Verb.FORGET) == (SWEEPS[condition] is Verb.FORGET)


@pytest.mark.parametrize("condition", [Condition.BOOTING, Condition.HEALTHY, Condition.UNKNOWN])
@pytest.mark.parametrize("decide", [sweep, settle])
def test_what_lives_is_taken_in_where_it_is_lacking(condition: Condition, decide: object) -> None:
    assert callable(decide)
    lacking = [
        case(condition, pilot=None),
        case(condition, instance=None),
        case(condition, pilot=None, instance=None),
        case(condition, pilot=Pilot("AAAAAAAA", NOW, "s")),
        case(condition, pilot=Pilot("AAAAAAAA", NOW, "s", "i-2")),
        case(condition, instance=Instance("i-2")),
    ]
    assert [decide(one, CLOCKS) for one in lacking] == [(Verb.ADOPT, None)] * len(lacking)
    assert decide(case(condition, instance=Instance("i-1", tainted=True)), CLOCKS) == (Verb.UNTAINT, None)


def test_a_vm_without_a_key_is_adopted_only_where_its_id_is_known() -> None:
    nameless = replace(vm(), tags={})
    unknown = case(Condition.HEALTHY, pilot=None, instance=None, vm=nameless)
    assert sweep(unknown, CLOCKS) == (Verb.KEEP, None)
    assert sweep(replace(unknown, stone=stone(gone=True, dismissed=False)), CLOCKS) == (Verb.ADOPT, None)


def test_a_submission_ends_what_failed_before_anybody_knew_it() -> None:
    for unknown in (
        case(Condition.FAILED, pilot=None),
        case(Condition.FAILED, instance=None),
        case(Condition.FAILED, instance=Instance("i-1", tainted=True)),
    ):
        assert settle(unknown, CLOCKS) == (Verb.DESTROY, Cause.FAILED)


def test_what_is_well_needs_no_action() -> None:
    assert plan([case(Condition.HEALTHY), case(Condition.DOUBTFUL), case(Condition.FOREIGN)], sweep, CLOCKS) == []


# -- deleting for too long -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "verb"), [(DELETING_LIMIT, Verb.KEEP), (DELETING_LIMIT + 1, Verb.DESTROY)])
def test_a_vm_that_is_deleting_for_an_hour_is_asked_again(seconds: int, verb: Verb) -> None:
    since = NOW - timedelta(seconds=seconds)
    dismissed = case(Condition.DELETING, pilot=None, instance=None, stone=stone(when=since))
    by_another = case(Condition.DELETING, vm=vm(State.DELETING, ended=since))
    assert [sweep(one, CLOCKS)[0] for one in (dismissed, by_another)] == [verb, verb]
    assert settle(dismissed, CLOCKS)[0] is Verb.KEEP


def test_a_wrong_clock_asks_for_no_deletion_again() -> None:
    deleting = case(Condition.DELETING, stone=stone(when=NOW - 2 * HOUR))
    assert sweep(deleting, Clocks(NOW + 15 * 24 * HOUR, NOW))[0] is Verb.KEEP


def test_a_deletion_of_which_nobody_knows_when_it_began_is_left() -> None:
    assert sweep(case(Condition.DELETING), CLOCKS)[0] is Verb.KEEP


# -- how many at once ------------------------------------------------------------------------------------------

ENDING = (Condition.OVERDUE, Condition.STUCK, Condition.DUPLICATE)


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(Condition))), st.integers(0, 200), st.floats(0, 1))
def test_a_sweep_ends_no_more_than_its_share(conditions: list[Condition], alive: int, share: float) -> None:
    actions = plan(map(case, conditions), sweep, CLOCKS)
    done, held = within_budget(actions, alive, share)
    living = [one for one in done if one.ends_a_living_vm]
    assert len(living) <= max(FREE_REMOVALS, alive * share)
    assert sorted(map(id, done + held)) == sorted(map(id, actions))
    assert not [one for one in held if not one.ends_a_living_vm]
    assert not held or len(living) == max(FREE_REMOVALS, int(alive * share))
    assert done == [one for one in actions if one in done]


@pytest.mark.parametrize("condition", Condition)
def test_the_budget_bounds_what_may_run_and_was_not_decided_before(condition: Condition) -> None:
    limited = [one.ends_a_living_vm for one in plan([case(condition)], sweep, CLOCKS)]
    assert limited == ([True] if condition in ENDING else [False] if SWEEPS[condition] is not Verb.KEEP else [])


# -- a poll's word ---------------------------------------------------------------------------------------------

WORDS = {
    Condition.BOOTING: "Waiting",
    Condition.HEALTHY: "Running",
    Condition.UNKNOWN: "Running",
    Condition.STUCK: "Failed",
    Condition.OVERDUE: "Running",
    Condition.ENDED: "Done",
    Condition.FAILED: "Failed",
    Condition.DISMISSED: "Running",
    Condition.DELETING: "Running",
    Condition.NOT_LISTED: None,
    Condition.ABSENT: None,
    Condition.VANISHED: "Deleted",
    Condition.NEVER_CREATED: None,
    Condition.STALE: None,
    Condition.DUPLICATE: "Running",
    Condition.DOUBTFUL: "Running",
    Condition.FOREIGN: None,
}


@pytest.mark.parametrize("condition", Condition)
def test_every_condition_has_its_word(condition: Condition) -> None:
    assert word(case(condition)) == WORDS[condition]


@pytest.mark.parametrize(
    "condition", [Condition.OVERDUE, Condition.DISMISSED, Condition.DUPLICATE, Condition.DOUBTFUL]
)
def test_what_still_boots_waits_whatever_was_decided_of_it(condition: Condition) -> None:
    assert word(case(condition, vm=vm(State.BOOTING))) == "Waiting"


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED, State.DELETED])
def test_a_vm_that_is_gone_keeps_its_last_word(state: State) -> None:
    assert word(case(Condition.VANISHED, stone=stone(state=state))) == state.value


# -- room ------------------------------------------------------------------------------------------------------

ROOM = {  # (waiting, running)
    Condition.BOOTING: (1, 0),
    Condition.NOT_LISTED: (1, 0),
    Condition.ABSENT: (0, 1),
    Condition.HEALTHY: (0, 1),
    Condition.UNKNOWN: (0, 1),
    Condition.OVERDUE: (0, 1),
    Condition.DISMISSED: (0, 1),
    Condition.DELETING: (0, 1),  # its quota is not free yet
    Condition.DUPLICATE: (0, 1),
    Condition.DOUBTFUL: (0, 1),
}


@pytest.mark.parametrize("condition", Condition)
def test_every_condition_takes_its_room(condition: Condition) -> None:
    taken = occupancy([case(condition)])
    assert (taken.waiting, taken.running) == ROOM.get(condition, (0, 0))


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(Condition))))
def test_room_adds_up(conditions: list[Condition]) -> None:
    taken = occupancy([case(condition) for condition in conditions])
    assert (
        taken.total
        == sum(sum(ROOM.get(condition, (0, 0))) for condition in conditions)
        == taken.waiting + taken.running
    )


# -- ages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "requested_at", "seconds"),
    [
        (vm(created=NOW - HOUR), NOW - 2 * HOUR, 3600),
        (vm(created=None), NOW - 2 * HOUR, 7200),
        (vm(State.STOPPED, NOW - 3 * HOUR, NOW - HOUR), None, 7200),
        (vm(State.STOPPED, NOW - 3 * HOUR), None, 3 * 3600),
        (vm(State.DELETED, NOW - 3 * HOUR), None, None),
        (vm(State.DELETED, NOW - 3 * HOUR, NOW - HOUR), None, 7200),
        (vm(created=NOW + HOUR), None, 0),
        (vm(created=None), None, None),
        (None, NOW - HOUR, None),
        (None, None, None),
    ],
)
def test_how_long_a_vm_lived(node: VM | None, requested_at: datetime | None, seconds: int | None) -> None:
    assert lived(node, requested_at, NOW) == seconds


@pytest.mark.parametrize(
    ("clocks", "requested", "created", "is_older"),
    [
        (CLOCKS, 3601, 3601, True),
        (CLOCKS, 3600, 3601, False),
        (CLOCKS, 3601, 3600, False),
        (CLOCKS, 3601, None, True),
        (CLOCKS, None, 3601, True),
        (CLOCKS, None, None, False),
        (Clocks(NOW), 3601, 3601, True),
        (Clocks(NOW + timedelta(minutes=10), NOW), 7200, 3601, True),
        (Clocks(NOW + timedelta(minutes=10, seconds=1), NOW), 7200, 7200, False),
        (Clocks(NOW - timedelta(minutes=10), NOW), 7200, 7200, True),
        (Clocks(NOW - timedelta(minutes=10), NOW), None, 4000, False),
        (Clocks(NOW - timedelta(minutes=10, seconds=1), NOW), 7200, 7200, False),
    ],
)
def test_older_by_every_clock(clocks: Clocks, requested: int | None, created: int | None, is_older: bool) -> None:
    asked = NOW - timedelta(seconds=requested) if requested else None
    born = NOW - timedelta(seconds=created) if created else None
    assert clocks.older(3600, asked, born) is is_older


# -- tombstones ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", Condition)
def test_a_tombstone_says_how_a_pilot_ended_whoever_removes_it(condition: Condition) -> None:
    ends = {Condition.ENDED: State.STOPPED, Condition.FAILED: State.FAILED, Condition.STUCK: State.FAILED}
    state = ends.get(condition, State.DELETED)
    made = tombstone(
        Action(Verb.DESTROY, case(condition), Cause.KILLED), Ending(Cause.KILLED), NOW + timedelta(microseconds=5)
    )
    assert made == Tombstone("i-1", "AAAAAAAA", state, Ending(Cause.KILLED), NOW)
    assert made.final is (condition in ends)


def test_what_was_only_found_gone_is_not_dismissed() -> None:
    made = tombstone(Action(Verb.FORGET, case(Condition.VANISHED), Cause.GONE), Ending(Cause.GONE), NOW)
    assert (made.gone, made.dismissed, made.final) == (True, False, True)
    killed = Record("here").with_tombstones([made]).with_tombstones([stone()]).tombstones["i-1"]
    assert killed.dismissed
