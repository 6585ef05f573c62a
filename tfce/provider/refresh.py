"""What a refresh sees: what became of the pilots that the state knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfce.cloud.api import LOOK_UPS, Cloud
from tfce.model.errors import CloudError
from tfce.model.vm import VM, Owner, State


@dataclass
class Refresh:
    """What a refresh saw: pilots whose VMs are gone, and notes on others, by key."""

    gone: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def refresh(cloud: Cloud, owner: Owner, known: Mapping[str, str]) -> Refresh:
    """What became of the ``known`` pilots, in one list call. Raises ``CloudError`` when it cannot be had; an
    empty list is not believed."""
    found = Refresh()
    if not known:
        return found
    nodes = {node.id: node for node in cloud.vms(owner)}
    absent = {key: node_id for key, node_id in known.items() if node_id not in nodes}
    if len(absent) == len(known) > 1:
        found.notes["*"] = f"the cloud lists none of {len(known)} pilots, which is not believed"
        return found
    for key, node_id in list(absent.items())[:LOOK_UPS]:
        try:
            node = cloud.vm(node_id)
        except CloudError as error:
            found.notes[key] = f"the list does not show its VM {node_id}: {error.message}"
            continue
        if node is None:
            found.gone.append(key)
            found.notes[key] = f"its VM {node_id} has vanished; `tfce reap` forgets it"
        else:
            nodes[node_id] = node
    for key, node_id in known.items():
        if node_id in nodes:
            _note(key, nodes[node_id], found)
    return found


def _note(key: str, node: VM, found: Refresh) -> None:
    if node.state is State.DELETED:
        found.gone.append(key)
        found.notes[key] = f"its VM {node.id} was removed ({node.raw_state}); `tfce reap` forgets it"
    elif node.state is State.STOPPED:
        found.notes[key] = f"its VM {node.id} has stopped; `tfce reap` removes it"
    elif node.state is State.FAILED:
        found.notes[key] = f"its VM {node.id} has failed: {node.fault or node.raw_state}; `tfce reap` removes it"
