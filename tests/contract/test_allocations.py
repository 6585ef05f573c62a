"""Allocations: what VMs use is counted once, survives what is lost, and no pilot starts that would go beyond."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Crash
from tfce.model.errors import CloudError
from tfce.model.hold import HoldKind
from tfce.model.usage import Usage
from tfce.model.vm import State

HOUR = 3600
LIFE = {"Context_MaxLifetime": str(4 * HOUR), "Terraform_CreateTimeout": str(HOUR), "Workspace_ProtectAfter": "0"}
# a pilot is reckoned with 5 hours


def spent(edge: FakeEdge, queue: str = "long", **options: str) -> float:
    (there,) = edge.parts(queue, **LIFE, **{"Workspace_MaxHours": "1000/month", **options}).fleet.balances()
    return there.units(there.spent)


def started(edge: FakeEdge, count: int, queue: str = "long", **options: str) -> list[str]:
    references = edge.parts(queue, **LIFE, **options).fleet.submit(WRAPPER, count).references
    return [one.removeprefix("cloud://") for one in references]


def reap(edge: FakeEdge, queue: str = "long", **options: str) -> None:
    edge.parts(queue, **LIFE, **options).fleet.reap()


def test_no_pilot_is_started_that_would_go_beyond(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "12/month"}
    parts = edge.parts(**LIFE, **cap)
    submission = parts.fleet.submit(WRAPPER, 10)
    assert len(submission.references) == 2 and submission.failed == {}
    assert "0.00 of 12 VM hours are spent" in submission.limited and "a pilot may take 5.00" in submission.limited
    hold = parts.fleet.held()
    assert hold is not None and (hold.kind, hold.most, hold.firm) == (HoldKind.SPENT, 0, True)
    asked = len(edge.sky.steps)
    assert parts.fleet.submit(WRAPPER, 1, ignore_limits=True).limited == str(hold)  # nor by hand
    assert not any(step == "create" for step, _ in edge.sky.steps[asked:])


def test_hours_that_were_not_used_are_given_back(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "12/month"}
    first, _ = started(edge, 10, **cap)
    edge.advance(HOUR)
    edge.stop(first)
    reap(edge, **cap)
    assert spent(edge, **cap) == 2.0  # one that ended, one that runs
    assert len(started(edge, 10, **cap)) == 1  # 12 - 1 - 5 = 6


def test_the_next_period_begins_anew_and_old_pilots_count_in_it(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "11/day"}
    edge.sky.clock.now = datetime(2026, 1, 1, 22, tzinfo=UTC)
    assert len(started(edge, 10, **cap)) == 3  # 2 hours each until midnight, and 3 after it
    edge.advance(2 * HOUR + 60)
    assert spent(edge, **cap) == 3 * 60 / HOUR
    assert len(started(edge, 10, **cap)) == 0  # three may take 9 more of the 11
    for node in edge.sky.living():
        edge.stop(node.id)
    reap(edge, **cap)
    assert len(started(edge, 10, **cap)) == 2


def test_a_month_without_enough_for_one_life_says_what_to_do(edge: FakeEdge) -> None:
    parts = edge.parts(Workspace_MaxHours="100/month")
    hold = parts.fleet.held()
    assert hold is None  # nothing is recorded of a queue that never was used
    assert parts.fleet.submit(WRAPPER, 1).references == []
    hold = parts.fleet.held()
    assert hold is not None and "a pilot may take 336.17" in hold.text
    assert "shorten Context_MaxLifetime" in hold.cure and "2026-02-01T00:00:00Z" in hold.cure


def test_the_count_stands_in_the_record_whatever_becomes_of_the_journal(edge: FakeEdge) -> None:
    nodes = started(edge, 4)
    edge.advance(2 * HOUR)
    for node in nodes[:2]:
        edge.stop(node)
    reap(edge)
    (edge.parts(**LIFE).workspace.private / "journal.jsonl").unlink()
    assert spent(edge) == 8.0
    edge.advance(HOUR)
    assert spent(edge) == 10.0
    size = len(edge.parts(**LIFE).workspace.load().usage.to_json()["days"])
    assert size == 1


def test_and_in_the_journal_whatever_becomes_of_the_record(edge: FakeEdge) -> None:
    nodes = started(edge, 2)
    edge.advance(2 * HOUR)
    edge.stop(nodes[0])
    reap(edge)
    workspace = edge.parts(**LIFE).workspace
    workspace.file.path.write_text("torn")
    workspace.file.previous.write_text("torn")
    edge.parts(**LIFE).fleet.repair()
    assert spent(edge) == 4.0


@pytest.mark.parametrize("step", ["destroy", "destroyed", "forget"])
def test_a_crash_counts_no_vm_twice_and_none_never(edge: FakeEdge, step: str) -> None:
    nodes = started(edge, 3)
    edge.advance(HOUR)
    for node in nodes:
        edge.stop(node)
    edge.sky.at(step, Crash(), nth=2 if step != "forget" else 1)
    with pytest.raises(Crash):
        reap(edge)
    for _ in range(2):
        edge.advance(HOUR)
        reap(edge)
    assert edge.parts(**LIFE).workspace.load().pilots == {} and spent(edge) == 3.0


def test_a_vm_that_is_gone_counts_for_as_long_as_it_may_have_lived(edge: FakeEdge) -> None:
    (node,) = started(edge, 1)
    edge.advance(20 * HOUR)
    edge.sky.vanish(node)
    for _ in range(3):
        edge.advance(HOUR)
        reap(edge)
    assert edge.parts(**LIFE).workspace.load().pilots == {} and spent(edge) == 5.0


def test_what_never_came_to_be_and_what_was_refused_costs_nothing(edge: FakeEdge) -> None:
    edge.sky.quota = 0
    assert started(edge, 3) == []
    edge.advance(HOUR)
    assert spent(edge) == 0.0 and edge.parts(**LIFE).workspace.load().usage.days == {}


def test_a_vm_that_was_killed_without_the_workspace_is_counted_by_the_next_sweep(edge: FakeEdge) -> None:
    (node,) = started(edge, 1)
    edge.advance(2 * HOUR)
    with edge.parts(**LIFE).workspace.locked():
        edge.parts(**LIFE).fleet.kill([f"cloud://{node}"])
    edge.sky.set(node, State.DELETED)
    edge.advance(HOUR)
    reap(edge)
    assert 2.0 <= spent(edge) <= 3.0


def test_queues_of_a_ce_share_what_the_ce_has(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "12/month ce"}
    assert len(started(edge, 1, "long", **cap)) == 1
    assert len(started(edge, 9, "short", **cap)) == 1
    assert started(edge, 1, "long", **cap) == []
    assert len(started(edge, 9, "other", Workspace_MaxHours="12/month")) == 2  # a queue's own
    edge.advance(HOUR)
    assert spent(edge, "long", **cap) == 4.0  # all of the CE counts


def test_an_unknown_use_of_the_ce_starts_nothing(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "100/month ce"}
    started(edge, 1, "short", **cap)
    file = edge.parts("short", **LIFE).workspace.file
    file.path.write_text("torn")
    parts = edge.parts(**LIFE, **cap)
    said = parts.fleet.submit(WRAPPER, 1).limited
    assert "what the CE has used is not known" in said and "tfce repair cloud.example.org/short" in said
    edge.parts("short", **LIFE).fleet.repair()
    assert len(started(edge, 1, **cap)) == 1


def test_only_one_queue_of_a_ce_reckons_at_a_time(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "7/month ce"}
    told: list[str] = []

    def other() -> None:
        try:
            started(edge, 1, "short", **cap)
        except Exception as error:
            told.append(str(error))

    edge.sky.at("create", other)
    assert len(started(edge, 1, **cap)) == 1
    assert told and "the allocation of cloud.example.org is busy" in told[0]


def test_core_hours_are_reckoned_with_the_clouds_word_which_is_asked_for_once(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "40 core-hours/month"}
    edge.sky.cores = {"t3.micro": 2}
    assert len(started(edge, 9, **cap)) == 4
    edge.advance(HOUR)
    assert spent(edge, **cap) == 8.0
    started(edge, 9, **cap)
    assert sum(1 for step, _ in edge.sky.steps if step == "cores") == 1


def test_cores_that_nobody_knows_start_nothing_and_diracs_option_helps(edge: FakeEdge) -> None:
    cap = {"Workspace_MaxHours": "40 core-hours/month"}
    said = edge.parts(**LIFE, **cap).fleet.submit(WRAPPER, 1).limited
    assert "nobody knows the cores of t3.micro" in said and "set NumberOfProcessors" in said
    edge.sky.at("cores", CloudError("not allowed to ask", "unreachable"))
    assert len(started(edge, 9, NumberOfProcessors="4", **cap)) == 2


def test_money_goes_to_the_offering_that_fits(edge: FakeEdge) -> None:
    shape = {"Instance_Flavor": "large, small", "Workspace_Price": "large=1.00, small=0.10, EUR"}
    submission = edge.parts(**LIFE, **shape, Workspace_MaxHours="6.20 EUR/month").fleet.submit(WRAPPER, 9)
    flavors = sorted(node.spec.flavor for node in edge.sky.living())
    assert flavors == ["large", "small", "small"]  # 5.00 + 2 * 0.50, and 0.20 are left
    assert submission.failed == {} and "6.2 EUR are spent" in submission.limited
    edge.advance(HOUR)
    assert spent(edge, **shape, Workspace_MaxHours="6.20 EUR/month") == 1.2


def test_offerings_without_room_and_an_allocation_together(edge: FakeEdge) -> None:
    edge.sky.offers = {("small", "", ""): 2, ("large", "", ""): 9}
    shape = {"Instance_Flavor": "small, large", "Workspace_MaxHours": "26/month"}
    submission = edge.parts(**LIFE, **shape).fleet.submit(WRAPPER, 9)
    flavors = sorted(node.spec.flavor for node in edge.sky.living())
    assert flavors == ["large"] * 3 + ["small"] * 2
    assert "a pilot may take 5.00" in submission.limited


def test_a_queue_without_an_allocation_still_counts(edge: FakeEdge) -> None:
    (node,) = started(edge, 1)
    edge.advance(HOUR)
    edge.stop(node)
    reap(edge)
    assert edge.parts(**LIFE).workspace.load().usage != Usage() and spent(edge) == 1.0
