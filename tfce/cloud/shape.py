"""Making VMs through libcloud: what tfce's own Terraform provider asks of a cloud beyond ``Cloud``."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tfce.cloud.api import Cloud
from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.model.pilot import Batch
from tfce.model.vm import VM, Owner

BATCHES = ("EC2", "OPENSTACK")  # clouds that start several VMs in one request, and number them
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


class Creator(Cloud, Protocol):
    """A cloud that tfce's provider can make VMs in. One object serves one thread: ``twin`` gives another."""

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        """Ask for the VM of pilot ``key``; its id. Does not wait until it runs. Raises ``CloudError``: of kind
        "unreachable" where the VM may exist in spite of it."""

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM]:
        """Ask for all VMs of ``batch`` in one request, of which the cloud may grant fewer; what it lists of them
        then. Only where ``BATCHES`` names the cloud. Raises like ``create``."""

    def having(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
        """The VMs of these pilots and batches, as ``nodes`` lists them: where the cloud can search, in an answer
        that does not grow with what else runs. Others may be among them."""

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        """The ids of the ``kind`` (one of ``KINDS``) called ``name``, exactly, in one look-up; ``owners`` of an
        image, where everybody can publish some."""

    def twin(self) -> Creator:
        """Another connection with the same login, for another thread; it counts its calls by itself."""


def connect(queue: Queue, credentials: Credentials) -> Creator:
    """The cloud of ``queue``, able to make VMs. Nothing is asked of it yet. Raises ``ConfigError`` for a cloud
    in which tfce cannot start pilots."""
    if queue.endpoint.cloud == "EC2":
        from tfce.cloud.ec2.create import Ec2Creator

        return Ec2Creator(queue, credentials)
    if queue.endpoint.cloud == "OPENSTACK":
        from tfce.cloud.openstack.create import OpenStackCreator

        return OpenStackCreator(queue, credentials)
    from tfce.cloud.generic.vms import GenericCreator

    return GenericCreator(queue, credentials)
