"""Any cloud that libcloud has a driver for: pilots are known by their VMs' names (see ``nodes``)."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from libcloud.compute.base import NodeImage, NodeSize

from tfce.cloud import records
from tfce.cloud.api import Check, Requirements
from tfce.cloud.generic import lookup
from tfce.cloud.generic.driver import DriverSession
from tfce.cloud.generic.nodes import name_of
from tfce.cloud.generic.signature import signature_of, user_data_argument
from tfce.cloud.libcloud_errors import translated
from tfce.cloud.listing import Listing
from tfce.cloud.pool import AT_ONCE, run_pool
from tfce.cloud.records import InvalidRecordError
from tfce.cloud.shape import Shape
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model import fork
from tfce.model.errors import CloudError
from tfce.model.images import Image
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import VM

_LISTS = {"image": "list_images", "flavor": "list_sizes", "network": "list_networks"}
_START = "ex_start_vm"  # of CloudStack: without it a VM is made and stays off
_ROOT = "root_pass"  # of Linode, which makes no VM without one: each gets its own, and nobody is told
_LOCATION = "set Terraform_AvailabilityZone to the id or name of one that the cloud has"
_KEY_PAIR = ("ex_keyname", "ex_key_name", "ex_keypair", "ex_keypair_name")
_GROUPS = ("ex_security_groups", "ex_security_group_ids")


class Generic(DriverSession):
    """The ``Cloud`` of any libcloud driver."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        super().__init__(endpoint, credentials)
        self._catalogue = _Catalogue()

    def destroy(self, vm_ids: Iterable[str]) -> dict[str, str]:
        wanted = dict.fromkeys(vm_ids)
        listed = self._do("listing VMs", "list_nodes") if wanted else []
        nodes = {str(node.id): node for node in listed if str(node.id) in wanted}
        unlisted = self._unlisted([node_id for node_id in wanted if node_id not in nodes], nodes)
        return unlisted | self._destroyed(list(nodes.values()))

    def _unlisted(self, ids: Iterable[str], nodes: dict[str, Any]) -> dict[str, str]:
        """Add to ``nodes`` what the list lacks; the refusals of those of which nobody can tell whether they are
        gone."""
        refused: dict[str, str] = {}
        for node_id in ids:
            try:
                node = self._node(node_id)
            except CloudError as error:
                refused[node_id] = error.message
                continue
            if node is not None:
                nodes[node_id] = node
        return refused

    def _destroyed(self, nodes: Sequence[Any]) -> dict[str, str]:
        workers = [self, *(self.clone() for _ in range(min(len(nodes), AT_ONCE) - 1))]
        refused = _removed(workers, nodes)
        for own in workers[1:]:
            self.calls.update(own.calls)
        return refused

    def remove(self, node: Any) -> None:
        """Remove one of libcloud's nodes. Raises ``CloudError``."""
        if not self._do(f"removing {node.id}", "destroy_node", node):
            raise CloudError("the cloud did not remove it")

    def console(self, vm_id: str) -> str | None:
        return None  # libcloud has no call for it that all drivers share

    def token(self) -> str:
        return ""

    def network_zones(self, networks: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(networks, "")  # a VM has all of them, wherever it is

    def preflight(self, required: Requirements) -> list[Check]:
        named = [
            *(("flavor", "Instance_Flavor", flavor) for flavor in required.shape.flavors),
            *(("network", "Instance_Networks", network) for network in required.shape.networks),
        ]
        checks = [
            lookup.image_check(self._items, required.shape.image),
            *(lookup.check(self._items, *one) for one in named),
        ]
        return [*checks, *map(self._place_check, required.shape.zones or self._unplaced())]

    def _unplaced(self) -> tuple[str, ...]:
        return ("",) if "location" in signature_of(type(self._driver)).needs else ()

    def _place_check(self, zone: str) -> Check:
        if not zone:
            return Check("location", False, f"{self._endpoint.cloud} wants one for each VM", _LOCATION)
        try:
            self._location(zone)
        except CloudError as error:
            return Check("location", False, error.message, _LOCATION)
        return Check("location", True, zone)

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        with translated(f"starting pilot {key}", self._secrets):
            arguments = self._arguments(shape, key, user_data)
        node = self._do(f"starting pilot {key}", "create_node", **arguments)
        try:
            return records.identity(getattr(node, "id", None))
        except InvalidRecordError:
            raise CloudError(f"starting pilot {key}: the cloud's answer names no VM", "unreachable") from None

    def _arguments(self, shape: Shape, key: str, user_data: str) -> dict[str, Any]:
        parameters = inspect.signature(self._driver.create_node).parameters
        able = signature_of(type(self._driver))
        values: dict[str, Any] = {_START: True} if _START in parameters else {}
        values |= {_ROOT: secrets.token_urlsafe(32)} if _ROOT in parameters else {}
        values |= shape.options
        values |= {
            "name": name_of(shape.owner, shape.name_prefix, key),
            "image": self._item("image", shape.image) or NodeImage(shape.image, shape.image, self._driver),
            "size": self._item("flavor", shape.flavor)
            or NodeSize(shape.flavor, shape.flavor, None, None, None, None, self._driver),
            able.user_data: user_data_argument(able.user_data, user_data),
        }
        if able.metadata and able.user_data != "ex_metadata":
            values["ex_metadata"] = shape.tags_of(key)
        _place(values, parameters, _KEY_PAIR, shape.key_pair, "Instance_SSHKey")
        _place(values, parameters, _GROUPS, list(shape.security_groups), "Terraform_SecurityGroups")
        networks = [self._item("network", network) or network for network in shape.networks]
        _place(values, parameters, ("networks", "ex_networks"), networks, "Instance_Networks")
        if shape.availability_zone:
            values["location"] = self._location(shape.availability_zone)
        if "location" in able.needs and "location" not in values:
            raise CloudError(f"{self._endpoint.cloud} wants a location for each VM: {_LOCATION}")
        missing = [name for name in able.needs if name not in values]
        if missing:
            raise CloudError(f"libcloud's create_node needs {', '.join(missing)}: name it in the module's options")
        return values

    def _location(self, wanted: str) -> Any:
        found = self._catalogue.get("location", partial(self._do, "listing locations", "list_locations"))
        for location in found:
            if wanted in (str(location.id), location.name):
                return location
        raise CloudError(f"there is no location {wanted}")

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM]:
        raise CloudError("libcloud's drivers start VMs one by one")

    def granted(self, shape: Shape, batches: Collection[Batch]) -> list[VM]:
        return []

    def find_existing(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> Listing:
        found = self.vms(shape.owner)
        return found.of(vm for vm in found if vm.key in keys)

    def account(self) -> str:
        return ""

    def cores(self, flavor: str) -> int | None:
        return None

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        return [str(item.id) for item in self._items(kind) if item.name == name]

    def images(self, wanted: str, owners: Collection[str] = (), visible: Collection[str] = ()) -> list[Image]:
        return lookup.matching(self._items("image"), wanted)

    def _items(self, kind: str) -> list[Any]:
        if kind not in _LISTS or not hasattr(self._driver, _LISTS[kind]):
            raise CloudError(f"libcloud's driver has no list of {kind}s: give ids instead of names")
        return self._catalogue.get(kind, partial(self._do, f"listing {kind}s", _LISTS[kind]))

    def _item(self, kind: str, identity: str) -> Any:
        with suppress(CloudError):
            return next((item for item in self._items(kind) if str(item.id) == identity), None)
        return None

    def clone(self) -> Generic:
        clone = Generic(self._endpoint, self._credentials)
        clone._catalogue = self._catalogue
        return clone


def _removed(workers: Sequence[Generic], nodes: Iterable[Any]) -> dict[str, str]:
    """Remove ``nodes``, several at a time; the refusals by id. A cloud that does not answer costs each worker one
    wait, however many VMs are to go."""
    refused: dict[str, str] = {}
    silent: list[str] = []

    def remove(own: Generic, node: Any) -> bool:
        try:
            own.remove(node)
        except CloudError as error:
            refused[str(node.id)] = error.message
            if error.reason.kind is Kind.UNREACHABLE:
                silent.append(error.message)
                return False
        return True

    for node in run_pool(workers, nodes, remove):
        refused[str(node.id)] = f"not asked for, since the cloud did not answer before ({silent[0]})"
    return refused


class _Catalogue:
    """The cloud's lists, each asked for once, whichever thread needs it first."""

    def __init__(self) -> None:
        self._lock = fork.Lock()
        self._lists: dict[str, list[Any]] = {}

    def get(self, kind: str, ask: Callable[[], Iterable[Any]]) -> list[Any]:
        with self._lock:
            if kind not in self._lists:
                self._lists[kind] = list(ask())
            return self._lists[kind]


def _place(values: dict[str, Any], parameters: Any, names: tuple[str, ...], value: Any, option: str) -> None:
    if not value:
        return
    name = next((name for name in names if name in parameters), None)
    if name is None:
        text = f"libcloud's driver takes no such thing as {option} when it creates a VM"
        raise CloudError(text, reason=Reason(Kind.CONFIGURATION, text, cure=f"unset {option}"))
    values[name] = value
