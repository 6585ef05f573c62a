"""libcloud's nodes as VMs, and the names that tell whose they are.

Not every cloud has metadata, but each VM has a name: ``<prefix><6 hex: CE and queue><6 hex: installation>-<key>``.
A VM whose name does not end like that, both marks included, is nobody of ours and is never touched.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any

from libcloud.compute.types import NodeState

from tfce.cloud import records
from tfce.model.vm import VM, Owner, State

# libcloud's words for a VM, and what they mean for its pilot. Any other word is State.UNKNOWN.
STATES = {
    NodeState.STARTING: State.BOOTING,
    NodeState.PENDING: State.BOOTING,
    NodeState.RUNNING: State.RUNNING,
    NodeState.REBOOTING: State.RUNNING,
    NodeState.STOPPING: State.RUNNING,
    NodeState.MIGRATING: State.RUNNING,
    NodeState.STOPPED: State.STOPPED,
    NodeState.TERMINATED: State.DELETED,
    NodeState.ERROR: State.FAILED,
}
_NAME = re.compile(r"([0-9a-f]{6})([0-9a-f]{6})-([0-9a-f]{8})$", re.IGNORECASE)
_CREATED = ("created", "created_at", "creationTimestamp", "launch_time")  # of drivers that fill no created_at


@functools.lru_cache(maxsize=1024)
def _marks(owner: Owner) -> tuple[str, str]:
    texts = (f"{owner.ce}\0{owner.queue}", owner.installation)
    first, second = (hashlib.sha256(text.encode()).hexdigest()[:6] for text in texts)
    return first, second


def name_of(owner: Owner, prefix: str, key: str) -> str:
    """The name of the VM of pilot ``key``: lower case, as some clouds want it."""
    return f"{prefix}{''.join(_marks(owner))}-{key.lower()}"


def vm_of(node: Any, owners: Iterable[Owner]) -> VM:
    """A node of libcloud's as a VM of one of these owners, or nobody's. Raises ``InvalidRecordError``."""
    name = records.name(getattr(node, "name", None))
    state = getattr(node, "state", None)
    return VM(
        id=records.identity(getattr(node, "id", None)),
        name=name,
        state=STATES.get(state, State.UNKNOWN) if isinstance(state, Hashable) else State.UNKNOWN,
        raw_state=records.name(str(state), "state", 64),
        created=created_of(node),
        tags=max((tags_of_name(name, owner) for owner in owners), key=len, default={}),
    )


def created_of(node: Any) -> datetime | None:
    """When a node or image was made, where its driver says so in whatever way. Raises ``InvalidRecordError``."""
    extra = getattr(node, "extra", None) or {}
    found = (extra.get(name) for name in _CREATED) if isinstance(extra, Mapping) else ()
    told = getattr(node, "created_at", None) or next(filter(None, found), None)
    return records.moment(told.isoformat() if isinstance(told, datetime) else told)


def tags_of_name(name: str, owner: Owner) -> dict[str, str]:
    """The tags that the name of a VM stands for, as far as it is this owner's."""
    found = _NAME.search(name)
    queue, installation = _marks(owner)
    if not found or found.group(1).lower() != queue:
        return {}
    tags = {"tfce:ce": owner.ce, "tfce:queue": owner.queue, "tfce:key": found.group(3).upper()}
    if found.group(2).lower() == installation:
        tags["tfce:installation"] = owner.installation
    return tags
