"""All queues in one line each: what is known, what is wrong, and who must do something."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.claims import every
from tests.contract.edges import WRAPPER, FakeEdge, Parts
from tests.fakes import Refused
from tfce.cli.overview import HEADS, filled, line_json, row_of
from tfce.cloud.shared import SharedLists
from tfce.model.drain import Drain
from tfce.model.errors import CloudError
from tfce.model.overview import LockHolder, QueueFacts, QueueStatus, Urgency, assessed
from tfce.model.record import Operation
from tfce.pilots.fleet import Fleet

HOUR = timedelta(hours=1)


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path)


def glance(edge: FakeEdge, queue: str = "long", **options: str) -> QueueStatus:
    fleet = edge.parts(queue, **options).fleet
    return fleet.glance(fleet.announce())


def worked(edge: FakeEdge) -> Parts:
    parts = edge.parts()
    parts.fleet.submit(WRAPPER, 2)
    parts.fleet.reap()
    return parts


def test_a_queue_that_works_is_well_and_says_how_many_run(edge: FakeEdge) -> None:
    worked(edge)
    line = glance(edge)
    assert (line.urgency, line.problems, dict(line.facts.pilots)) == (Urgency.WELL, (), {"healthy": 2})
    assert line.facts.succeeded == edge.now() and line.facts.swept == edge.now()


def test_a_queue_that_never_was_is_well_and_nothing_is_made_for_it(edge: FakeEdge) -> None:
    assert glance(edge).urgency is Urgency.WELL
    assert not (edge.folder / "root").exists()


def test_what_holds_a_queue_is_no_persons_work_unless_it_is_protected(edge: FakeEdge) -> None:
    parts = worked(edge)
    line = glance(edge, MaxTotalJobs="2")
    assert line.urgency is Urgency.HELD and "MaxTotalJobs = 2" in line.problems[0].text
    parts.fleet.drain(Drain(edge.now(), deadline=edge.now() + HOUR))
    assert glance(edge).urgency is Urgency.HELD
    edge.advance(2.5 * 3600)
    line = glance(edge)
    assert line.urgency is Urgency.PERSON and "outlived the drain's deadline" in line.problems[0].text


def test_what_no_cycle_cures_wants_a_person(edge: FakeEdge) -> None:
    worked(edge)
    edge.sky.at("create", Refused("InvalidAMIID.NotFound: no such image"))
    edge.parts().fleet.submit(WRAPPER, 1)
    line = glance(edge)
    assert line.urgency is Urgency.PERSON and "no such image" in str(line.problems[0])
    edge.parts().fleet.submit(WRAPPER, 1)
    assert glance(edge).urgency is Urgency.WELL


def test_a_lack_of_room_passes(edge: FakeEdge) -> None:
    worked(edge)
    edge.sky.at("create", Refused("InsufficientInstanceCapacity: none left"))
    edge.parts().fleet.submit(WRAPPER, 1)
    assert glance(edge).urgency is Urgency.NOTE  # the next cycle asks again
    edge.sky.at("create", Refused("InsufficientInstanceCapacity: none left"))
    edge.parts().fleet.submit(WRAPPER, 1)
    assert glance(edge).urgency is Urgency.HELD  # it rests


def test_nobody_sweeps_or_settles(edge: FakeEdge) -> None:
    parts = worked(edge)
    edge.advance(25 * 3600)
    assert "not swept for a day" in str(glance(edge).problems[0])
    record = parts.workspace.load()
    parts.workspace.save(record.begin(Operation.SUBMIT, ["0A0B0C0D"], edge.now() - 2 * HOUR))
    assert any("never settled" in one.text and one.person for one in glance(edge).problems)


def test_a_queue_that_was_never_swept_is_new_then_noted_then_a_persons_work(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    assert glance(edge).urgency is Urgency.WELL
    edge.advance(2 * 3600)
    line = glance(edge)
    assert line.urgency is Urgency.NOTE and "was never swept" in line.problems[0].text
    edge.advance(23 * 3600)
    line = glance(edge)
    assert line.urgency is Urgency.PERSON and "was never swept" in line.problems[0].text


def test_what_still_goes_on_is_said_once(edge: FakeEdge) -> None:
    worked(edge)
    silent = CloudError("listing VMs: the cloud does not answer", "unreachable")
    edge.sky.at("prepare", silent)
    with pytest.raises(CloudError):
        edge.parts().fleet.submit(WRAPPER, 1)
    assert "the last submit failed" in glance(edge).problems[0].text
    edge.sky.at("list", silent, times=9)
    line, found = glance(edge), edge.parts().fleet.why()
    assert [one.text for one in line.problems] == ["listing VMs: the cloud does not answer"]
    assert [one.text for one in found].count("listing VMs: the cloud does not answer") == 1
    assert not [one for one in found if "the last submit failed" in one.text]


def test_a_lock_that_is_held_for_hours_is_named_with_its_holder(edge: FakeEdge) -> None:
    facts = QueueFacts("ce/long", holding=LockHolder("dirac@host (tfce reap, process 7)", edge.now()))
    assert assessed(facts, edge.now() + HOUR).urgency is Urgency.WELL
    line = assessed(facts, edge.now() + 4 * HOUR)
    assert line.urgency is Urgency.PERSON and "dirac@host (tfce reap, process 7)" in line.problems[0].text


def test_the_holder_is_shown_while_it_works(edge: FakeEdge) -> None:
    parts = worked(edge)
    with parts.workspace.locked():
        holding = glance(edge).facts.holding
    assert holding is not None and "process" in holding.who


def test_a_cloud_that_is_down_is_a_line(edge: FakeEdge) -> None:
    worked(edge)
    edge.sky.down = "connection refused"
    line = glance(edge)
    assert line.urgency is Urgency.PERSON and "tfce doctor cloud.example.org/long" in line.problems[0].cure
    assert line.facts.wanted == 2


@pytest.mark.parametrize("options", [{}, {"Workspace_MaxHours": "90000/month ce", "Workspace_Price": "*=0.1"}])
def test_twenty_queues_of_a_login_take_one_list_and_less_than_a_second(
    edge: FakeEdge, options: dict[str, str]
) -> None:
    """The second is for tfce's own work, also where each queue counts what all others of the CE used."""
    names = [f"queue-{number}" for number in range(20)]
    for name in names:
        edge.parts(name, **options).fleet.submit(WRAPPER, 3)
    lists, cloud = SharedLists(), edge.parts().cloud
    start = time.process_time()
    parts = [edge.parts(name, **options) for name in names]
    fleets = [Fleet(one.workspace, one.terraform, cloud, edge.sky.clock, lists) for one in parts]
    records = [fleet.announce() for fleet in fleets]
    with ThreadPoolExecutor(16) as pool:
        lines = list(pool.map(Fleet.glance, fleets, records))
    assert time.process_time() - start < 1
    assert every(dict(line.facts.pilots) == {"healthy": 3} for line in lines)
    assert cloud.calls["DescribeInstances"] == 1


