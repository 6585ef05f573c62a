"""What the cloud says exists. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum

from tfce.model.pilot import is_key, numbered_key, reference
from tfce.model.reasons import Reason


class State(Enum):
    """A VM's state, as far as a pilot is concerned; the value is DIRAC's word for the pilot."""

    BOOTING = "Waiting"
    RUNNING = "Running"
    STOPPED = "Done"
    FAILED = "Failed"
    DELETED = "Deleted"
    UNKNOWN = "Unknown"  # a state that says neither that the pilot lives nor that it ended: nothing is done


@dataclass(frozen=True)
class VM:
    """One VM in the cloud. ``raw_state`` is the cloud's own word, ``created`` and ``ended`` (since when it does
    not run any more) are aware (UTC), or None where the cloud does not tell, ``fault`` is the cloud's reason
    when the VM failed."""

    id: str
    name: str
    state: State
    raw_state: str
    created: datetime | None
    tags: Mapping[str, str] = field(default_factory=dict)
    fault: Reason | None = None
    ended: datetime | None = None

    @property
    def reference(self) -> str:
        """The pilot reference of this VM."""
        return reference(self.id)


@dataclass(frozen=True)
class Owner:
    """Who a VM belongs to: installation, CE and queue must match before tfce counts, polls or removes it.

    ``adopt``: the start of the names of VMs that another computing element has left to this queue, "" for
    none. They bear no tags of tfce's.
    """

    installation: str
    ce: str
    queue: str
    adopt: str = ""

    def tags(self) -> dict[str, str]:
        """The tags Terraform puts on each VM (a module may spell ":" as "_")."""
        return {"tfce:installation": self.installation, "tfce:ce": self.ce, "tfce:queue": self.queue}

    def owns(self, node: VM) -> bool:
        """Whether ``node`` was created by this installation's queue, or left to it."""
        if self.left_over(node):
            return True
        return _is_pilot(node) and all(_tag(node, k) == v for k, v in self.tags().items())

    def same_queue(self, node: VM) -> bool:
        """Whether ``node`` belongs to this queue, whichever installation made it."""
        if self.left_over(node):
            return True
        tags = self.tags().items()
        return _is_pilot(node) and all(_tag(node, k) == v for k, v in tags if k != "tfce:installation")

    def left_over(self, node: VM) -> bool:
        """Whether another computing element left ``node`` to this queue."""
        ours = any(name.startswith(("tfce:", "tfce_")) for name in node.tags)
        return bool(self.adopt) and node.name.startswith(self.adopt) and not ours


def _tag(node: VM, name: str) -> str | None:
    return node.tags.get(name, node.tags.get(name.replace(":", "_")))


def with_key(tags: Mapping[str, str], number: int | None, colon: str = ":") -> dict[str, str]:
    """``tags`` of a VM as the cloud has them, with its pilot's key: a VM of a batch bears the batch's name, and
    its number there (None: the cloud does not say) makes the key. ``colon``: what the module writes for ":"."""
    batch = tags.get(f"tfce{colon}batch")
    if batch is None or number is None:
        return dict(tags)
    return {**tags, f"tfce{colon}key": numbered_key(batch, number)}


def keyed(node: VM, key: str) -> VM:
    """``node`` as the VM of pilot ``key``."""
    return replace(node, tags={**node.tags, "tfce:key": key})


def _is_pilot(node: VM) -> bool:
    # A VM of a batch that somebody renamed has no key any more, but is a pilot's VM all the same.
    return pilot_key(node) is not None or bool(_tag(node, "tfce:batch"))


def pilot_key(node: VM) -> str | None:
    """The key of the pilot that ``node`` runs, or None for a VM that is no pilot of tfce's."""
    key = _tag(node, "tfce:key") or ""
    return key if is_key(key) else None


def by_key(nodes: Iterable[VM]) -> dict[str, VM]:
    """One VM for each key: one that lives before one that is gone, the older before the younger."""
    best: dict[str, VM] = {}
    for node in sorted(nodes, key=_precedence):
        key = pilot_key(node)
        if key is not None:
            best.setdefault(key, node)
    return best


def _precedence(node: VM) -> tuple[bool, datetime, str]:
    return node.state is State.DELETED, node.created or datetime.max.replace(tzinfo=UTC), node.id
