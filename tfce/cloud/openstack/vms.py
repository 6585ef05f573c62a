"""OpenStack's nova: polling and removal of VMs."""

from __future__ import annotations

import os
import re
import threading
import urllib.parse
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.openstack_identity import OpenStackIdentity_3_0_Connection
from libcloud.compute.drivers.openstack import OpenStack_2_NodeDriver
from libcloud.http import LibcloudConnection

from tfce.cloud.api import Check
from tfce.cloud.calls import plain_call
from tfce.cloud.edge import TIMEOUT, translated
from tfce.cloud.openstack.login import SharedLogin
from tfce.cloud.pool import share_out
from tfce.config import openstack_logins
from tfce.config.credentials import LOGIN, Credentials
from tfce.config.options import Queue
from tfce.model.errors import CloudError, mask
from tfce.model.vm import VM, Owner, State, with_key

# Nova's words for a server, and what they mean for its pilot. Any other word is State.UNKNOWN, which counts and
# polls as running: such a VM may go on, and only its lifetime ends it.
STATES = {
    "BUILD": State.BOOTING,
    "REBUILD": State.BOOTING,
    "ACTIVE": State.RUNNING,
    "REBOOT": State.RUNNING,
    "HARD_REBOOT": State.RUNNING,
    "PASSWORD": State.RUNNING,
    "MIGRATING": State.RUNNING,
    "SHUTOFF": State.STOPPED,
    "ERROR": State.FAILED,
    "DELETED": State.DELETED,
    "SOFT_DELETED": State.DELETED,
}

_EXPLAINED = 10  # failed servers of one list that are asked for their fault
# Which of libcloud's connections serves what.
_CONNECTIONS = {"compute": "connection", "image": "image_connection", "network": "network_connection"}
_AT_ONCE = 5  # servers that are removed at a time


