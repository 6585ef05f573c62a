"""Whom to remove and why, how many at once, and what an audit says: all combinations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tfce.model.verdict import Removal, Row, against, audit_row, judge, within_reach

from tfce.model.pilot import Pilot
from tfce.model.vm import VM, State

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
KEY = "0123ABCD"
DAY = 86400


def node(state: State, age: int | None = 0, id: str = "i-1", fault: str = "") -> VM:
    created = None if age is None else NOW - timedelta(seconds=age)
    return VM(id, "n", state, state.name.lower(), created, {}, fault)


def pilot(age: int) -> Pilot:
    return Pilot(KEY, NOW - timedelta(seconds=age), "b")


# state, age of the VM, age of the pilot (None: not in the roster), dismissed -> reason and last state
JUDGEMENTS = [
    (State.RUNNING, 0, 0, False, None),
    (State.BOOTING, 0, 0, False, None),
    (State.UNKNOWN, 0, 0, False, None),
    (State.RUNNING, DAY, DAY, False, None),  # as old as allowed
    (State.RUNNING, 0, DAY + 1, False, ("overdue", State.DELETED)),  # the roster's word counts
    (State.RUNNING, DAY + 1, 0, False, None),
    (State.RUNNING, DAY + 1, None, False, ("overdue", State.DELETED)),
    (State.RUNNING, None, None, False, None),  # age unknown: never overdue
    (State.BOOTING, 0, DAY + 1, False, ("overdue", State.DELETED)),
    (State.UNKNOWN, 0, DAY + 1, False, ("overdue", State.DELETED)),
    (State.RUNNING, 0, -DAY, False, None),  # born in the future: a clock is wrong
    (State.STOPPED, 0, 0, False, ("stopped", State.STOPPED)),
    (State.STOPPED, 0, None, False, ("stopped", State.STOPPED)),
    (State.STOPPED, DAY + 1, DAY + 1, False, ("stopped", State.STOPPED)),  # it ended well, however old
    (State.FAILED, 0, 0, False, ("failed", State.FAILED)),
    (State.RUNNING, 0, 0, True, ("dismissed", State.DELETED)),
    (State.BOOTING, 0, None, True, ("dismissed", State.DELETED)),
    (State.STOPPED, 0, None, True, ("stopped", State.STOPPED)),
    (State.DELETED, 0, 0, False, ("gone", State.DELETED)),
    (State.DELETED, 0, None, False, None),
    (State.DELETED, 0, None, True, None),
]


@pytest.mark.parametrize(("state", "vm_age", "pilot_age", "dismissed", "verdict"), JUDGEMENTS)
def test_who_goes_and_why(
    state: State, vm_age: int | None, pilot_age: int | None, dismissed: bool, verdict: tuple[str, State] | None
) -> None:
    seen = node(state, vm_age)
    listed = None if pilot_age is None else pilot(pilot_age)
    removal = judge(KEY, seen, listed, {"i-1"} if dismissed else set(), NOW, DAY)
    if verdict is None:
        assert removal is None
    else:
        assert removal is not None
        assert (removal.reason.partition(":")[0], removal.state) == verdict
        assert removal.standing == (
            None if state is State.DELETED else seen
        )  # what is gone is not destroyed again


def test_the_reasons_say_more() -> None:
    failed = judge(KEY, node(State.FAILED, fault="no host"), None, (), NOW, DAY)
    overdue = judge(KEY, node(State.RUNNING), pilot(DAY + 1), (), NOW, DAY)
    assert failed is not None and failed.reason == "failed: no host"
    assert overdue is not None and str(DAY) in overdue.reason


def removals(running: int, stopped: int = 0) -> list[Removal]:
    going = [
        Removal(f"{n:08X}", node(State.RUNNING, id=f"i-{n}"), "overdue", State.DELETED) for n in range(running)
    ]
    ended = [
        Removal(f"E{n:07X}", node(State.STOPPED, id=f"s-{n}"), "stopped", State.STOPPED) for n in range(stopped)
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
def test_a_sweep_has_a_reach(running: int, stopped: int, alive: int, share: float, done: int) -> None:
    wanted = removals(running, stopped)
    gone, held = within_reach(iter(wanted), alive, share)
    assert len(gone) == done and len(held) == len(wanted) - done
    assert all(removal.alive for removal in held)
    assert {id(r) for r in gone + held} == {id(r) for r in wanted}


def test_what_is_gone_already_is_not_alive() -> None:
    assert not Removal(KEY, None, "gone", State.DELETED).alive
    assert Removal(KEY, node(State.UNKNOWN), "killed", State.DELETED).alive


@pytest.mark.parametrize(
    ("roster", "state_id", "vm", "verdict", "mismatch"),
    [
        (True, "i-1", node(State.RUNNING), "ok", False),
        (True, "i-1", node(State.BOOTING), "ok", False),
        (True, "i-1", node(State.STOPPED), "ended", False),
        (True, "i-1", node(State.FAILED), "ended", False),
        (True, "i-1", None, "vanished", True),
        (True, "i-1", node(State.DELETED), "vanished", True),
        (True, None, node(State.RUNNING), "unrecorded", True),
        (True, None, None, "never created", True),
        (True, None, node(State.DELETED), "never created", True),
        (False, "i-1", node(State.RUNNING), "unlisted", True),
        (False, "i-1", None, "stale", True),
        (False, None, node(State.RUNNING), "orphan", True),
        (True, "i-2", node(State.RUNNING), "duplicate", True),
        (True, "i-2", node(State.DELETED), "vanished", True),
    ],
)
def test_an_audits_verdict(
    roster: bool, state_id: str | None, vm: VM | None, verdict: str, mismatch: bool
) -> None:
    row = audit_row(KEY, roster=roster, state_id=state_id, node=vm)
    assert (row.verdict, row.mismatch) == (verdict, mismatch)
    assert bool(row.cure) == (verdict != "ok")
    assert (row.roster, row.state) == (roster, state_id is not None)


def test_a_duplicate_names_both_vms() -> None:
    row = audit_row(KEY, roster=True, state_id="i-2", node=node(State.RUNNING))
    assert "cloud://i-1" in row.cure and "cloud://i-2" in row.cure


def row(reference: str, verdict: str = "ok") -> Row:
    return Row(KEY, reference, True, True, "running", verdict, "")


def test_an_audit_against_what_dirac_knows() -> None:
    rows = [row("cloud://i-1"), row("cloud://i-2"), row("cloud://i-3", "vanished")]
    known = ["cloud://i-1:::0123ABCD", " ", "i-7", "cloud://i-8", "cloud://i-8"]
    compared = {(r.reference, r.verdict) for r in against(rows, known, ended={"i-7"})}
    assert compared == {
        ("cloud://i-1", "ok"),
        ("cloud://i-2", "unknown to DIRAC"),
        ("cloud://i-3", "vanished"),  # a worse verdict is not covered up
        ("cloud://i-7", "removed"),
        ("cloud://i-8", "no such VM"),
    }
    assert len(against(rows, known, ended={"i-7"})) == 5
