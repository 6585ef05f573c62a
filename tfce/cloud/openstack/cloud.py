"""OpenStack as tfce's contract wants a cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from tfce.cloud.api import Check, Requirements
from tfce.cloud.listing import Listing
from tfce.cloud.openstack import create, vms
from tfce.cloud.openstack.lookup import find, images, matching
from tfce.cloud.openstack.preflight import Preflight
from tfce.cloud.openstack.session import Session
from tfce.cloud.shape import Shape
from tfce.config.capabilities import Capabilities
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model.images import Image
from tfce.model.pilot import Batch
from tfce.model.vm import VM, Owner


class OpenStack:
    """The ``Cloud`` of an OpenStack."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, session: Session | None = None) -> None:
        self._endpoint, self._credentials = endpoint, credentials
        self._session = session or Session(endpoint, credentials)
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
        return vms.existing(self._session, shape, keys, batches)

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        return create.create(self._session, shape, key, user_data)

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> None:
        create.create_batch(self._session, shape, batch, user_data)

    def granted(self, shape: Shape, batches: Collection[Batch]) -> list[VM]:
        return create.granted(self._session, shape, batches)

    def destroy(self, vm_ids: Iterable[str]) -> dict[str, str]:
        return vms.destroy(self._session, vm_ids)

    def console(self, vm_id: str) -> str | None:
        return vms.console(self._session, vm_id)

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        return find(self._session, kind, name)

    def cores(self, flavor: str) -> int | None:
        found = matching(self._session, "flavor", flavor)
        return found[0]["vcpus"] or None if len(found) == 1 else None

    def images(self, wanted: str, owners: Collection[str] = (), visible: Collection[str] = ()) -> list[Image]:
        return images(self._session, wanted, visible)

    def network_zones(self, networks: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(networks, "")  # a VM has all of them, wherever it is

    def preflight(self, required: Requirements) -> list[Check]:
        return Preflight(required, self._session).all()

    def account(self) -> str:
        self._session.token()
        return self._session.login.project

    def token(self) -> str:
        return self._session.token()

    def clone(self) -> OpenStack:
        return OpenStack(self._endpoint, self._credentials, self._session.clone())