def test_what_is_spent_and_what_it_costs_is_shown(edge: FakeEdge) -> None:
    life = {"Context_MaxLifetime": "3600", "Workspace_MaxHours": "100/month, 40 EUR/month ce"}
    options = {**life, "Workspace_Price": "t3.micro=2, EUR"}
    edge.parts(**options).fleet.submit(WRAPPER, 2)
    edge.parts("short", **options).fleet.submit(WRAPPER, 1)
    edge.advance(1800)
    line = glance(edge, **options)
    assert [round(one.units(one.spent), 2) for one in line.facts.spent] == [1.0, 3.0]
    assert line.facts.cost and line.facts.cost.units(line.facts.cost.spent) == 2.0
    shown = line_json(line)
    assert shown["allocations"][1]["spent"] == 3.0 and shown["cost"] == {
        "since": "2026-01-01T00:00:00Z",
        "money": 2.0,
        "currency": "EUR",
        "unknown": [],
    }
    row = dict(zip(HEADS, row_of(line, edge.now()), strict=True))
    assert (
        row["SPENT"] == "1% of 100 VM hours/month, 8% of 40 EUR/month ce" and row["COST"] == "2.00 EUR this month"
    )
    heads, _ = filled([row_of(glance(edge), edge.now())])
    assert "SPENT" not in heads and "SHAPE" not in heads and "WHAT" in heads


def test_what_another_queue_of_the_ce_used_may_be_unknown(edge: FakeEdge) -> None:
    options = {"Workspace_MaxHours": "100/month ce"}
    edge.parts("short", **options).fleet.submit(WRAPPER, 1)
    edge.parts("short").workspace.file.path.write_text("{")
    line = glance(edge, **options)
    assert line.urgency is Urgency.PERSON and "what the CE has used is not known" in str(line.problems)


def test_the_worst_comes_first(edge: FakeEdge) -> None:
    well = assessed(QueueFacts("a/well"), edge.now())
    ill = replace(
        well, facts=QueueFacts("z/ill"), problems=assessed(QueueFacts("z/ill", skewed=True), edge.now()).problems
    )
    assert sorted([well, ill], key=lambda line: line.order) == [ill, well]
