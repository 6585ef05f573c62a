"""A host whose options lead to what another installation wrote: it takes nothing from there, writes nothing, and
says which two options are at odds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, Parts
from tests.contract.hosts import CE, Hosts
from tfce.app import examine
from tfce.model.drain import Drain
from tfce.model.errors import ConfigError
from tfce.model.lease import BackendId, Document
from tfce.store.shared_document import Note
from tfce.store.whose import NotOursError, Whose
from tfce.terraform.locations import BackendLocation, checked

OTHER = {"Workspace_Installation": "lz-two"}
Verb = Callable[[Parts, list[str]], Any]
WRITERS: dict[str, Verb] = {
    "submit": lambda parts, words: parts.fleet.submit(WRAPPER, 2),
    "reap": lambda parts, words: parts.fleet.reap(),
    "kill": lambda parts, words: parts.fleet.kill(words),
    "drain": lambda parts, words: parts.fleet.drain(Drain(parts.workspace.clock())),
    "repair": lambda parts, words: parts.fleet.repair(),
    "doctor": lambda parts, words: examine(parts.workspace),
}
READERS: dict[str, Verb] = {
    "poll": lambda parts, words: parts.fleet.poll(words),
    "count": lambda parts, words: parts.fleet.count(),
    "status": lambda parts, words: parts.fleet.status(),
    "look": lambda parts, words: parts.fleet.look(),
    "audit": lambda parts, words: parts.fleet.audit(),
    "held": lambda parts, words: parts.fleet.held(),
    "why": lambda parts, words: parts.fleet.why(),
}


def shown(folder: Path) -> dict[str, str]:
    """What is in the files of a folder that are no locks, notes or measurements."""
    kept = ("record.json", "record.previous.json", "pilots.tfstate", "scale.auto.tfvars.json", "known.json")
    return {str(path): path.read_text() for path in sorted(folder.rglob("*")) if path.name in kept}


@pytest.fixture(params=["with pilots", "drained"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Hosts:
    """Host a serves the queue for the installation "tests"."""
    hosts = Hosts(tmp_path)
    made = hosts.parts(host="a").fleet.submit(WRAPPER, 2).references
    if request.param == "drained":
        hosts.parts(host="a").fleet.kill(made)
        hosts.advance(3600)
        hosts.parts(host="a").fleet.reap()
    return hosts


@pytest.fixture(params=["new", "with pilots of its own"])
def mistaken(request: pytest.FixtureRequest, hosts: Hosts) -> Hosts:
    """Host c is of "lz-two", and comes from a backend of its own."""
    if request.param != "new":
        hosts.backend = hosts.folder / "another backend"
        assert len(hosts.parts(host="c", **OTHER).fleet.submit(WRAPPER, 1).references) == 1
        hosts.backend = hosts.folder / "backend"
    return hosts


@pytest.mark.parametrize("verb", WRITERS)
def test_who_would_write_is_told_both_options(mistaken: Hosts, verb: str) -> None:
    before, living = shown(mistaken.folder), mistaken.living()
    words = [f"cloud://{node}" for node, tags in living.items() if tags.get("tfce:installation") == "tests"]
    parts = mistaken.parts(host="c", **OTHER)
    with pytest.raises(NotOursError) as caught:
        WRITERS[verb](parts, words or ["cloud://i-1"])
    for part in (
        "Workspace_Installation, Terraform_BackendFile = lz-two, ",
        "installation tests",
        "of lz-two",
        "nothing was copied or written",
        "set Workspace_Installation = tests",
        "[file]",
    ):
        assert part in caught.value.message, caught.value.message
    assert shown(mistaken.folder) == before and mistaken.living() == living


@pytest.mark.parametrize("verb", READERS)
def test_who_looks_takes_nothing_over(mistaken: Hosts, verb: str, caplog: pytest.LogCaptureFixture) -> None:
    before, living = shown(mistaken.folder), mistaken.living()
    words = [f"cloud://{node}" for node in living]
    said = READERS[verb](mistaken.parts(host="c", **OTHER), [*words, "cloud://i-gone"])
    assert shown(mistaken.folder) == before and mistaken.living() == living
    if verb == "poll":
        assert "Deleted" not in said.values()
    if verb not in ("count",):
        assert "Workspace_Installation, Terraform_BackendFile = lz-two" in caplog.text


def test_the_other_installation_goes_on(mistaken: Hosts) -> None:
    for verb in (*WRITERS.values(), *READERS.values()):
        try:
            verb(mistaken.parts(host="c", **OTHER), ["cloud://i-1"])
        except ConfigError:
            continue
    for name in "ab":
        assert [row for row in mistaken.parts(host=name).fleet.audit() if row.mismatch] == [], name
    assert len(mistaken.parts(host="b").fleet.submit(WRAPPER, 1).references) == 1


def test_another_queue_of_a_ce_that_another_installation_serves(hosts: Hosts) -> None:
    before, living = shown(hosts.backend / CE), hosts.living()
    for verb in ("submit", "repair", "doctor"):
        with pytest.raises(NotOursError, match=r"has the record of cloud\.example\.org of the installation tests"):
            WRITERS[verb](hosts.parts("short", "c", **OTHER), [])
    assert shown(hosts.backend / CE) == before and hosts.living() == living
    for host in "ab":
        assert len(hosts.parts("short", host).fleet.submit(WRAPPER, 1).references) == 1


@pytest.mark.parametrize("verb", WRITERS)
def test_a_ce_whose_queue_has_the_same_state(hosts: Hosts, verb: str) -> None:
    """A dot in both names: two queues of one installation, one name in a backend."""
    path = hosts.backend / "long" / "record.json"
    held = json.loads(path.read_text())
    document = replace(Document.load(held["text"]), queue="cloud/example.org.long")
    path.write_text(json.dumps({**held, "text": document.dump()}))
    before, living = shown(hosts.folder), hosts.living()
    with pytest.raises(NotOursError, match=r"of cloud/example\.org\.long.*serves cloud\.example\.org/long"):
        WRITERS[verb](hosts.parts(host="c"), ["cloud://i-1"])
    assert shown(hosts.folder) == before and hosts.living() == living


def test_neither_end_of_a_move_is_anothers(hosts: Hosts) -> None:
    workspace = hosts.parts(host="c", **OTHER).workspace
    documents, whole_ce, nowhere = hosts.documents["c", "long"], workspace.shared_ce, None
    assert whole_ce is not None
    there = BackendLocation(nowhere, documents, whole_ce, Whose.of(workspace.queue))  # type: ignore[arg-type]
    before = shown(hosts.folder)
    looks = (there.gone_to, there.is_free, there.open, lambda: checked(there, "x"), lambda: there.expect("lz-two"))
    for look in looks:
        with pytest.raises(NotOursError, match="set Workspace_Installation = tests"):
            look()
    assert shown(hosts.folder) == before


@pytest.mark.parametrize("verb", [verb for verb in WRITERS if verb != "doctor"])
def test_a_workspace_root_of_another_installation(tmp_path: Path, verb: str) -> None:
    edge = FakeEdge(tmp_path)
    made = edge.parts().fleet.submit(WRAPPER, 2).references
    before, living = shown(tmp_path), edge.living()
    with pytest.raises(NotOursError, match=r"Workspace_Installation, Workspace_Root = lz-two, .* 2 pilots"):
        WRITERS[verb](edge.parts(**OTHER), made)
    assert shown(tmp_path) == before and edge.living() == living


def test_polls_go_on_where_a_queue_was_moved_from_this_host(tmp_path: Path) -> None:
    edge = FakeEdge(tmp_path)
    runs, stopped, gone = edge.parts().fleet.submit(WRAPPER, 3).references
    edge.stop(stopped.removeprefix("cloud://"))
    edge.remove(gone.removeprefix("cloud://"))
    private = edge.parts().workspace.private
    replace(Note.read(private), backend_id=BackendId("pg", "db:5432/tfce"), mark="m").write(private)
    with pytest.raises(NotOursError, match=r"set it to pg .*`tfce move-state cloud\.example\.org/long local`"):
        edge.parts().fleet.submit(WRAPPER, 1)
    assert edge.parts().fleet.poll([runs, stopped, gone]) == {runs: "Running", stopped: "Done"}
