"""What every verb stands on: one queue's workspace, Terraform, cloud and clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tfce.cloud.api import Cloud
from tfce.config.options import Queue
from tfce.model.pilot import Roster
from tfce.model.vm import VM, State, by_key, keyed, pilot_key
from tfce.store.workspace import Workspace
from tfce.terraform.modules import Instance
from tfce.terraform.runner import Applied


class Provisioner(Protocol):
    """What the fleet asks of Terraform (``terraform.Terraform``, or the fake of the tests)."""

    @property
    def batch_limit(self) -> int: ...  # VMs that one API call may start
    @property
    def waits(self) -> bool: ...  # whether an apply ends only when its VMs run
    def prepare(self) -> None: ...
    def apply(self, keys: Collection[str], progress: Callable[[str], None] = ...) -> Applied: ...
    def instances(self) -> dict[str, Instance]: ...
    def adopt(self, ids: Mapping[str, str]) -> None: ...
    def forget(self, keys: Collection[str]) -> None: ...
    def untaint(self, keys: Collection[str]) -> None: ...


@dataclass(frozen=True)
class Ground:
    """One queue's parts, and what can be seen from them. ``clock`` gives the time, aware."""

    workspace: Workspace
    terraform: Provisioner
    cloud: Cloud
    clock: Callable[[], datetime]

    @property
    def queue(self) -> Queue:
        """The queue that all of this is for."""
        return self.workspace.queue

    def mine(self) -> list[VM]:
        """Every VM of this installation's queue that the cloud lists, in one call."""
        owner = self.workspace.owner()
        return [node for node in self.cloud.vms(owner) if owner.owns(node)]

    def told_apart(self, nodes: list[VM]) -> list[VM]:
        """``nodes``, where two that live bear one key (a reply was lost and the request repeated, or somebody
        renamed a VM of a batch): those that the state knows get the key that they have there."""
        if not _doubled(nodes):
            return nodes
        known = {entry.id: key for key, entry in self.terraform.instances().items()}
        return [keyed(node, known[node.id]) if node.id in known else node for node in nodes]

    def one_each(self, nodes: list[VM]) -> dict[str, VM]:
        """The VM that stands for each pilot. Where two live with one key, it is the one that the state knows."""
        best, doubled = by_key(nodes), _doubled(nodes)
        if doubled:
            state = self.terraform.instances()
            best |= {
                key: node
                for node in nodes
                if (key := pilot_key(node)) in doubled and key in state and state[key].id == node.id
            }
        return best


def _doubled(nodes: Iterable[VM]) -> set[str]:
    """The keys that more than one living VM bears."""
    bearers = Counter(pilot_key(node) for node in nodes if node.state is not State.DELETED)
    return {key for key, number in bearers.items() if key is not None and number > 1}


def strays(nodes: Iterable[VM], roster: Roster, dismissed: Collection[str]) -> list[str]:
    """The keys of living VMs of ours that neither the roster nor the ledger (by instance id) knows."""
    found = [(pilot_key(node), node) for node in nodes if node.state is not State.DELETED]
    return [key for key, node in found if key is not None and key not in roster and node.id not in dismissed]
