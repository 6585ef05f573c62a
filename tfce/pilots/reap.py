"""Removing VMs: dismissed on the disk, destroyed in the cloud, forgotten in the state, struck from the roster."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tfce.cloud.api import LOOK_UPS
from tfce.model import verdict
from tfce.model.errors import BusyError, CloudError, TerraformError, WorkspaceError
from tfce.model.pilot import Roster, instance_id, reference
from tfce.model.verdict import Removal
from tfce.model.vm import VM, Owner, State, pilot_key
from tfce.pilots.consoles import keep_consoles
from tfce.pilots.ground import Ground, strays
from tfce.pilots.recovery import recover

log = logging.getLogger("tfce")

# When all pilots vanish from the list at once, this many seconds pass before any is forgotten.
_DOUBT = 600.0


@dataclass
class Sweep:
    """What a reaping did: ``removed`` pilots with their reasons, refusals by reference, and how many of the
    queue's VMs stay. ``held`` are removals that the share of Workspace_ReapShare did not allow this time."""

    removed: list[Removal] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    held: list[Removal] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)  # references to kill whose VMs are gone already
    kept: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Reaper:
    """The verbs ``reap`` and ``kill`` of one queue."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._workspace, self._terraform, self._cloud = ground.workspace, ground.terraform, ground.cloud
        self._queue = ground.queue

    def reap(self, dry_run: bool = False) -> Sweep:
        """Remove the queue's own VMs that stopped, failed, are overdue or were dismissed, and forget pilots
        whose VMs are gone. One VM's fault stops none of the others."""
        started, before = time.monotonic(), Counter(self._cloud.calls)
        if dry_run or not (self._workspace.exists or self._queue.workspace.adopt_prefix):
            sweep = self._judge(dry_run=True)
        else:
            with self._workspace.locked():
                self._workspace.prepare()
                sweep = self._judge(dry_run=False)
                if sweep.removed:
                    self._remove(sweep)
        sweep.calls = self._cloud.calls - before
        sweep.seconds = time.monotonic() - started
        return sweep

    def _judge(self, dry_run: bool) -> Sweep:
        """Who goes. Unless it is a dry run, VMs of ours that the roster does not know are taken in first."""
        unsettled = not dry_run and bool(self._workspace.intent())
        if unsettled:
            self._terraform.prepare()
            self._terraform.instances()  # before the list, see ``recover``
        nodes = self._ground.told_apart(self._ground.mine())
        sweep = Sweep()
        roster, dismissed = self._workspace.roster(), self._workspace.ledger()
        unknown = strays(nodes, roster, dismissed)
        if unsettled or (unknown and not dry_run):
            self._terraform.prepare()
            sweep.adopted = recover(self._ground, nodes, unknown)
            roster = self._workspace.roster()
        removals = [self._aged(one, roster) for one in self._removals(nodes, roster, dismissed)]
        alive = [node for node in nodes if node.state not in (State.DELETED, State.STOPPED, State.FAILED)]
        sweep.removed, sweep.held = verdict.within_reach(removals, len(alive), self._queue.workspace.reap_share)
        if not dry_run:
            self._learn(sweep.removed, nodes)
        going = {removal.node.id for removal in sweep.removed if removal.node}
        sweep.kept = sum(1 for node in nodes if node.state is not State.DELETED and node.id not in going)
        return sweep

    def _learn(self, removals: Iterable[Removal], nodes: Iterable[VM]) -> None:
        """What VMs that failed or run since say of the cloud's room: where an apply does not wait for them, nobody
        knew it at the submission."""
        broken = [r.node for r in removals if r.node and r.state is State.FAILED]
        failed = [node for node in broken if node.fault and node.fault.no_room]
        since = min((node.created for node in failed if node.created), default=self._workspace.tight_since)
        found_room = any(
            node.state in (State.BOOTING, State.RUNNING) and node.created and since and node.created >= since
            for node in nodes
        )
        if failed and not found_room:
            self._workspace.cool(str(failed[0].fault), self._ground.clock())
        elif found_room and not failed:
            self._workspace.warm()

    def _removals(self, nodes: list[VM], roster: Roster, dismissed: Collection[str]) -> list[Removal]:
        now, lifetime = self._ground.clock(), self._queue.userdata.max_lifetime
        removals: list[Removal] = []
        chosen = self._ground.one_each(nodes)
        for node in nodes:
            key = pilot_key(node)
            if key is None:  # left over by another element, or renamed
                removal = verdict.judge(node.name, node, None, dismissed, now, lifetime)
                removals += [removal] if removal else []
            elif node is chosen[key]:
                removal = verdict.judge(key, node, roster.pilots.get(key), dismissed, now, lifetime)
                removals += [removal] if removal else []
            elif node.state is not State.DELETED:
                removals.append(Removal(key, node, "duplicate", State.DELETED, twin=True))
        listed = {pilot_key(node) for node in nodes}
        absent = [key for key in roster.pilots if key not in listed]
        return removals + self._really_gone(absent, listed)

    def _aged(self, removal: Removal, roster: Roster) -> Removal:
        lived = verdict.lived(removal.node, roster.pilots.get(removal.key), self._ground.clock())
        return replace(removal, lived=lived)

    def _really_gone(self, absent: list[str], listed: Collection[object]) -> list[Removal]:
        """Of the pilots that the list does not show, those that the cloud itself says it does not know. When
        it shows none at all, that is not believed before it was so for a while."""
        if not absent:
            self._workspace.forget_doubt()
            return []
        if not listed and len(absent) > 1 and self._workspace.doubt_age(self._ground.clock()) < _DOUBT:
            log.warning("the cloud lists none of %d pilots; nothing is declared gone yet", len(absent))
            return []
        state = self._terraform.instances()
        gone: list[Removal] = []
        for key in absent[:LOOK_UPS]:
            try:
                if key not in state:
                    gone.append(Removal(key, None, "gone", State.DELETED))
                elif self._cloud.vm(state[key].id) is None:
                    name = f"{self._queue.workspace.name_prefix}{key}"
                    gone.append(
                        Removal(key, VM(state[key].id, name, State.DELETED, "-", None), "gone", State.DELETED)
                    )
            except CloudError as error:
                log.warning("whether pilot %s is gone cannot be told: %s", key, error.message)
        return gone

    def _remove(self, sweep: Sweep) -> None:
        """Dismiss on disk, keep what may be asked for, destroy in the cloud, forget in the state, strike from
        the roster: in this order."""
        workspace = self._workspace
        self._terraform.prepare()
        recover(self._ground)  # another module may have served this queue until now
        tried = workspace.ledger()  # what a cloud refused to remove before is not asked for its console again
        workspace.begin("remove", [removal.key for removal in sweep.removed])
        workspace.dismiss(sweep.removed)
        workspace.record("remove", pilots={removal.key: removal.reason for removal in sweep.removed})
        new = [r for r in sweep.removed if r.standing and r.standing.id not in tried]
        kept = keep_consoles(self._cloud, workspace, new)
        refused = self._cloud.destroy([removal.standing.id for removal in sweep.removed if removal.standing])
        sweep.failed = {reference(node_id): reason for node_id, reason in refused.items()}
        done = [r for r in sweep.removed if r.node is None or r.node.id not in refused]
        over = {removal.key for removal in done if not removal.twin}
        self._terraform.forget(over)
        workspace.save_roster(workspace.roster().without(over))
        workspace.record("removed", vms=[_record(removal, kept) for removal in done], failed=sweep.failed)
        workspace.settled()
        sweep.removed = done
        sweep.kept += len(refused)

    def kill(self, references: Iterable[str]) -> Sweep:
        """Remove these pilots' VMs, whatever their state; works without a workspace, too. VMs that are not
        this queue's are refused."""
        started, before = time.monotonic(), Counter(self._cloud.calls)
        sweep = Sweep()
        owner = self._workspace.guest()
        nodes = {node.id: node for node in self._cloud.vms(owner)}
        for text in references:
            node = self._claimed(instance_id(text), owner, nodes, sweep)
            if node is None or node.state is State.DELETED:
                sweep.absent += (
                    [reference(instance_id(text))] if reference(instance_id(text)) not in sweep.failed else []
                )
            else:
                lived = verdict.lived(node, None, self._ground.clock())
                key = pilot_key(node) or node.name
                sweep.removed.append(Removal(key, node, "killed", State.DELETED, lived=lived))
        counted = self._workspace.owner().owns if self._workspace.exists else owner.same_queue
        alive = sum(1 for node in nodes.values() if counted(node) and node.state is not State.DELETED)
        if sweep.removed:
            self._kill(sweep)
        sweep.kept = max(0, alive - len(sweep.removed))
        sweep.calls = self._cloud.calls - before
        sweep.seconds = time.monotonic() - started
        return sweep

    def _claimed(self, node_id: str, owner: Owner, nodes: Mapping[str, VM], sweep: Sweep) -> VM | None:
        node = nodes.get(node_id)
        try:
            node = node or self._cloud.vm(node_id)
        except CloudError as error:
            sweep.failed[reference(node_id)] = error.message
            return None
        if node is not None and not owner.same_queue(node):
            sweep.failed[reference(node_id)] = f"is no pilot of {self._queue.label}; it was not touched"
            return None
        return node

    def _kill(self, sweep: Sweep) -> None:
        failed = dict(sweep.failed)
        try:
            if self._workspace.exists:
                with self._workspace.locked():
                    self._remove(sweep)
            else:
                self._destroy_only(sweep)
        except (BusyError, WorkspaceError, TerraformError):
            # A kill waits for no long apply and needs no Terraform; the next sweep tidies up.
            self._destroy_only(sweep)
        sweep.failed = {**failed, **sweep.failed}

    def _destroy_only(self, sweep: Sweep) -> None:
        nodes = {removal.node.id: removal for removal in sweep.removed if removal.node}
        refused = self._cloud.destroy(nodes)
        sweep.failed = {reference(node_id): reason for node_id, reason in refused.items()}
        sweep.removed = [removal for node_id, removal in nodes.items() if node_id not in refused]


def _record(removal: Removal, kept: Collection[str]) -> dict[str, object]:
    """What the journal says of one VM that was removed."""
    node = removal.node
    return {
        "key": removal.key,
        "reference": node.reference if node else None,
        "reason": removal.reason,
        "lived_s": removal.lived,
        "console_kept": node is not None and node.id in kept,
    }
