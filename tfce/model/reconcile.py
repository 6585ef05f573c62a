"""What each pilot and VM of a queue is: the record, Terraform's state and the cloud's list, joined once. Pure.

Nothing else in tfce joins these three. ``policy`` decides what happens to the cases; this module destroys nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from tfce.model.pilot import Pilot
from tfce.model.record import Record, Tombstone
from tfce.model.vm import VM, Listing, Owner, State, precedence

_TRUSTED = timedelta(minutes=10)  # clocks further apart than this decide nothing by age
_WORTH_SAYING = timedelta(minutes=1)
_DOUBT = timedelta(seconds=600)  # how long "none of all pilots is listed" is not believed
DELETING_LIMIT = 3600  # seconds a VM may take to be deleted before it is asked for again


@dataclass(frozen=True)
class Instance:
    """What Terraform's state holds of a pilot: the VM's id, and whether Terraform would replace it (tainted)."""

    id: str
    tainted: bool = False


@dataclass(frozen=True)
class Rules:
    """The ages that say what a VM is, in seconds: ``max_lifetime`` of a pilot, ``create_timeout`` of a VM that
    boots, ``grace`` in which a new VM need not be listed yet."""

    max_lifetime: int = 1209600
    create_timeout: int = 600
    grace: int = 600


@dataclass(frozen=True)
class Clocks:
    """The host's time, and the cloud's at the same moment, as far as it tells."""

    host: datetime
    cloud: datetime | None = None

    @property
    def skew(self) -> timedelta:
        """How far the host is ahead of the cloud; zero where the cloud does not tell its time."""
        return self.host - self.cloud if self.cloud else timedelta(0)

    @property
    def trusted(self) -> bool:
        """Whether anything may be decided by age."""
        return abs(self.skew) <= _TRUSTED

    @property
    def worth_saying(self) -> bool:
        """Whether somebody should synchronise the host's clock."""
        return abs(self.skew) > _WORTH_SAYING

    def older(self, seconds: int, requested_at: datetime | None, created: datetime | None) -> bool:
        """Whether something is older than ``seconds`` by every clock that speaks of it, and these can be trusted:
        the host's since ``requested_at``, the cloud's since ``created``."""
        ages = [self.host - requested_at] if requested_at else []
        ages += [(self.cloud or self.host) - created] if created else []
        return self.trusted and bool(ages) and all(age > timedelta(seconds=seconds) for age in ages)


class Kind(Enum):
    """What a pilot or VM is. The value is the word for people."""

    BOOTING = "booting"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"  # in a state that says neither that the pilot lives nor that it ended
    STUCK = "stuck"  # boots for longer than it may
    OVERDUE = "overdue"
    ENDED = "ended"
    FAILED = "failed"
    DISMISSED = "dismissed"  # its removal was decided, and it still exists
    DELETING = "deleting"
    NOT_LISTED = "not listed yet"  # young, or the list cannot be trusted
    ABSENT = "absent"  # not listed though it should be: the cloud must be asked for it by its id
    VANISHED = "vanished"  # the cloud itself says that it is gone
    NEVER_CREATED = "never created"
    STALE = "stale"  # only the state knows it, and the cloud does not
    DUPLICATE = "duplicate"  # another id with the key of a VM that the state knows
    DOUBTFUL = "doubtful"  # bears the key of another VM, and it is not known which one is the pilot's
    FOREIGN = "foreign"  # of this CE and queue, but of another installation: never touched


LIVING = frozenset((Kind.BOOTING, Kind.HEALTHY, Kind.UNKNOWN))
MISSING = frozenset((Kind.NOT_LISTED, Kind.ABSENT, Kind.VANISHED, Kind.NEVER_CREATED, Kind.STALE))


