"""The contract of ``tfce.cloud.Cloud``, for every edge."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.contract.edges import Edge, Parts
from tfce.cloud.shape import Shape
from tfce.model.pilot import Batch
from tfce.model.vm import OVER, State


def pilot(edge: Edge, parts: Parts, key: str, **changes: str) -> str:
    """A VM that has the tags of ``parts``' queue."""
    tags = {**parts.workspace.owner().tags(), "tfce:key": key, "Name": f"tfce-{key}"}
    return edge.add({**tags, **{name.replace("__", ":"): value for name, value in changes.items()}})


def test_the_list_holds_the_queues_vms_whoever_made_them_and_no_other(edge: Edge) -> None:
    parts = edge.parts()
    mine = pilot(edge, parts, "0000000A")
    elsewhere = pilot(edge, parts, "0000000B", tfce__installation="another-site")
    strangers = [
        pilot(edge, parts, "0000000C", tfce__queue="long2"),
        pilot(edge, parts, "0000000C", tfce__queue="lon*"),
        pilot(edge, parts, "0000000C", tfce__ce="cloud.example.org.uk"),
        pilot(edge, parts, "0000000C", tfce__key="not-a-key"),
        edge.add({"Name": "tfce-0000000A"}),
    ]
    found = {node.id: node for node in parts.cloud.vms(parts.workspace.owner())}
    assert set(found) == {mine, elsewhere}
    node = found[mine]
    name = edge.words.name(parts, "0000000A")
    assert (node.name, node.tags["tfce:key"], node.reference) == (name, "0000000A", f"cloud://{mine}")
    assert node.state in (State.BOOTING, State.RUNNING) and node.raw_state
    assert node.created is not None and node.created.utcoffset() == datetime.now(UTC).utcoffset()
    assert not set(strangers) & set(found)


def test_a_list_of_everyone_holds_the_same_of_each_queue(edge: Edge) -> None:
    queues = [edge.parts(name) for name in ("long", "short", "none")]
    for parts, key in zip(queues, ("0000000A", "0000000B"), strict=False):
        pilot(edge, parts, key)
    pilot(edge, queues[0], "0000000C", tfce__installation="another-site")
    edge.add({"Name": "a stranger"})
    cloud = queues[0].cloud
    everyone = cloud.everyone()
    for parts, number in zip(queues, (2, 1, 0), strict=True):
        owner = parts.workspace.owner()
        alone = cloud.vms(owner)
        found = cloud.part(everyone, owner)
        assert sorted(map(repr, found)) == sorted(map(repr, alone)) and len(found) == number
        assert (found.complete, found.account) == (alone.complete, everyone.account)


def test_a_queue_whose_name_is_a_pattern_sees_its_own_only(edge: Edge) -> None:
    parts = edge.parts("lon*")
    pilot(edge, edge.parts("long"), "0000000A")
    mine = pilot(edge, parts, "0000000B")
    assert [node.id for node in parts.cloud.vms(parts.workspace.owner())] == [mine]


def test_an_account_without_our_vms_gives_an_empty_list(edge: Edge) -> None:
    parts = edge.parts()
    edge.add({"Name": "a stranger"})
    assert parts.cloud.vms(parts.workspace.owner()) == []


def test_states(edge: Edge) -> None:
    parts = edge.parts()
    stopped, gone = pilot(edge, parts, "0000000A"), pilot(edge, parts, "0000000B")
    edge.stop(stopped)
    edge.remove(gone)
    found = {node.id: node.state for node in parts.cloud.vms(parts.workspace.owner())}
    assert found[stopped] is State.STOPPED and found.get(gone, State.DELETED) in OVER


def test_one_vm_by_its_id_whosesoever(edge: Edge) -> None:
    parts = edge.parts()
    mine, stranger = pilot(edge, parts, "0000000A"), edge.add({"Name": "a stranger"})
    for node_id in (mine, stranger):
        node = parts.cloud.vm(node_id)
        assert node is not None and node.id == node_id
    for unknown in ("i-0123456789abcdef0", "nonsense"):
        assert parts.cloud.vm(unknown) is None


def test_vms_are_removed_together_and_one_that_is_not_there_stops_none(edge: Edge) -> None:
    parts = edge.parts()
    ids = [pilot(edge, parts, f"0000000{n}") for n in range(3)]
    stranger = edge.add({"Name": "a stranger"})
    assert parts.cloud.destroy([ids[0], "i-0123456789abcdef0", ids[1]]) == {}
    assert set(edge.living()) == {ids[2], stranger}
    assert parts.cloud.destroy([ids[0]]) == {}  # gone already
    node = parts.cloud.vm(ids[0])
    assert node is None or node.state in OVER


def test_the_console_of_a_vm_and_of_none(edge: Edge) -> None:
    parts = edge.parts()
    mine = pilot(edge, parts, "0000000A")
    assert (parts.cloud.console(mine) or "").strip()
    for unknown in ("i-0123456789abcdef0", "nonsense", "../secrets"):
        assert parts.cloud.console(unknown) is None


def test_nothing_is_asked_for_nothing(edge: Edge) -> None:
    parts = edge.parts()
    assert parts.cloud.destroy([]) == {} and sum(parts.cloud.calls.values()) == 0


def test_calls_are_counted_and_a_list_is_one(edge: Edge) -> None:
    parts = edge.parts()
    for number in range(3):
        pilot(edge, parts, f"0000000{number}")
    assert len(parts.cloud.vms(parts.workspace.owner())) == 3
    assert dict(parts.cloud.calls) == {edge.words.listing: 1}


def test_pilots_and_batches_are_searched_for_by_name_and_owner(edge: Edge) -> None:
    parts = edge.parts()
    mine = pilot(edge, parts, "0000000A")
    pilot(edge, parts, "0000000B")
    pilot(edge, parts, "0000000A", tfce__queue="long2")
    shape = Shape(parts.workspace.owner(), "tfce-", "img", "small")
    found = parts.cloud.find_existing(shape, ["0000000A"], [Batch("3FA2C0D1", 2)])
    assert [vm.id for vm in found if vm.tags["tfce:key"] == "0000000A"] == [mine]
    assert parts.cloud.find_existing(shape, ["0000000C"], []) == []


def test_a_clone_has_the_same_login_and_counts_by_itself(edge: Edge) -> None:
    parts = edge.parts()
    clone = parts.cloud.clone()
    pilot(edge, parts, "0000000A")
    assert len(clone.vms(parts.workspace.owner())) == 1
    assert clone.calls and not parts.cloud.calls and clone.capabilities == parts.cloud.capabilities
