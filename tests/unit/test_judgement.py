"""Whom a sweep removes and why, how many at once, and what an audit says: by example. The enumeration of all
worlds is elsewhere; these are the ones that people ask about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tfce.model import policy
from tfce.model.endings import Cause, Ending
from tfce.model.pilot import Pilot
from tfce.model.policy import Action, Verb, within_budget
from tfce.model.reconcile import Case, Clocks, Condition, Instance, Rules, Snapshot, reconcile
from tfce.model.record import Record, Tombstone
from tfce.model.vm import VM, Inventory, Owner, State
from tfce.pilots import audit
from tfce.pilots.audit import Row

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
KEY = "0123ABCD"
OWNER = Owner("site", "ce", "long")
DAY = 86400
RULES = Rules(max_lifetime=DAY, create_timeout=2 * DAY)


def vm(state: State, age: int | None = 0, id: str = "i-1", key: str = KEY) -> VM:
    created = None if age is None else NOW - timedelta(seconds=age)
    return VM(id, "n", state, state.name.lower(), created, {**OWNER.tags(), "tfce:key": key})


def pilot(age: int, key: str = KEY, id: str = "i-1") -> Pilot:
    return Pilot(key, NOW - timedelta(seconds=age), "b", id)


def stone(id: str = "i-1") -> Tombstone:
    return Tombstone(id, KEY, State.DELETED, Ending(Cause.KILLED), NOW - timedelta(seconds=60))


def judged(one: VM | None, listed: Pilot | None, dismissed: bool = False, in_state: bool = True) -> list[Action]:
    record = Record("site").including([listed] if listed else []).with_tombstones([stone()] if dismissed else [])
    snapshot = Snapshot(
        record,
        Inventory((one,) if one else ()),
        Clocks(NOW, NOW),
        OWNER,
        RULES,
        {KEY: Instance("i-1")} if in_state and listed else {},
    )
    return policy.plan(reconcile(snapshot), policy.sweep, Clocks(NOW))


# state, age of the VM, age of the pilot (None: not recorded), dismissed -> cause and last state
JUDGEMENTS = [
    (State.RUNNING, 0, 0, False, None),
    (State.BOOTING, 0, 0, False, None),
    (State.UNKNOWN, 0, 0, False, None),
    (State.RUNNING, DAY, DAY, False, None),  # as old as allowed
    (State.RUNNING, DAY + 1, DAY + 1, False, (Cause.OVERDUE, State.DELETED)),
    (State.RUNNING, 0, DAY + 1, False, None),  # one clock alone decides nothing
    (State.RUNNING, DAY + 1, 0, False, None),
    (State.RUNNING, None, DAY + 1, False, (Cause.OVERDUE, State.DELETED)),
    (State.RUNNING, DAY + 1, None, False, (Cause.OVERDUE, State.DELETED)),
    (State.RUNNING, None, None, False, None),  # age unknown: never overdue
    (State.BOOTING, DAY + 1, DAY + 1, False, (Cause.OVERDUE, State.DELETED)),
    (State.UNKNOWN, DAY + 1, DAY + 1, False, (Cause.OVERDUE, State.DELETED)),
    (State.RUNNING, 0, -DAY, False, None),  # asked for in the future: a clock is wrong
    (State.STOPPED, 0, 0, False, (Cause.STOPPED, State.STOPPED)),
    (State.STOPPED, 0, None, False, (Cause.STOPPED, State.STOPPED)),
    (State.STOPPED, DAY + 1, DAY + 1, False, (Cause.STOPPED, State.STOPPED)),  # it ended well, however old
    (State.FAILED, 0, 0, False, (Cause.FAILED, State.FAILED)),
    (State.RUNNING, 0, 0, True, (Cause.DISMISSED, State.DELETED)),
    (State.BOOTING, 0, None, True, (Cause.DISMISSED, State.DELETED)),
    (State.STOPPED, 0, None, True, (Cause.STOPPED, State.STOPPED)),
    (State.DELETED, 0, 0, False, (Cause.GONE, State.DELETED)),
    (State.DELETED, 0, None, False, None),
    (State.DELETED, 0, None, True, None),
]


@pytest.mark.parametrize(("state", "vm_age", "pilot_age", "dismissed", "verdict"), JUDGEMENTS)
def test_who_goes_and_why(
    state: State, vm_age: int | None, pilot_age: int | None, dismissed: bool, verdict: tuple[Cause, State] | None
) -> None:
    listed = None if pilot_age is None else pilot(pilot_age)
    ends = [one for one in judged(vm(state, vm_age), listed, dismissed) if one.cause is not None]
    assert [(one.cause, one.last_state) for one in ends] == ([verdict] if verdict else [])
    gone = state is State.DELETED  # and is not destroyed again
    assert [one.verb for one in ends] == ([Verb.FORGET if gone else Verb.DESTROY] if verdict else [])


def test_one_clock_alone_ends_nothing_that_runs() -> None:
    def conditions(state: State, clocks: Clocks) -> list[Condition]:
        record = Record("site").including([pilot(3 * DAY)])
        return [
            case.condition
            for case in reconcile(Snapshot(record, Inventory((vm(state, 3 * DAY),)), clocks, OWNER, RULES))
        ]

    alone, both = Clocks(NOW), Clocks(NOW, NOW)
    assert (conditions(State.RUNNING, alone), conditions(State.RUNNING, both)) == (
        [Condition.HEALTHY],
        [Condition.OVERDUE],
    )
    assert (conditions(State.UNKNOWN, alone), conditions(State.UNKNOWN, both)) == (
        [Condition.UNKNOWN],
        [Condition.OVERDUE],
    )
    assert conditions(State.BOOTING, alone) == [
        Condition.STUCK
    ]  # it never ran: a queue must not wait for it for ever


def test_another_installations_vm_that_is_gone_is_no_sign_of_it() -> None:
    """EC2 lists what it terminated for an hour: a queue's host need not be told that it lost its memory."""
    theirs = Owner("another", OWNER.ce, OWNER.queue)

    def conditions(state: State) -> list[Condition]:
        one = replace(vm(state), tags={**theirs.tags(), "tfce:key": KEY})
        return [
            case.condition for case in reconcile(Snapshot(Record("site"), Inventory((one,)), Clocks(NOW), OWNER))
        ]

    assert (
        conditions(State.RUNNING) == conditions(State.STOPPED) == conditions(State.DELETING) == [Condition.FOREIGN]
    )
    assert conditions(State.DELETED) == []


