"""The contract of ``tfce.pilots.fleet.Provisioner``, for every edge."""

from __future__ import annotations

import pytest

from tests.claims import some
from tests.contract.edges import WRAPPER, Edge, Parts
from tfce.model.pilot import Pilot, moment
from tfce.terraform import variables

A, B, C = "0000000A", "0000000B", "0000000C"
BORN = moment("2026-01-31T12:00:00Z")


@pytest.fixture
def parts(edge: Edge) -> Parts:
    """A prepared workspace without pilots."""
    made = edge.parts()
    made.workspace.prepare()
    made.terraform.prepare()
    variables.write(made.workspace)
    return made


def enlist(parts: Parts, *keys: str) -> None:
    record = parts.workspace.load()
    wanted = record.without(record.pilots).including(Pilot(key, BORN, "b") for key in keys)
    parts.workspace.save(wanted)
    parts.workspace.write_contexts(dict.fromkeys(keys, WRAPPER))


def keys(edge: Edge) -> dict[str, str]:
    return {tags["tfce:key"]: node_id for node_id, tags in edge.living().items() if "tfce:key" in tags}


def test_a_workspace_without_pilots_has_an_empty_state(parts: Parts) -> None:
    assert parts.terraform.instances() == {}
    parts.terraform.forget([A])
    parts.terraform.adopt({})
    parts.terraform.untaint([])
    assert parts.terraform.plan().empty


def test_the_asked_for_pilots_are_created_and_bear_their_tags(edge: Edge, parts: Parts) -> None:
    enlist(parts, A, B, C)
    heard: list[str] = []
    applied = parts.terraform.apply([A, B], heard.append)
    assert (applied.failed, applied.trouble, applied.stopped) == ({}, "", "")
    assert applied.calls[edge.words.creating] == 2
    state = parts.terraform.instances()
    assert {key: entry.id for key, entry in state.items()} == keys(edge)
    assert set(state) == {A, B} and not any(entry.tainted for entry in state.values())
    for node_id, tags in some(edge.living().items()):
        assert dict(parts.workspace.owner().tags()).items() <= dict(tags).items()
        assert tags["Name"] == edge.words.name(parts, tags["tfce:key"]), node_id
    assert any(A in text for text in heard) and any(B in text for text in heard)
    again = parts.terraform.apply([A, B, C])
    assert again.failed == {} and set(keys(edge)) == {A, B, C}
    assert {key: parts.terraform.instances()[key] for key in (A, B)} == state
    assert len(edge.living()) == 3


def test_a_pilot_that_is_no_longer_desired_is_not_destroyed_by_the_next_apply(edge: Edge, parts: Parts) -> None:
    enlist(parts, A)
    parts.terraform.apply([A])
    enlist(parts, B)
    parts.terraform.apply([B])
    assert set(keys(edge)) == set(parts.terraform.instances()) == {A, B}


def test_an_ended_pilot_is_neither_started_again_nor_replaced(edge: Edge, parts: Parts) -> None:
    enlist(parts, A, B)
    parts.terraform.apply([A])
    first = keys(edge)[A]
    edge.stop(first)
    parts.workspace.forget_contexts()
    parts.terraform.apply([B])
    assert keys(edge)[A] == first
    assert parts.cloud.vm(first).state.value == "Done"  # type: ignore[union-attr]


def test_forgotten_pilots_live_on_and_are_not_asked_about(edge: Edge, parts: Parts) -> None:
    enlist(parts, A, B)
    parts.terraform.apply([A, B])
    before = dict(parts.cloud.calls)
    parts.terraform.forget([A, C])
    assert set(parts.terraform.instances()) == {B}
    assert set(keys(edge)) == {A, B} and dict(parts.cloud.calls) == before


def test_a_vm_that_the_state_does_not_know_is_adopted_not_doubled(edge: Edge, parts: Parts) -> None:
    enlist(parts, A, B)
    parts.terraform.apply([A, B])
    ids = keys(edge)
    parts.terraform.forget([A, B])
    parts.terraform.adopt(ids)
    assert {key: entry.id for key, entry in parts.terraform.instances().items()} == ids
    parts.workspace.forget_contexts()
    assert parts.terraform.plan().empty
    parts.terraform.apply([A, B])
    assert keys(edge) == ids and len(edge.living()) == 2


def test_the_state_is_on_the_disk_for_another_process(edge: Edge, parts: Parts) -> None:
    enlist(parts, A)
    parts.terraform.apply([A])
    assert edge.parts().terraform.instances() == parts.terraform.instances()
