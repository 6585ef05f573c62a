"""EC2, and clouds that speak its API, as tfce's contract wants a cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from tfce.cloud.api import Check, Requirements
from tfce.cloud.ec2 import images, preflight, vms, zones
from tfce.cloud.ec2.create import InstanceLauncher
from tfce.cloud.ec2.session import Session
from tfce.cloud.listing import Listing
from tfce.cloud.shape import Shape
from tfce.config.capabilities import Capabilities
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model.images import NAMED, Image
from tfce.model.pilot import Batch
from tfce.model.vm import VM, Owner


class Ec2:
    """The ``Cloud`` of an EC2."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, root: tuple[str, str] = ("", "")) -> None:
        self._endpoint, self._credentials = endpoint, credentials
        self._session = Session(endpoint, credentials)
        self._launcher = InstanceLauncher(self._session, root)
        self.calls: Counter[str] = self._session.calls

    @property
    def capabilities(self) -> Capabilities:
        return self._endpoint.capabilities

    def vms(self, *owners: Owner) -> Listing:
        return vms.owned(self._session, owners)

    def everyone(self) -> Listing:
        return vms.everyone(self._session)

    def part(self, found: Listing, owner: Owner) -> Listing:
        return found.of_queues([owner])

    def vm(self, vm_id: str) -> VM | None:
        return vms.one(self._session, vm_id)

    def find_existing(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> Listing:
        return vms.existing(self._session, shape.owner, keys, batches)

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        return self._launcher.one(shape, key, user_data).id

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM]:
        return self._launcher.batch(shape, batch, user_data)

    def granted(self, shape: Shape, batches: Collection[Batch]) -> list[VM]:
        return self.find_existing(shape, (), batches)

    def destroy(self, vm_ids: Iterable[str]) -> dict[str, str]:
        return vms.destroy(self._session, vm_ids)

    def console(self, vm_id: str) -> str | None:
        return vms.console(self._session, vm_id)

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        if kind == "image":
            return [image.id for image in self.images(f"{NAMED}{name}", owners)]
        return preflight.find(self._session, kind, name)

    def images(self, wanted: str, owners: Collection[str] = (), visible: Collection[str] = ()) -> list[Image]:
        return images.matching(self._session, wanted, owners)

    def network_zones(self, networks: Collection[str]) -> dict[str, str]:
        return zones.of_networks(self._session, networks)

    def cores(self, flavor: str) -> int | None:
        return preflight.cores(self._session, flavor)

    def preflight(self, required: Requirements) -> list[Check]:
        return preflight.preflight(self._session, required)

    def account(self) -> str:
        return vms.account(self._session)

    def token(self) -> str:
        return ""

    def clone(self) -> Ec2:
        return Ec2(self._endpoint, self._credentials, self._launcher.root)
