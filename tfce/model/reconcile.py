"""What each pilot and VM of a queue is: the record, Terraform's state and the cloud's list, joined once. Pure.

Nothing else in tfce joins these three. ``policy`` decides what happens to the cases; this module destroys nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from tfce.model.case import ALIVE, LIVING, Case, Clocks, Condition, Instance, Rules
from tfce.model.pilot import Pilot
from tfce.model.record import Record, Tombstone
from tfce.model.vm import LIVELINESS, VM, Inventory, Owner, State, precedence

__all__ = [
    "DELETING_LIMIT",
    "LIVING",
    "Case",
    "Clocks",
    "Condition",
    "Instance",
    "Rules",
    "Snapshot",
    "reconcile",
]

_DOUBT = timedelta(seconds=600)  # how long "none of all pilots is listed" is not believed
DELETING_LIMIT = 3600  # seconds a VM may take to be deleted before it is asked for again


@dataclass(frozen=True)
class Snapshot:
    """A queue at one moment. ``state``: by key; None where it was not read. ``looked_up``: VMs that were asked for
    by id, None where the cloud itself said that there is no such VM. ``by_id``: whether it can be asked so; else
    its list was only read once more."""

    record: Record
    inventory: Inventory
    clocks: Clocks
    owner: Owner
    rules: Rules = field(default_factory=Rules)
    state: Mapping[str, Instance] | None = None
    looked_up: Mapping[str, VM | None] = field(default_factory=lambda: MappingProxyType({}))
    by_id: bool = True


def reconcile(snapshot: Snapshot) -> list[Case]:
    """The cases of a snapshot, in the order of their keys: every wanted pilot once, every VM of the queue once."""
    return _Join(snapshot).cases()


class _Join:
    """One reconciliation under way."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._record, self._state = snapshot.record, snapshot.state or {}
        self._keys = self._known_keys()
        self._bearers: dict[str, list[VM]] = defaultdict(list)
        self._foreign: list[VM] = []
        for vm in self._shown():
            self._file(vm)
        self._seen = any(vm.state is not State.DELETED for some in self._bearers.values() for vm in some)

    def _shown(self) -> Iterable[VM]:
        """Each VM once, however often it is listed; the liveliest of what is said of it counts."""
        best: dict[str, VM] = {}
        asked = [vm for vm in self._snapshot.looked_up.values() if vm is not None]
        for vm in (*self._snapshot.inventory.vms, *asked):
            if vm.id not in best or LIVELINESS[vm.state] < LIVELINESS[best[vm.id].state]:
                best[vm.id] = vm
        return best.values()

    def _known_keys(self) -> dict[str, str]:
        """The key of each instance id that tombstones, record or state know; the state's word goes first."""
        keys = {stone.id: stone.key for stone in self._record.tombstones.values()}
        keys |= {pilot.id: pilot.key for pilot in self._record.pilots.values() if pilot.id}
        return keys | {instance.id: key for key, instance in self._state.items()}

    def _file(self, vm: VM) -> None:
        """A VM is ours by its tags, or by its id where the cloud took no tags; what has another's is not."""
        owner = self._snapshot.owner
        if owner.owns(vm) or (vm.id in self._keys and not vm.claimed):
            self._bearers[self._keys.get(vm.id) or vm.key or vm.name or vm.id].append(vm)
        elif owner.same_queue(vm) and vm.state is not State.DELETED:  # some clouds list what is gone for an hour
            self._foreign.append(vm)

    def cases(self) -> list[Case]:
        found: list[Case] = []
        for key in sorted({*self._record.pilots, *self._state, *self._bearers}):
            found += self._of(key)
        return found + [Case(vm.key or vm.name, vm.id, Condition.FOREIGN, vm=vm) for vm in self._foreign]

    def _of(self, key: str) -> Iterable[Case]:
        pilot, instance = self._record.pilots.get(key), self._state.get(key)
        bearers = sorted(self._bearers.get(key, ()), key=self._rank)
        own = self._own(bearers, pilot, instance)
        first = self._first(key, own, pilot, instance)
        if first is not None:
            yield first
        rest = pilot if first is None or first.pilot is None else None
        if rest is not None and all(vm.id != rest.id for vm in bearers):
            yield self._missing(key, rest, None)
        sure = first is not None and first.instance is not None and first.condition in LIVING
        for vm in bearers:
            claimed = rest is not None and rest.id == vm.id
            if vm is not own and (claimed or vm.state is not State.DELETED):
                yield self._beside(key, vm, rest if claimed else None, sure)

    def _rank(self, vm: VM) -> tuple[object, ...]:
        return (self._dismissed(vm.id), vm.state not in ALIVE, *precedence(vm))

    def _dismissed(self, node_id: str) -> bool:
        stone = self._record.tombstones.get(node_id)
        return stone is not None and stone.dismissed

    def _own(self, bearers: list[VM], pilot: Pilot | None, instance: Instance | None) -> VM | None:
        """The VM that is the pilot's own, among those that have its key; None where that one is not seen. The
        state overrides the record. Where neither has an id, the best takes it, be it gone."""
        known = instance.id if instance else pilot.id if pilot else ""
        if known:
            return next((vm for vm in bearers if vm.id == known), None)
        fit = (vm for vm in bearers if vm.state is not State.DELETED and not self._dismissed(vm.id))
        was = pilot is not None and all(vm.state is State.DELETED for vm in bearers)
        return next(fit, None) or next((vm for vm in bearers if was), None)

    def _first(self, key: str, own: VM | None, pilot: Pilot | None, instance: Instance | None) -> Case | None:
        """The case of the VM that the state holds, else of the pilot's own."""
        if own is not None:
            return self._present(key, own, pilot, instance)
        if instance is None:
            return None
        agree = pilot is None or pilot.id in ("", instance.id)
        return self._missing(key, pilot if agree else None, instance)

    # -- VMs that are seen ---------------------------------------------------------------------------------

    def _present(self, key: str, vm: VM, pilot: Pilot | None, instance: Instance | None) -> Case:
        stone = self._record.tombstones.get(vm.id)
        condition = self._condition(vm, pilot, stone)
        # A pilot whose record names another VM becomes this one's while it lives, and does not end with it.
        agree = pilot is None or pilot.id in ("", vm.id) or condition in LIVING
        return Case(key, vm.id, condition, pilot if agree else None, instance, vm, stone)

    def _condition(self, vm: VM, pilot: Pilot | None, stone: Tombstone | None) -> Condition:
        if vm.state is State.DELETED:
            return Condition.VANISHED
        if vm.state is State.DELETING:
            return Condition.DELETING
        if vm.state in _ENDS:
            return _ENDS[vm.state]
        if stone is not None and stone.dismissed:
            return Condition.DISMISSED
        return self._aged(vm, pilot)

    def _aged(self, vm: VM, pilot: Pilot | None) -> Condition:
        clocks, rules = self._snapshot.clocks, self._snapshot.rules
        asked = pilot.requested_at if pilot else None
        if clocks.confirmed and clocks.older(rules.max_lifetime, asked, vm.created):
            return Condition.OVERDUE
        if vm.state is State.BOOTING:
            return Condition.STUCK if clocks.older(rules.create_timeout, asked, vm.created) else Condition.BOOTING
        return Condition.HEALTHY if vm.state is State.RUNNING else Condition.UNKNOWN

    def _beside(self, key: str, vm: VM, pilot: Pilot | None, sure: bool) -> Case:
        """A second VM with the key of another; ``sure``: the state knows that one, and it is seen to live."""
        stone = self._record.tombstones.get(vm.id)
        if vm.state not in ALIVE or self._dismissed(vm.id):
            condition = self._condition(vm, pilot, stone)
        else:
            condition = Condition.DUPLICATE if sure else Condition.DOUBTFUL
        return Case(key, vm.id, condition, pilot, None, vm, stone)

    # -- pilots that are not seen --------------------------------------------------------------------------

    def _missing(self, key: str, pilot: Pilot | None, instance: Instance | None) -> Case:
        node_id = instance.id if instance else pilot.id if pilot else ""
        stone = self._record.tombstones.get(node_id) if node_id else None
        return Case(key, node_id, self._absence(key, node_id, stone), pilot, instance, None, stone)

    def _absence(self, key: str, node_id: str, stone: Tombstone | None) -> Condition:
        snapshot, pilot = self._snapshot, self._record.pilots.get(key)
        if not node_id:
            # Nobody has a reference of it: should its VM appear after all, it is taken back in. A list that never
            # is complete must not keep it for ever.
            sure = snapshot.inventory.complete or not self._young(pilot)
            return Condition.NEVER_CREATED if sure else Condition.NOT_LISTED
        young = self._young(pilot)
        if node_id not in snapshot.looked_up:
            return Condition.NOT_LISTED if young else Condition.ABSENT
        if snapshot.looked_up[node_id] is not None:  # it exists, and has somebody else's tags
            return Condition.NOT_LISTED if pilot else Condition.STALE
        if stone is not None and (stone.accepted or stone.gone):
            return Condition.VANISHED
        if young or not self._believed():
            return Condition.NOT_LISTED
        if not snapshot.by_id and not self._expected(pilot, stone):
            return Condition.ABSENT
        return Condition.VANISHED if pilot else Condition.STALE

    def _young(self, pilot: Pilot | None) -> bool:
        """Whether a pilot's VM is too young to be listed, as far as anybody can tell. One that was asked for in
        the future, by a clock that was wrong, is of no age: the cloud is asked for it by its id."""
        clocks = self._snapshot.clocks
        grace = timedelta(seconds=self._snapshot.rules.grace)
        return not clocks.trusted or (pilot is not None and -grace <= clocks.host - pilot.requested_at < grace)

    def _expected(self, pilot: Pilot | None, stone: Tombstone | None) -> bool:
        """Whether a pilot's VM may be taken for gone because lists lack it: somebody decided that it ends, or it
        is older than any VM may become. A driver that reads one page of several lacks the others for ever."""
        if pilot is None or (stone is not None and stone.dismissed):
            return True
        return self._snapshot.clocks.older(self._snapshot.rules.longest, pilot.requested_at, None)

    def _believed(self) -> bool:
        """Whether "the cloud does not know it" is believed: not at once where it knows none of several."""
        placed = {pilot.id for pilot in self._record.pilots.values() if pilot.id}
        placed |= {instance.id for instance in self._state.values()}
        if len(placed) < 2 or self._seen:
            return True
        since = self._record.unseen_since
        return since is not None and self._snapshot.clocks.host - since >= _DOUBT


_ENDS = {State.STOPPED: Condition.ENDED, State.FAILED: Condition.FAILED}