@dataclass(frozen=True)
class Case:
    """One pilot, or one VM that no pilot claims, and what it is. ``key``: the pilot's, or the name of a VM that
    has none; ``id``: of its VM, "" where none is known."""

    key: str
    id: str
    kind: Kind
    pilot: Pilot | None = None
    instance: Instance | None = None
    vm: VM | None = None
    stone: Tombstone | None = None

    @property
    def recorded(self) -> bool:
        """Whether the record wants this very pilot."""
        return self.pilot is not None and self.kind not in (Kind.DUPLICATE, Kind.DOUBTFUL, Kind.FOREIGN)

    @property
    def occupies(self) -> bool:
        """Whether a VM exists, or may exist, that counts against the queue's limits."""
        return self.kind not in (Kind.VANISHED, Kind.NEVER_CREATED, Kind.STALE, Kind.FOREIGN)

    @property
    def requested_at(self) -> datetime | None:
        """When the pilot was asked for, by the host's clock."""
        return self.pilot.requested_at if self.pilot else None


@dataclass(frozen=True)
class Snapshot:
    """A queue at one moment. ``state``: by key; None where it was not read. ``looked_up``: VMs that were asked for
    by id, None where the cloud itself said that there is no such VM."""

    record: Record
    listing: Listing
    clocks: Clocks
    owner: Owner
    rules: Rules = Rules()
    state: Mapping[str, Instance] | None = None
    looked_up: Mapping[str, VM | None] = field(default_factory=lambda: MappingProxyType({}))


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
        asked = [vm for vm in snapshot.looked_up.values() if vm is not None]
        for vm in {vm.id: vm for vm in (*snapshot.listing.vms, *asked)}.values():
            self._file(vm)
        self._seen = any(vm.state is not State.DELETED for some in self._bearers.values() for vm in some)

    def _known_keys(self) -> dict[str, str]:
        """The key of each instance id that tombstones, record or state know; the state's word goes first."""
        keys = {stone.id: stone.key for stone in self._record.tombstones.values()}
        keys |= {pilot.id: pilot.key for pilot in self._record.pilots.values() if pilot.id}
        return keys | {instance.id: key for key, instance in self._state.items()}

    def _file(self, vm: VM) -> None:
        """A VM is ours by its tags, or by its id where the cloud took no tags; what bears another's is not."""
        owner = self._snapshot.owner
        if owner.owns(vm) or (vm.id in self._keys and not vm.claimed):
            self._bearers[self._keys.get(vm.id) or vm.key or vm.name or vm.id].append(vm)
        elif owner.same_queue(vm):
            self._foreign.append(vm)

    def cases(self) -> list[Case]:
        found: list[Case] = []
        for key in sorted({*self._record.pilots, *self._state, *self._bearers}):
            found += self._of(key)
        return found + [Case(vm.key or vm.name, vm.id, Kind.FOREIGN, vm=vm) for vm in self._foreign]

    def _of(self, key: str) -> Iterable[Case]:
        pilot, instance = self._record.pilots.get(key), self._state.get(key)
        bearers = sorted(self._bearers.get(key, ()), key=lambda vm: self._rank(vm, pilot, instance))
        own = self._own(bearers, pilot, instance)
        if own is not None:
            yield self._present(key, own, pilot, instance)
        elif pilot is not None or instance is not None:
            yield self._missing(key, pilot, instance)
        for vm in bearers:
            if vm is not own and vm.state is not State.DELETED:
                yield self._beside(key, vm, own, pilot, instance)

    def _rank(self, vm: VM, pilot: Pilot | None, instance: Instance | None) -> tuple[object, ...]:
        known = instance is not None and instance.id == vm.id
        recorded = pilot is not None and pilot.id == vm.id
        return (not known, not recorded, vm.id in self._record.tombstones, *precedence(vm))

    def _own(self, bearers: list[VM], pilot: Pilot | None, instance: Instance | None) -> VM | None:
        """The VM that is the pilot's own, among those that bear its key; None where that one is not seen."""
        if not bearers:
            return None
        first = bearers[0]
        if instance is not None and instance.id != first.id:
            # Another one bears the key of a VM that the state knows and nobody sees: not before that one is gone.
            return first if self._absence(instance.id, pilot, None) in (Kind.VANISHED, Kind.STALE) else None
        if first.id in (pilot.id if pilot else "", instance.id if instance else ""):
            return first
        remains = first.id in self._record.tombstones or first.state is State.DELETED
        return None if remains else first

    # -- VMs that are seen ---------------------------------------------------------------------------------

    def _present(self, key: str, vm: VM, pilot: Pilot | None, instance: Instance | None) -> Case:
        stone = self._record.tombstones.get(vm.id)
        return Case(key, vm.id, self._condition(vm, pilot, stone), pilot, instance, vm, stone)

    def _condition(self, vm: VM, pilot: Pilot | None, stone: Tombstone | None) -> Kind:
        if vm.state is State.DELETED:
            return Kind.VANISHED
        if vm.state is State.DELETING:
            return Kind.DELETING
        if vm.state in _ENDS:
            return _ENDS[vm.state]
        if stone is not None:
            return Kind.DISMISSED
        return self._aged(vm, pilot)

    def _aged(self, vm: VM, pilot: Pilot | None) -> Kind:
        clocks, rules = self._snapshot.clocks, self._snapshot.rules
        asked = pilot.requested_at if pilot else None
        if clocks.older(rules.max_lifetime, asked, vm.created):
            return Kind.OVERDUE
        if vm.state is State.BOOTING:
            return Kind.STUCK if clocks.older(rules.create_timeout, asked, vm.created) else Kind.BOOTING
        return Kind.HEALTHY if vm.state is State.RUNNING else Kind.UNKNOWN

    def _beside(self, key: str, vm: VM, own: VM | None, pilot: Pilot | None, instance: Instance | None) -> Case:
        """A second VM with the key of another."""
        stone = self._record.tombstones.get(vm.id)
        if stone is not None or vm.state in (State.DELETING, *_ENDS):
            return Case(key, vm.id, self._condition(vm, None, stone), None, None, vm, stone)
        sure = own is not None and instance is not None and instance.id == own.id != vm.id
        return Case(key, vm.id, Kind.DUPLICATE if sure else Kind.DOUBTFUL, pilot, instance, vm)

    # -- pilots that are not seen --------------------------------------------------------------------------

    def _missing(self, key: str, pilot: Pilot | None, instance: Instance | None) -> Case:
        node_id = instance.id if instance else pilot.id if pilot else ""
        stone = self._record.tombstones.get(node_id) if node_id else None
        return Case(key, node_id, self._absence(node_id, pilot, stone), pilot, instance, None, stone)

    def _absence(self, node_id: str, pilot: Pilot | None, stone: Tombstone | None) -> Kind:
        snapshot = self._snapshot
        if not node_id:
            return Kind.NEVER_CREATED if snapshot.listing.complete else Kind.NOT_LISTED
        if node_id not in snapshot.looked_up:
            return Kind.NOT_LISTED if self._young(pilot) else Kind.ABSENT
        if stone is not None and stone.accepted:
            return Kind.VANISHED
        if self._young(pilot) or not self._believed():
            return Kind.NOT_LISTED
        return Kind.VANISHED if pilot else Kind.STALE

    def _young(self, pilot: Pilot | None) -> bool:
        """Whether a pilot is too young to be listed, as far as anybody can tell."""
        clocks = self._snapshot.clocks
        asked = pilot.requested_at if pilot else None
        return not clocks.trusted or (asked is not None and clocks.host - asked < self._grace)

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._snapshot.rules.grace)

    def _believed(self) -> bool:
        """Whether "the cloud does not know it" is believed: not at once where it knows none of several."""
        placed = [pilot for pilot in self._record.pilots.values() if pilot.id]
        if len(placed) < 2 or self._seen:
            return True
        since = self._record.unseen_since
        return since is not None and self._snapshot.clocks.host - since >= _DOUBT


_ENDS = {State.STOPPED: Kind.ENDED, State.FAILED: Kind.FAILED}
