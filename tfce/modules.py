"""The Terraform root modules: what each is called, needs, and how its state is read.

The rest of the code does not know which module serves a queue: every module takes the same variables,
and ``Module.instances`` reads ``{key: instance}`` out of its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfce.options import Queue


@dataclass(frozen=True)
class Instance:
    """One entry of the state: the VM's id, and whether Terraform would replace it (tainted)."""

    id: str
    tainted: bool


@dataclass(frozen=True)
class Module:
    """A root module with one resource per pilot, called ``<resource>``."""

    name: str  # its folder below terraform/
    resource: str  # "aws_instance.pilot"
    provider: str  # "hashicorp/aws"
    oldest: tuple[int, ...]  # provider versions: from this one ...
    below: tuple[int, ...]  # ... to before this one

    def address(self, key: str) -> str:
        """The resource address of the pilot ``key``."""
        return f'{self.resource}["{key}"]'

    def key(self, address: str) -> str | None:
        """The pilot's key in a resource address, or None where it is not a pilot's."""
        prefix = f'{self.resource}["'
        return address[len(prefix) : -2] if address.startswith(prefix) else None

    def instances(self, state: Mapping[str, Any]) -> dict[str, Instance]:
        """The pilots in a state as ``terraform state pull`` prints it (format 4)."""
        kind, _, name = self.resource.partition(".")
        found: dict[str, Instance] = {}
        for resource in state.get("resources") or ():
            if (resource.get("mode"), resource.get("type"), resource.get("name")) != ("managed", kind, name):
                continue
            for entry in resource.get("instances") or ():
                identity = (entry.get("attributes") or {}).get("id")
                if identity and not entry.get("deposed"):
                    found[entry["index_key"]] = Instance(identity, entry.get("status") == "tainted")
        return found


AWS = Module("aws", "aws_instance.pilot", "hashicorp/aws", (3, 39), (6,))
OPENSTACK = Module(
    "openstack", "openstack_compute_instance_v2.pilot", "terraform-provider-openstack/openstack", (3,), (4,)
)
_BY_CLOUD = {"EC2": AWS, "OPENSTACK": OPENSTACK}


def module_for(queue: Queue) -> Module:
    """The root module that serves ``queue``."""
    return _BY_CLOUD[queue.cloud]