class OpenStack:
    """The ``Cloud`` of an OpenStack queue."""

    def __init__(self, queue: Queue, credentials: Credentials, login: SharedLogin | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self._queue = queue
        self._credentials = credentials
        self._secrets = credentials.secrets()
        self._login = login or SharedLogin(os.environ.get(LOGIN, ""))
        self._lock = threading.Lock()
        self._known: OpenStack_2_NodeDriver | None = None

    @property
    def _driver(self) -> OpenStack_2_NodeDriver:
        with self._lock:
            if self._known is None:
                with translated("logging in", self._secrets):
                    self._known = self._connected()
        return self._known

    def _connected(self) -> Any:
        options = {"timeout": TIMEOUT, **self._queue.endpoint.driver}
        for ours in ("ca_cert", "cloud", "ex_tenant_id", "api_version"):
            options.pop(ours, None)
        options["ex_force_auth_url"] = openstack_logins.libcloud_auth_url(self._queue.endpoint.driver)
        options["ex_force_auth_version"] = openstack_logins.version(self._queue.endpoint.driver)
        if self._queue.endpoint.region:
            options["ex_force_service_region"] = self._queue.endpoint.region
        if self._queue.endpoint.driver.get("ex_tenant_id"):
            options.setdefault("ex_tenant_name", str(self._queue.endpoint.driver["ex_tenant_id"]))
        project = self._queue.endpoint.driver.get("ex_tenant_id")
        connections = _connections(self.calls, _ca_cert(self._queue), project, self._login)
        driver = type("Driver", (OpenStack_2_NodeDriver,), connections)
        return driver(self._credentials.key, secret=self._credentials.secret, **options)

    def token(self) -> str:
        """A token of the queue's project, fresh enough to be handed to Terraform."""
        with translated("logging in", self._secrets):
            connection = self._driver.connection
            connection.morph_action_hook("/")  # logs in where there is no token, or one that has expired
            return str(connection.auth_token)

    def login(self) -> str:
        return self._login.place

    # -- Cloud ---------------------------------------------------------------------------------------------

    def nodes(self, owner: Owner) -> list[VM]:
        return self._listed(owner, {})

    def _listed(self, owner: Owner, search: dict[str, str]) -> list[VM]:
        mine = [node for node in map(_node, self._servers(search)) if owner.same_queue(node)]
        # Nova's list leaves out why some servers failed; only the server itself says it.
        mute = [node.id for node in mine if node.state is State.FAILED and not node.fault][:_EXPLAINED]
        return [self._explained(node) if node.id in mute else node for node in mine]

    def _explained(self, node: VM) -> VM:
        try:
            return self.node(node.id) or node
        except CloudError:
            return node

    def node(self, node_id: str) -> VM | None:
        # An id that is none could become another path of the API.
        if not re.fullmatch(r"[A-Za-z0-9_-]+", node_id):
            return None
        answer = self._ask(f"looking for {node_id}", f"/servers/{node_id}")
        if answer is None:
            return None
        if "server" not in answer:
            raise CloudError(f"looking for {node_id}: the cloud's answer is not understood", "unreachable")
        return _node(answer["server"])

    def destroy(self, node_ids: Iterable[str]) -> dict[str, str]:
        ids = list(dict.fromkeys(node_ids))
        refused: dict[str, str] = {}
        silent: list[str] = []

        def remove(own: OpenStack, node_id: str) -> bool:
            try:
                own._ask(f"removing {node_id}", f"/servers/{node_id}", method="DELETE")
            except CloudError as error:
                refused[node_id] = error.message
                if error.kind == "unreachable":
                    silent.append(error.message)
                    return False
            return True

        # A cloud that does not answer costs each worker one wait, however many VMs are to go.
        workers = [self, *(self.twin() for _ in range(min(len(ids), _AT_ONCE) - 1))]
        for node_id in share_out(workers, ids, remove):
            refused[node_id] = f"not asked for, since the cloud did not answer before ({silent[0]})"
        for own in workers[1:]:
            self.calls.update(own.calls)
        return refused

    def twin(self) -> Self:
        """Another connection with the same login, for another thread; it counts its calls by itself."""
        return type(self)(self._queue, self._credentials, self._login)

    def console(self, node_id: str) -> str | None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", node_id):
            return None
        asking, path = f"asking for the console of {node_id}", f"/servers/{node_id}/action"
        # Of a VM that is off, or not up yet, nova says 404 or 409; of a hypervisor without consoles 501.
        answer = self._ask(asking, path, method="POST", data={"os-getConsoleOutput": {}}, none=(404, 409, 501))
        text = (answer or {}).get("output")
        return mask(str(text), self._secrets) if text else None

    # -- requests ------------------------------------------------------------------------------------------

    def _servers(self, search: dict[str, str]) -> Iterator[dict[str, Any]]:
        params: dict[str, str] = {**search, "limit": "1000"}
        while True:
            answer = self._ask("listing VMs", "/servers/detail", params)
            if answer is None or not isinstance(answer.get("servers"), list):
                raise CloudError("listing VMs: the cloud's answer is no list", "unreachable")
            yield from answer["servers"]
            following = [link["href"] for link in answer.get("servers_links", ()) if link.get("rel") == "next"]
            marker = (
                urllib.parse.parse_qs(urllib.parse.urlsplit(following[0]).query).get("marker")
                if following
                else None
            )
            if not marker:
                return
            params["marker"] = marker[0]

    def _ask(
        self,
        asking: str,
        path: str,
        params: dict[str, str] | None = None,
        method: str = "GET",
        data: dict[str, Any] | None = None,
        none: Collection[int] = (404,),
        service: str = "compute",
    ) -> dict[str, Any] | None:
        """The answer's JSON (empty for an empty answer), or None where the answer's code is one of ``none``."""
        with self._cured(service), translated(asking, self._secrets):
            for last in (False, True):
                try:
                    request = getattr(self._driver, _CONNECTIONS[service]).request
                    answer = request(path, params=params or {}, method=method, data=data or "").object
                    return answer if isinstance(answer, dict) else {}
                except BaseHTTPError as error:
                    if error.code in none:
                        return None
                    # A token can end before its time; libcloud has dropped it, the next request gets another.
                    if error.code != 401 or last:
                        raise
        raise AssertionError("unreachable")

    @contextmanager
    def _cured(self, service: str) -> Iterator[None]:
        """Add what to do to errors of libcloud's that only a configuration can cure."""
        try:
            yield
        except CloudError as error:
            if "Could not find specified endpoint" in error.message:
                region = self._queue.endpoint.region or "the cloud's default"
                cure = (
                    f"keystone lists no {service} service in region {region}; set Driver_ex_force_service_region"
                )
            elif "(certificate)" in error.message:
                cure = "name the certificate authority with Driver_ca_cert or OS_CACERT"
            else:
                raise
            raise CloudError(f"{error.message}; {cure}", error.kind) from None

    # -- preflight -----------------------------------------------------------------------------------------

    def checks(self) -> list[Check]:
        from tfce.cloud.openstack.preflight import preflight

        return preflight(self._queue, self._driver, self._secrets)


def _ca_cert(queue: Queue) -> str | None:
    return queue.endpoint.driver.get("ca_cert") or os.environ.get("OS_CACERT")


def _connections(
    calls: Counter[str], ca_cert: str | None, project_id: str | None, login: SharedLogin
) -> dict[str, type[Any]]:
    """libcloud's connection classes with our certificate authority and one login for all, counting every HTTP
    request. libcloud's own setting for the authority is one for the whole process: queues would share it."""

    class Http(LibcloudConnection):  # type: ignore[misc]
        def _setup_ca_cert(self, **kwargs: Any) -> None:
            super()._setup_ca_cert(**kwargs)
            if ca_cert:
                self.ca_cert = ca_cert

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            calls[plain_call(method, url)] += 1
            return super().request(method, url, *args, **kwargs)

    class Identity(OpenStackIdentity_3_0_Connection):  # type: ignore[misc]
        def _get_auth_data(self) -> Any:
            data = super()._get_auth_data()
            data["auth"]["scope"] = {"project": {"id": project_id}}
            return data

    class Ours:
        conn_class = Http
        service_name = None  # sites name their services as they like; the type is enough
        _osa: Any = None

        def get_auth_class(self: Any) -> Any:
            if self._osa is None and project_id and self._auth_version == "3.x_password":
                self._osa = Identity(
                    auth_url=self._get_auth_url(),
                    user_id=self.user_id,
                    key=self.key,
                    tenant_name=self._ex_tenant_name,
                    domain_name=self._ex_domain_name,
                    timeout=self.timeout,
                    proxy_url=self.proxy_url,
                    parent_conn=self,
                )
            return super().get_auth_class()  # type: ignore[misc]

        def _populate_hosts_and_request_paths(self: Any) -> None:
            identity = self.get_auth_class()
            if not identity.is_token_valid():
                login.lend(self)
            fresh = not identity.is_token_valid()
            super()._populate_hosts_and_request_paths()  # type: ignore[misc]
            if fresh:
                login.keep(self)

        def request(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().request(*args, **kwargs)  # type: ignore[misc]
            except BaseHTTPError as error:
                if error.code == 401:
                    login.forget(self.auth_token)
                raise

    names = ("connectionCls", "image_connectionCls", "network_connectionCls")
    return {name: type(name, (Ours, getattr(OpenStack_2_NodeDriver, name)), {}) for name in names}


def _node(server: dict[str, Any]) -> VM:
    raw = str(server.get("status", ""))
    state = STATES.get(raw, State.UNKNOWN)
    if server.get("OS-EXT-STS:task_state") == "deleting":
        raw, state = f"{raw} (deleting)", State.DELETED
    # The last thing that happened to a VM that is off, or failed, is that.
    over = state in (State.STOPPED, State.FAILED)
    return VM(
        id=str(server["id"]),
        name=str(server.get("name", "")),
        state=state,
        raw_state=raw,
        created=_moment(server.get("created")),
        tags=with_key(server.get("metadata") or {}, _number(server), "_"),
        fault=str((server.get("fault") or {}).get("message", "")),
        ended=_moment(server.get("OS-SRV-USG:terminated_at") or (server.get("updated") if over else None)),
    )


def _number(server: dict[str, Any]) -> int | None:
    """A server's number in its batch: nova appends it to the name, from 1, unless it made one server only."""
    batch = (server.get("metadata") or {}).get("tfce_batch")
    found = re.search(rf"{re.escape(str(batch))}(?:-(\d+))?$", str(server.get("name", ""))) if batch else None
    return int(found.group(1) or 1) - 1 if found else None


def _moment(text: str | None) -> datetime | None:
    """A time of nova's; those without a zone are UTC, too."""
    if not text:
        return None
    when = datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
