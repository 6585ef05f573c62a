"""The Terraform root modules: what each is called, needs, and how its state is read.

The rest of the code does not know which module serves a queue: every module takes the same variables,
and ``Module.instances`` reads ``{key: instance}`` out of its state.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from tfce.config.data import data_path
from tfce.config.options import Queue
from tfce.model.errors import ConfigError
from tfce.model.reconcile import Instance


@dataclass(frozen=True)
class Module:
    """A root module with one resource per pilot, called ``<resource>``."""

    bulk: ClassVar[bool] = False

    name: str  # its folder below terraform/
    resource: str  # "aws_instance.pilot"
    provider: str  # "hashicorp/aws"
    oldest: tuple[int, ...]  # provider versions: from this one ...
    below: tuple[int, ...]  # ... to before this one
    own: Path | None = None  # the folder of an operator's own module

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.own or data_path("terraform") / self.name

    def targets(self, keys: Collection[str]) -> list[str]:
        """The addresses that an apply for ``keys`` is about, and nothing else."""
        return [self.address(key) for key in keys]

    def failed_key(self, diagnostic: Mapping[str, Any]) -> str | None:
        """The pilot that a diagnostic of ``apply -json`` is about, or None where it is no pilot's failure."""
        return self.key(diagnostic.get("address") or "") if diagnostic.get("severity") == "error" else None

    def reason(self, diagnostic: Mapping[str, Any]) -> str:
        """What a diagnostic says of its pilot."""
        return f"{diagnostic.get('summary', '')}: {diagnostic.get('detail', '')}".strip(": ")

    def address(self, key: str) -> str:
        """The resource address of the pilot ``key``."""
        return f'{self.resource}["{key}"]'

    def key(self, address: str) -> str | None:
        """The pilot's key in a resource address, or None where it is not a pilot's."""
        prefix = f'{self.resource}["'
        return address[len(prefix) : -2] if address.startswith(prefix) else None

    def instances(self, state: Mapping[str, Any]) -> dict[str, Instance]:
        """The pilots in a state as ``terraform state pull`` prints it (format 4)."""
        found: dict[str, Instance] = {}
        for entry in self._entries(state):
            identity = (entry.get("attributes") or {}).get("id")
            if identity and not entry.get("deposed"):
                found[entry["index_key"]] = Instance(identity, entry.get("status") == "tainted")
        return found

    def _entries(self, state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The state's entries of this module's resource."""
        kind, _, name = self.resource.partition(".")
        for resource in state.get("resources") or ():
            if (resource.get("mode"), resource.get("type"), resource.get("name")) == ("managed", kind, name):
                yield from resource.get("instances") or ()


@dataclass(frozen=True)
class BulkModule(Module):
    """A root module with one resource for all pilots, of tfce's own provider."""

    bulk: ClassVar[bool] = True

    def targets(self, keys: Collection[str]) -> list[str]:
        return [self.resource]

    def instances(self, state: Mapping[str, Any]) -> dict[str, Instance]:
        found: dict[str, Instance] = {}
        for entry in self._entries(state):
            ids = (entry.get("attributes") or {}).get("ids") or {}
            found |= {key: Instance(node, entry.get("status") == "tainted") for key, node in ids.items()}
        return found


OUR_PROVIDER = "tfce/tfce"
BULK = BulkModule("bulk", "tfce_pilots.queue", OUR_PROVIDER, (0,), (10**6,))
AWS = Module("aws", "aws_instance.pilot", "hashicorp/aws", (3, 39), (6,))
OPENSTACK = Module(
    "openstack", "openstack_compute_instance_v2.pilot", "terraform-provider-openstack/openstack", (3,), (4,)
)
# The data sources that look names up, and the option that has the name.
_LOOK_UPS = {
    "aws_ami": "Instance_Image",
    "aws_subnet": "Instance_Networks",
    "aws_security_group": "Terraform_SecurityGroups",
    "openstack_images_image_v2": "Instance_Image",
    "openstack_compute_flavor_v2": "Instance_Flavor",
    "openstack_networking_network_v2": "Instance_Networks",
    "tfce_image": "Instance_Image",
    "tfce_flavor": "Instance_Flavor",
    "tfce_network": "Instance_Networks",
    "tfce_security_group": "Terraform_SecurityGroups",
}
_NATIVE = {module.name: module for module in (AWS, OPENSTACK)}


def module_for(queue: Queue) -> Module:
    """The root module that serves ``queue``: the one that Terraform_Module asks for. Clouds for which there is
    no ready-made provider are always served in bulk."""
    named = queue.terraform.module
    if isinstance(named, Path):
        return _own(named)
    return BULK if named == "bulk" else _NATIVE.get(queue.endpoint.capabilities.native, BULK)


def _own(folder: Path) -> Module:
    """An operator's module: which of tfce's kinds it is, its pilots' resource says."""
    try:
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.tf")))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("Terraform_Module", str(folder), f"cannot be read ({error})", "correct it") from None
    name = f"own-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    found = re.search(r'^\s*resource\s+"tfce_pilots"\s+"(\w+)"', text, re.MULTILINE)
    if found:
        return replace(BULK, name=name, resource=f"tfce_pilots.{found.group(1)}", own=folder)
    for module in _NATIVE.values():
        kind, _, pilot = module.resource.partition(".")
        if re.search(rf'^\s*resource\s+"{kind}"\s+"{pilot}"', text, re.MULTILINE):
            return replace(module, name=name, own=folder)
    known = ", ".join(["tfce_pilots", *(f'"{m.resource}"' for m in _NATIVE.values())])
    raise ConfigError(
        "Terraform_Module", str(folder), "its *.tf files make no pilots", f"write one of the resources {known}"
    )


def option_of(address: str) -> str | None:
    """The option whose name the data source at ``address`` looks up, or None where it is no data source."""
    kind, _, rest = address.partition(".")
    return _LOOK_UPS.get(rest.partition(".")[0]) if kind == "data" else None


def strangers(state: Mapping[str, Any], module: Module) -> dict[str, list[str]]:
    """Pilots in a state that another module made: their keys by the resource's address."""
    found: dict[str, list[str]] = {}
    for resource in state.get("resources") or ():
        address = f"{resource.get('type')}.{resource.get('name')}"
        pilots = resource.get("name") == "pilot" or resource.get("type") == "tfce_pilots"
        if resource.get("mode") != "managed" or not pilots or address == module.resource or resource.get("module"):
            continue
        keys = found.setdefault(address, [])
        for entry in resource.get("instances") or ():
            ids = (entry.get("attributes") or {}).get("ids") or {}
            keys += [str(entry["index_key"])] if "index_key" in entry else list(ids)
    return found
