"""What belongs to another queue and comes into this one's files by mistake: nobody of the other is touched."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, assert_settled
from tfce.model.errors import WorkspaceError


def test_the_record_of_another_queue_is_refused_and_repair_makes_ones_own(edge: FakeEdge) -> None:
    theirs, mine = edge.parts("short"), edge.parts("long")
    other, own = theirs.fleet.submit(WRAPPER, 3).references, mine.fleet.submit(WRAPPER, 2).references
    for name in ("record.json", "record.previous.json"):
        shutil.copy(theirs.workspace.private / name, mine.workspace.private / name)
    for verb in (
        edge.parts().fleet.reap,
        edge.parts().fleet.status,
        lambda: edge.parts().fleet.submit(WRAPPER, 1),
    ):
        with pytest.raises(WorkspaceError, match=r"it is the record of .*/short.*tfce repair"):
            verb()
    edge.parts().fleet.repair()
    assert edge.parts().fleet.reap().removed == []
    assert set(edge.parts().fleet.poll(own).values()) == {"Running"}
    assert set(edge.parts("short").fleet.poll(other).values()) == {"Running"}
    assert_settled(edge.parts(), edge)
    assert_settled(edge.parts("short"), edge)


def test_pilots_of_another_queue_in_a_record_of_old_are_not_killed(edge: FakeEdge) -> None:
    theirs, mine = edge.parts("short"), edge.parts("long")
    other, own = theirs.fleet.submit(WRAPPER, 2).references, mine.fleet.submit(WRAPPER, 1).references
    record = mine.workspace.load()
    mine.workspace.save(record.including(theirs.workspace.load().pilots.values()))
    sweep = edge.parts().fleet.kill(other)
    assert set(sweep.failed) == set(other) and "not touched" in sweep.failed[other[0]] and not sweep.later
    edge.advance(86400)
    for _ in range(3):
        assert edge.parts().fleet.reap().removed == []
    assert set(edge.parts("short").fleet.poll(other).values()) == {"Running"}
    assert set(edge.parts().fleet.poll(own).values()) == {"Running"}
    assert_settled(edge.parts("short"), edge)


def test_instances_of_another_queue_in_the_state_leave_it_and_stay(edge: FakeEdge) -> None:
    theirs, mine = edge.parts("short"), edge.parts("long")
    other, own = theirs.fleet.submit(WRAPPER, 2).references, mine.fleet.submit(WRAPPER, 1).references
    edge.advance(86400)
    state = json.loads(mine.workspace.state_file.read_text())
    state["resources"] += json.loads(theirs.workspace.state_file.read_text())["resources"]
    mine.workspace.state_file.write_text(json.dumps(state))
    assert edge.parts(MaxTotalJobs="2").fleet.submit(WRAPPER, 1).references != []
    edge.parts().fleet.reap()
    assert set(edge.parts("short").fleet.poll(other).values()) == {"Running"}
    assert set(edge.parts().fleet.poll(own).values()) == {"Running"}
    assert_settled(edge.parts(), edge)
    assert_settled(edge.parts("short"), edge)
