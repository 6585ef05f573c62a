"""Credentials of another account: its empty list says nothing of the pilots."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tfce.model.errors import ConfigError


def elsewhere(folder: Path) -> tuple[FakeEdge, list[str]]:
    """Two pilots that run, and credentials that were changed since."""
    edge = FakeEdge(folder)
    edge.sky.account = "111111111111"
    references = edge.parts().fleet.submit(WRAPPER, 2).references
    edge.parts().fleet.reap()
    edge.advance(5000)
    edge.sky.account, edge.sky.hidden = "222222222222", set(edge.sky.vms)
    return edge, references


def test_the_record_knows_whose_account_it_is(tmp_path: Path) -> None:
    home = elsewhere(tmp_path)[0].parts().workspace.load().home
    assert home is not None and home.account == "111111111111"


def test_the_first_submission_learns_whose_account_it_is(edge: FakeEdge) -> None:
    edge.sky.account = "111111111111"
    references = edge.parts().fleet.submit(WRAPPER, 2).references
    home = edge.parts().workspace.load().home
    assert home is not None and home.account == "111111111111"
    edge.sky.account, edge.sky.hidden = "222222222222", set(edge.sky.vms)
    edge.advance(5000)
    edge.sky.vms.clear()
    assert edge.parts().fleet.poll(references) == {} and edge.parts().fleet.count()["RunningJobs"] == 2


def test_those_who_look_keep_the_states(tmp_path: Path) -> None:
    edge, references = elsewhere(tmp_path)
    edge.sky.vms.clear()  # a look-up by id says "no such VM" there, too
    assert edge.parts().fleet.poll(references) == {}
    assert edge.parts().fleet.count()["RunningJobs"] == 2


@pytest.mark.parametrize("verb", ["reap", "status", "audit", "repair"])
def test_those_who_act_refuse(tmp_path: Path, verb: str) -> None:
    edge, _ = elsewhere(tmp_path)
    with pytest.raises(ConfigError, match=r"live in .*\(111111111111\)"):
        getattr(edge.parts().fleet, verb)()
    assert len(edge.sky.living()) == 2 and len(edge.parts().workspace.load().pilots) == 2


def test_the_account_is_asked_for_only_where_a_pilot_is_missed(tmp_path: Path) -> None:
    edge, _ = elsewhere(tmp_path)
    edge.sky.hidden = set()
    edge.sky.account = "111111111111"
    parts = edge.parts()
    parts.cloud.account = lambda: pytest.fail("it was asked for")  # type: ignore[method-assign]
    parts.fleet.reap()
