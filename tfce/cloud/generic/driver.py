"""One of libcloud's drivers, within our bounds: what it is asked to do, and the VMs that it lists or knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from libcloud.common.base import Connection

from tfce.cloud.calls import plain_call
from tfce.cloud.explain import explained
from tfce.cloud.generic.errors import reason_of_message, says_no_such
from tfce.cloud.generic.nodes import tags_of_name, vm_of
from tfce.cloud.generic.signature import driver_class, login_of, signature_of
from tfce.cloud.http import BoundaryError
from tfce.cloud.libcloud_errors import translated
from tfce.cloud.listing import Listing, collect
from tfce.cloud.transport import Transport
from tfce.config.capabilities import Capabilities
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model.errors import CloudError, ConfigError
from tfce.model.vm import VM, Owner


class DriverSession:
    """A driver and its connection. Its ``calls`` count what the driver was asked to do."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        self.calls: Counter[str] = Counter()
        self._endpoint, self._credentials = endpoint, credentials
        self._secrets = credentials.secrets()
        self._class = driver_class(endpoint.cloud)
        refusal = signature_of(self._class).refusal
        if refusal:
            raise ConfigError("CloudType", endpoint.cloud, refusal, "use one of docs/drivers.md that takes pilots")
        self._known: Any = None
        self._transport = Transport(endpoint, credentials, self._note, lambda method, url: self._reading)
        self._reading, self._asked = False, 0

    def _note(self, method: str, url: str, body: Any) -> str:
        """One request of what the driver was asked to do: drivers read page after page by themselves."""
        self._asked += 1
        if self._asked > self._transport.limits.pages:
            raise BoundaryError(f"{self._asked} requests have brought no end")
        return plain_call(method, url)

    @property
    def _driver(self) -> Any:
        if self._known is None:
            with translated("connecting", self._secrets):
                self._known = self._connected()
        return self._known

    def _connected(self) -> Any:
        login = login_of(self._class, self._credentials.key, self._credentials.secret)
        try:
            made = self._class(**login, **self._endpoint.driver)
        except (TypeError, ValueError) as error:
            raise ConfigError("Driver_*", "", f"libcloud refuses them ({error})", "correct them") from None
        _bind(getattr(made, "connection", None), self._transport)
        return made

    def _do(self, asking: str, method: str, *args: Any, **kwargs: Any) -> Any:
        self.calls[method] += 1
        self._asked, self._reading = 0, method.startswith("list_") or "get_node" in method
        self._transport.last.status = 0
        with explained(asking, reason_of_message), translated(asking, self._secrets):
            return getattr(self._driver, method)(*args, **kwargs)

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._endpoint.capabilities, by_id=bool(signature_of(self._class).look_up))

    def vms(self, *owners: Owner) -> Listing:
        return self._listed("listing VMs", owners).of_queues(owners)

    def everyone(self) -> Listing:
        return self._listed("listing VMs", ())

    def part(self, found: Listing, owner: Owner) -> Listing:
        return found.of(replace(vm, tags=tags_of_name(vm.name, owner)) for vm in found).of_queues([owner])

    def _listed(self, asking: str, owners: Sequence[Owner]) -> Listing:
        nodes = self._do(asking, "list_nodes")
        with translated(asking, self._secrets):
            found = collect(asking, nodes, partial(vm_of, owners=owners))
        found.cloud_time = self._transport.last.time
        return found

    def vm(self, vm_id: str) -> VM | None:
        asking = f"looking for {vm_id}"
        if not self._look_up:
            return self._in_the_list(vm_id)
        node = self._node(vm_id)
        if node is None:
            return None
        with translated(asking, self._secrets):
            found = collect(asking, [node], partial(vm_of, owners=()))
        if [vm.id for vm in found] != [vm_id]:
            raise CloudError(f"{asking}: the cloud's answer is about something else", "unreachable")
        return found[0]

    @property
    def _look_up(self) -> str:
        return signature_of(type(self._driver)).look_up

    def _node(self, vm_id: str) -> Any:
        """libcloud's node of this id; None where the cloud says that there is none. Raises ``CloudError``."""
        if not self._look_up:
            raise CloudError("its VM is not listed now, and libcloud has no call that asks for one VM")
        try:
            return self._do(f"looking for {vm_id}", self._look_up, vm_id)
        except CloudError as error:
            if says_no_such(self._transport.last, error.problem):
                return None
            raise

    def _in_the_list(self, vm_id: str) -> VM | None:
        listed = self._listed(f"looking for {vm_id}", ())
        for vm in listed:
            if vm.id == vm_id:
                return vm
        if not listed or not listed.complete:
            what = "an empty list" if listed.complete else "a list with odd records"
            raise CloudError(f"looking for {vm_id}: {what} is not believed", "unreachable")
        return None


def _bind(connection: Any, transport: Transport) -> None:
    """Let a driver that speaks HTTP through libcloud do so within our bounds."""
    if isinstance(connection, Connection):
        connection.conn_class = transport.connection
        connection.connect()  # opens nothing yet
