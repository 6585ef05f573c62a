"""What the cloud says exists. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum

from tfce.model.pilot import is_key, numbered_key, reference
from tfce.model.reasons import Reason
from tfce.model.vm_spec import VMSpec


class State(Enum):
    """A VM's state, as far as a pilot is concerned; the value is DIRAC's word for the pilot, where it has one."""

    BOOTING = "Waiting"
    RUNNING = "Running"
    STOPPED = "Done"
    FAILED = "Failed"
    DELETING = "deleting"  # not gone yet: it still takes room
    DELETED = "Deleted"
    UNKNOWN = "Unknown"  # a state that says neither that the pilot lives nor that it ended: nothing is done

    @property
    def word(self) -> str:
        """DIRAC's word for the pilot of a VM in this state. DIRAC gives a pilot up after an hour of Unknown, and
        one that is Deleted for good: a VM in an odd state, or one that is being deleted, is said to run until it
        ends."""
        return State.RUNNING.value if self in (State.UNKNOWN, State.DELETING) else self.value


OVER = frozenset((State.DELETING, State.DELETED))  # gone, or going
# Of a VM that is shown in two states the liveliest counts: nobody is ended by the older of two answers.
_LIVELIEST_FIRST = ("RUNNING", "UNKNOWN", "BOOTING", "STOPPED", "FAILED", "DELETING", "DELETED")
LIVELINESS = {State[name]: place for place, name in enumerate(_LIVELIEST_FIRST)}


@dataclass(frozen=True)
class VM:
    """One VM in the cloud. ``raw_state`` is the cloud's own word, ``created`` and ``ended`` (since when it does
    not run any more) are aware (UTC), or None where the cloud does not tell, ``fault`` is the cloud's reason
    when the VM failed, ``switched_off``: whether it ended by its own power-off; ``spec`` is what the cloud tells
    of image, flavor and place, ``groups`` the names that it has for each of the VM's security groups."""

    id: str
    name: str
    state: State
    raw_state: str
    created: datetime | None
    tags: Mapping[str, str] = field(default_factory=dict)
    fault: Reason | None = None
    ended: datetime | None = None
    spec: VMSpec = field(default_factory=VMSpec)
    groups: tuple[tuple[str, ...], ...] = field(default=(), compare=False)
    switched_off: bool = False

    @property
    def came_to(self) -> State:
        """What the pilot came to, also where the VM is gone: it failed where the cloud itself ended the VM, and is
        done where the VM switched itself off."""
        if self.state is not State.DELETED:
            return self.state
        if self.fault is not None:
            return State.FAILED
        return State.STOPPED if self.switched_off else State.DELETED

    @property
    def reference(self) -> str:
        """The pilot reference of this VM."""
        return reference(self.id)

    @property
    def key(self) -> str | None:
        """The key of the pilot that this VM runs, by its tags; None for a VM that is no pilot of tfce's."""
        return pilot_key(self)

    @property
    def installation(self) -> str:
        """The installation that its tags name, "" for none."""
        return _tag(self, "tfce:installation") or ""

    @property
    def claimed(self) -> bool:
        """Whether it has tags of any tfce queue."""
        return any(name.startswith(("tfce:", "tfce_")) for name in self.tags)


@dataclass(frozen=True)
class Inventory:
    """The VMs that a cloud listed, as a snapshot has them. ``complete``: nothing that it has was left out, as far
    as anybody can tell; ``cloud_time``: the cloud's clock when it answered; ``account``: its own id of the account
    or project that was asked. The last two are None and "" where the cloud does not tell."""

    vms: tuple[VM, ...] = ()
    complete: bool = True
    cloud_time: datetime | None = None
    account: str = ""


@dataclass(frozen=True)
class Owner:
    """Who a VM belongs to: installation, CE and queue must match before tfce counts, polls or removes it.

    ``adopt``: the start of the names of VMs that another computing element has left to this queue, "" for
    none. They have no tags of tfce's.
    """

    installation: str
    ce: str
    queue: str
    adopt: str = ""

    @property
    def any_installation(self) -> Owner:
        """The same queue, whichever installation's."""
        return replace(self, installation="")

    def tags(self) -> dict[str, str]:
        """The tags Terraform puts on each VM (a module may spell ":" as "_")."""
        return {"tfce:installation": self.installation, "tfce:ce": self.ce, "tfce:queue": self.queue}

    def owns(self, vm: VM) -> bool:
        """Whether ``vm`` was created by this installation's queue, or left to it."""
        if self.left_over(vm):
            return True
        return _is_pilot(vm) and all(_tag(vm, k) == v for k, v in self.tags().items())

    def same_queue(self, vm: VM) -> bool:
        """Whether ``vm`` belongs to this queue, whichever installation made it."""
        if self.left_over(vm):
            return True
        tags = self.tags().items()
        return _is_pilot(vm) and all(_tag(vm, k) == v for k, v in tags if k != "tfce:installation")

    def left_over(self, vm: VM) -> bool:
        """Whether another computing element left ``vm`` to this queue."""
        return bool(self.adopt) and vm.name.startswith(self.adopt) and not vm.claimed


def _tag(vm: VM, name: str) -> str | None:
    return vm.tags.get(name, vm.tags.get(name.replace(":", "_")))


def with_key(tags: Mapping[str, str], number: int | None, colon: str = ":") -> dict[str, str]:
    """``tags`` of a VM as the cloud has them, with its pilot's key: a VM of a batch has the batch's name, and
    its number there (None: the cloud does not say) makes the key. ``colon``: what the module writes for ":"."""
    batch = tags.get(f"tfce{colon}batch")
    if batch is None or number is None:
        return dict(tags)
    return {**tags, f"tfce{colon}key": numbered_key(batch, number)}


def _is_pilot(vm: VM) -> bool:
    # A VM of a batch that somebody renamed has no key any more, but is a pilot's VM all the same.
    return pilot_key(vm) is not None or bool(_tag(vm, "tfce:batch"))


def pilot_key(vm: VM) -> str | None:
    """The key of the pilot that ``vm`` runs, or None for a VM that is no pilot of tfce's."""
    key = _tag(vm, "tfce:key") or ""
    return key if is_key(key) else None


def precedence(vm: VM) -> tuple[bool, datetime, str]:
    """Sorts VMs of one key: one that lives before one that is gone, the older before the younger."""
    return vm.state is State.DELETED, vm.created or datetime.max.replace(tzinfo=UTC), vm.id