def test_a_vm_that_boots_for_too_long_has_failed() -> None:
    snapshot = Snapshot(
        Record("site").including([pilot(DAY)]),
        Inventory((vm(State.BOOTING, DAY),)),
        Clocks(NOW),
        OWNER,
        Rules(create_timeout=600),
        {KEY: Instance("i-1")},
    )
    (action,) = policy.plan(reconcile(snapshot), policy.sweep, Clocks(NOW))
    assert (action.verb, action.cause, action.last_state) == (Verb.DESTROY, Cause.STUCK, State.FAILED)


def test_the_reasons_say_more(tmp_path: Path) -> None:
    edge = FakeEdge(tmp_path)
    options = {"Context_MaxLifetime": "3600", "Terraform_CreateTimeout": "60"}
    edge.parts(**options).fleet.submit(WRAPPER, 1)
    edge.advance(3601)
    edge.sky.boot_seconds = 10_000
    edge.parts(**options).fleet.submit(WRAPPER, 2)
    edge.sky.set(edge.sky.living()[-1].id, State.FAILED, "no host")
    edge.advance(61)
    reasons = {str(removal.reason) for removal in edge.parts(**options).fleet.reap().removed}
    assert reasons == {"overdue: older than 3600 s", "failed: no host", "failed: still pending after 60 s"}


