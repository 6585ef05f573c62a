"""A host whose tfce is older than the one that wrote the record: it says so, and overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, assert_settled
from tfce.model.errors import WorkspaceError


@pytest.fixture
def record(edge: FakeEdge) -> Path:
    edge.parts().fleet.submit(WRAPPER, 2)
    path = edge.parts().workspace.file.path
    path.write_text(json.dumps({**json.loads(path.read_text()), "colours": ["red"]}))
    return path


@pytest.mark.parametrize("verb", ["status", "reap", "audit", "repair", "count", "submit"])
def test_every_verb_says_to_upgrade_and_leaves_it_as_it_is(edge: FakeEdge, record: Path, verb: str) -> None:
    before, fleet = record.read_bytes(), edge.parts().fleet
    act = (lambda: fleet.submit(WRAPPER, 1)) if verb == "submit" else getattr(fleet, verb)
    with pytest.raises(WorkspaceError, match=r"a newer tfce wrote it \(it remembers colours\).*upgrade the tfce"):
        act()
    assert record.read_bytes() == before and len(edge.sky.living()) == 2


def test_who_moves_it_away_goes_on_without_what_it_remembered(edge: FakeEdge, record: Path) -> None:
    record.rename(record.with_name("newer.json"))
    edge.parts().fleet.repair()
    edge.parts().fleet.reap()
    assert set(edge.parts().fleet.poll([f"cloud://{one}" for one in edge.living()]).values()) == {"Running"}
    assert_settled(edge.parts(), edge)
