"""What is known of one pilot, from the workspace and from the cloud, whichever of them answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Refused
from tfce.model.errors import CloudError
from tfce.model.vm import State
from tfce.pilots.naming import UnknownPilotError


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path)


def one(edge: FakeEdge) -> tuple[str, str]:
    """Reference and key of a pilot beside another one."""
    stamps = edge.parts().fleet.submit(WRAPPER, 2).stamps
    return next(iter(stamps.items()))


def test_its_life_in_words(edge: FakeEdge) -> None:
    reference, key = one(edge)
    edge.sky.consoles[reference.removeprefix("cloud://")] = "line 1\ntoken=hush\nline 3\n"
    edge.advance(300)
    edge.stop(reference.removeprefix("cloud://"))
    edge.advance(200)
    edge.parts().fleet.reap()
    lines = edge.parts().fleet.log(key.lower()).text().splitlines()
    assert lines[0] == f"pilot {key}, {reference}: removed (Done)"
    said = [line.partition("Z  ")[2] for line in lines[1:5]]
    assert said == [
        "asked for t3.micro of ami-1",
        f"came of it: created as {reference}",
        "to be removed: stopped",
        "removed: stopped, lived 300 s",
    ]
    assert lines[5:] == ["the end of its console, kept when the VM was removed:", "line 1", "token=****", "line 3"]
    assert edge.parts().fleet.log(key, 1).console == "line 3\n"


def test_a_failed_creation_and_a_refused_removal_are_told(edge: FakeEdge) -> None:
    edge.sky.at("create", Refused("no capacity"))
    (key,) = edge.parts().fleet.submit(WRAPPER, 1).failed
    assert "failed: no capacity" in edge.parts().fleet.log(key).text()
    reference, _ = one(edge)
    edge.stop(reference.removeprefix("cloud://"))
    edge.sky.at("destroy", CloudError("it is locked"))
    edge.parts().fleet.reap()
    assert "failed: it is locked" in edge.parts().fleet.log(reference).text()


def test_a_console_that_the_cloud_has_no_more(edge: FakeEdge) -> None:
    reference, _ = one(edge)
    edge.sky.consoles[reference.removeprefix("cloud://")] = None
    log = edge.parts().fleet.log(reference)
    assert (log.console, log.source, log.state) == (None, "", "running")
    assert log.text().endswith("no console is to be had")
    edge.sky.vanish(reference.removeprefix("cloud://"))
    assert edge.parts().fleet.log(reference).state == "the cloud lists no such VM"


def test_a_cloud_that_is_down_leaves_the_journal(edge: FakeEdge) -> None:
    reference, key = one(edge)
    for step in ("list", "console"):
        edge.sky.at(step, CloudError("it does not answer"))
        log = edge.parts().fleet.log(reference)
        assert log.trouble == "it does not answer" and log.events and log.key == key
        assert "the cloud could not be asked: it does not answer" in log.text()
    edge.sky.at("list", CloudError("it does not answer"))
    with pytest.raises(CloudError, match="does not answer"):
        edge.parts().fleet.log("cloud://i-of-nobody")


def test_nobodys_and_other_queues_pilots_are_not_shown(edge: FakeEdge) -> None:
    one(edge)
    (theirs,) = edge.parts("short").fleet.submit(WRAPPER, 1).references
    for name in (theirs, "cloud://i-1", "0000000A", "", "cloud://", "../../etc/passwd"):
        parts = edge.parts()
        with pytest.raises(UnknownPilotError, match="is no pilot of"):
            parts.fleet.log(name)
        assert parts.cloud.calls["GetConsoleOutput"] == 0


def test_a_torn_journal_is_read_as_far_as_it_goes(edge: FakeEdge) -> None:
    reference, _ = one(edge)
    with (edge.parts().workspace.private / "journal.jsonl").open("a") as stream:
        stream.write('{"event": "remo\n[1]\n7\n\n')
    assert [event.event for event in edge.parts().fleet.log(reference).events] == ["submit", "submitted"]


def test_a_vm_left_over_by_cloudce_is_known_by_its_name(edge: FakeEdge) -> None:
    node_id = edge.add({"Name": "VMDIRAC3_0A1B2C3D"})
    adopting = {"Workspace_AdoptPrefix": "VMDIRAC3_"}
    edge.sky.set(node_id, State.FAILED)
    assert edge.parts(**adopting).fleet.log(f"cloud://{node_id}").source == "cloud"
    edge.parts(**adopting).fleet.reap()
    log = edge.parts(**adopting).fleet.log(f"cloud://{node_id}")
    assert (log.key, log.source, log.state) == ("VMDIRAC3_0A1B2C3D", "kept", "removed (Failed)")


def test_a_removed_double_does_not_hide_the_pilot(edge: FakeEdge) -> None:
    reference, key = one(edge)
    double = edge.add(edge.sky.vms[reference.removeprefix("cloud://")].tags)
    edge.parts().fleet.reap()
    assert double not in edge.living()
    assert edge.parts().fleet.log(key).reference == reference
    log = edge.parts().fleet.log(f"cloud://{double}")
    assert log.key == key and log.state == "removed (Deleted)"