def ending(running: int, stopped: int = 0) -> list[Action]:
    going = [
        Action(Verb.DESTROY, Case(f"{n:08X}", f"i-{n}", Condition.OVERDUE, vm=vm(State.RUNNING)), Cause.OVERDUE)
        for n in range(running)
    ]
    ended = [
        Action(Verb.DESTROY, Case(f"E{n:07X}", f"s-{n}", Condition.ENDED, vm=vm(State.STOPPED)), Cause.STOPPED)
        for n in range(stopped)
    ]
    return going + ended


@pytest.mark.parametrize(
    ("running", "stopped", "alive", "share", "done"),
    [
        (0, 0, 0, 0.5, 0),
        (10, 0, 10, 0.01, 10),  # a small queue is never held back
        (11, 0, 11, 0.5, 10),
        (100, 0, 100, 0.5, 50),
        (100, 0, 100, 1.0, 100),
        (100, 0, 100, 0.25, 25),
        (0, 500, 500, 0.01, 500),  # VMs that ended are no loss
        (60, 100, 100, 0.5, 150),
        (30, 0, 100, 0.5, 30),
    ],
)
def test_a_sweep_has_a_budget(running: int, stopped: int, alive: int, share: float, done: int) -> None:
    wanted = ending(running, stopped)
    gone, held = within_budget(iter(wanted), alive, share)
    assert (len(gone), len(held)) == (done, len(wanted) - done)
    assert [one for one in held if not one.ends_a_living_vm] == []
    assert {id(one) for one in gone + held} == {id(one) for one in wanted}


# -- an audit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "state_id", "one", "verdict", "mismatch"),
    [
        (True, "i-1", vm(State.RUNNING), "ok", False),
        (True, "i-1", vm(State.BOOTING), "ok", False),
        (True, "i-1", vm(State.STOPPED), "ended", False),
        (True, "i-1", vm(State.FAILED), "ended", False),
        (True, "i-1", None, "vanished", True),
        (True, "i-1", vm(State.DELETED), "vanished", True),
        (True, None, vm(State.RUNNING), "unrecorded", True),
        (True, None, None, "never created", True),
        (False, "i-1", vm(State.RUNNING), "unlisted", True),
        (False, "i-1", None, "stale", True),
        (False, None, vm(State.RUNNING), "orphan", True),
    ],
)
def test_an_audits_verdict(
    recorded: bool, state_id: str | None, one: VM | None, verdict: str, mismatch: bool
) -> None:
    listed = [pilot(DAY // 2, id=state_id or (one.id if one else ""))] if recorded else []
    snapshot = Snapshot(
        Record("site").including(listed),
        Inventory((one,) if one else ()),
        Clocks(NOW),
        OWNER,
        RULES,
        {KEY: Instance(state_id)} if state_id else {},
        {"i-1": None} if one is None else {},
    )
    (case,) = reconcile(snapshot)
    row = audit.row_of(case, "c/q")
    assert (row.verdict, row.mismatch) == (verdict, mismatch)
    assert bool(row.cure) == (verdict != "ok")
    assert (row.recorded, row.state) == (recorded, state_id is not None)


def row(reference: str, verdict: str = "ok") -> Row:
    return Row(KEY, reference, True, True, "running", verdict, "")


def test_an_audit_against_what_dirac_knows() -> None:
    rows = [row("cloud://i-1"), row("cloud://i-2"), row("cloud://i-3", "vanished")]
    known = ["cloud://i-1:::0123ABCD", " ", "i-7", "cloud://i-8", "cloud://i-8"]
    compared = audit.against(rows, known, removed={"i-7"})
    assert {(r.reference, r.verdict) for r in compared} == {
        ("cloud://i-1", "ok"),
        ("cloud://i-2", "unknown to DIRAC"),
        ("cloud://i-3", "vanished"),  # a worse verdict is not covered up
        ("cloud://i-7", "removed"),
        ("cloud://i-8", "no such VM"),
    }
    assert len(compared) == 5
