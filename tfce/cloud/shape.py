"""What a VM is made of, and how the VMs of pilots and batches are called."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tfce.model.pilot import Batch
from tfce.model.vm import Owner

KINDS = ("image", "flavor", "network", "security_group")  # what can be looked up by name


@dataclass(frozen=True)
class Shape:
    """What every new VM of a queue is made of; all references are ids, not ``name:`` ones. ``options`` are
    further settings of the cloud's own create call, none of them secret."""

    owner: Owner
    name_prefix: str
    image: str
    flavor: str
    networks: tuple[str, ...] = ()
    key_pair: str | None = None
    security_groups: tuple[str, ...] = ()
    availability_zone: str | None = None
    root_volume_gb: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    def tags_of(self, asked: str | Batch) -> dict[str, str]:
        """The tags of the VM of a pilot (by key), or of each VM of a batch; tfce's own cannot be replaced."""
        own = {"tfce:batch": asked.name} if isinstance(asked, Batch) else {"tfce:key": asked}
        return {**self.tags, **self.owner.tags(), **own}

    def name_of(self, asked: str | Batch) -> str:
        """The name of a pilot's VM, or of all of a batch, to which the cloud may add a number."""
        return f"{self.name_prefix}{asked.name if isinstance(asked, Batch) else asked}"

    def token_of(self, asked: str | Batch) -> str:
        """What makes a repeated request the same request, where the cloud knows such a thing."""
        owner = self.owner
        text = "\0".join((owner.installation, owner.ce, owner.queue, self.name_of(asked)))
        return hashlib.sha256(text.encode()).hexdigest()[:48]
