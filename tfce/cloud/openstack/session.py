"""Requests to an OpenStack: libcloud's connections with our certificate authority and one login for all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.openstack import OpenStackBaseConnection
from libcloud.common.openstack_identity import OpenStackIdentity_3_0_Connection
from libcloud.common.types import LibcloudError
from libcloud.compute.drivers.openstack import OpenStack_2_NodeDriver
from libcloud.http import LibcloudConnection

from tfce.cloud.calls import plain_call
from tfce.cloud.explain import explained
from tfce.cloud.http import Body, LastAnswer
from tfce.cloud.legible import bare
from tfce.cloud.libcloud_errors import CERTIFICATE, translated
from tfce.cloud.openstack import endpoints
from tfce.cloud.openstack.errors import reason_of_message
from tfce.cloud.openstack.login import SharedLogin
from tfce.cloud.session import CountedSession
from tfce.cloud.transport import Transport
from tfce.config import openstack_logins
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model import fork
from tfce.model.errors import CloudError
from tfce.model.reasons import Kind, Reason

# Which of libcloud's connections serves what.
_CONNECTIONS = {"compute": "connection", "image": "image_connection", "network": "network_connection"}
_CLASSES = ("connectionCls", "image_connectionCls", "network_connectionCls")
# Driver options that libcloud does not take, or (the last ones) takes for services that they are not about.
_OURS = ("ca_cert", "cloud", "ex_tenant_id", "api_version", "ex_force_image_url", "ex_force_network_url")

# What libcloud says of a service in keystone's catalog, and how many there are then.
_ENDPOINTS = {"Could not find specified endpoint": "no", "Found more than 1 matching endpoint": "more than one"}


@dataclass(frozen=True)
class _Shared:
    """What all connections of a session share. ``project_id``: the project to log in to, where an id names it."""

    transport: Transport
    authority: str | None
    project_id: str | None
    login: SharedLogin


class _Authority(LibcloudConnection):  # type: ignore[misc]
    """libcloud's own setting for the authority is one for the whole process: queues would share it."""

    shared: _Shared

    def _setup_ca_cert(self, **kwargs: Any) -> None:
        super()._setup_ca_cert(**kwargs)
        if self.shared.authority:
            self.ca_cert = self.shared.authority


class _Legible:
    """Reads refusals that libcloud cannot: a gateway's before nova, or an empty one. It keeps not even their
    status, which says most of what there is to know."""

    def parse_error(self) -> str:
        try:
            return str(super().parse_error())  # type: ignore[misc]
        except Exception:  # whatever comes of reading what is something else
            return bare(self)


class _Listening:
    """Hears what keystone says of a login besides what libcloud keeps."""

    shared: _Shared

    def _once(self, method: str, url: str, body: Any, headers: Any) -> Any:
        answer = super()._once(method, url, body, headers)  # type: ignore[misc]
        if url.endswith("/auth/tokens"):
            self.shared.login.heard(answer)
        return answer


class _ProjectById(OpenStackIdentity_3_0_Connection):  # type: ignore[misc]
    """A login to a project that an id names; libcloud knows names only."""

    project_id: str

    def _get_auth_data(self) -> Any:
        data = super()._get_auth_data()
        data["auth"]["scope"] = {"project": {"id": self.project_id}}
        return data


class _Connection(OpenStackBaseConnection):  # type: ignore[misc]
    """A connection to one service that uses the login that is there."""

    shared: _Shared
    service_name = None  # sites name their services as they like; the type is enough
    _osa: Any = None
    _placed = False  # whether it is known where the service is

    def connect(self, *args: Any, **kwargs: Any) -> None:
        """Nothing before it is known where to: libcloud's driver connects to each service that it may ever ask."""
        if self._placed:
            super().connect(*args, **kwargs)

    def get_auth_class(self) -> Any:
        if self._osa is None and self.shared.project_id and self._auth_version == "3.x_password":
            self._osa = _ProjectById(
                auth_url=self._get_auth_url(),
                user_id=self.user_id,
                key=self.key,
                tenant_name=self._ex_tenant_name,
                domain_name=self._ex_domain_name,
                timeout=self.timeout,
                proxy_url=self.proxy_url,
                parent_conn=self,
            )
            self._osa.project_id = self.shared.project_id
        return super().get_auth_class()

    def get_endpoint(self) -> Any:
        return endpoints.fitting(str(self.service_type), super().get_endpoint())

    def _populate_hosts_and_request_paths(self) -> None:
        self._placed = True
        identity = self.get_auth_class()
        if not identity.is_token_valid():
            self.shared.login.lend(self)
        if identity.is_token_valid():
            super()._populate_hosts_and_request_paths()
            return
        with _at_keystone(self.shared.transport.last):
            super()._populate_hosts_and_request_paths()
        self.shared.login.keep(self)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().request(*args, **kwargs)
        except BaseHTTPError as error:
            if error.code == 401:
                self.shared.login.forget(self.auth_token)
            raise


@contextmanager
def _at_keystone(last: LastAnswer) -> Iterator[None]:
    """Say what is wrong where who answers to a login is not keystone."""
    last.status = 0
    try:
        yield
    except (BaseHTTPError, LibcloudError):
        if last.status not in (300, 404, 405):
            raise
        text = f"logging in: HTTP {last.status}: what Driver_ex_force_auth_url names is not keystone's API"
        cure = "set it to keystone's URL, for example https://keystone.example.org:5000"
        reason = Reason(Kind.CONFIGURATION, text, str(last.status), cure)
        raise CloudError(text, reason=reason) from None


def _classes(shared: _Shared) -> dict[str, type[Any]]:
    """libcloud's connection classes, made ours."""
    http = type("Http", (_Listening, shared.transport.connection, _Authority), {"shared": shared})
    bases = {name: getattr(OpenStack_2_NodeDriver, name) for name in _CLASSES}
    return {name: type(name, (_Connection, base), _facts(shared, http, base)) for name, base in bases.items()}


def _facts(shared: _Shared, http: type[Any], base: type[Any]) -> dict[str, Any]:
    response = type("Response", (_Legible, base.responseCls), {})
    return {"shared": shared, "conn_class": http, "responseCls": response}


class Session(CountedSession):
    """One connection to an OpenStack, for one thread; ``calls`` counts requests by method and path."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, login: SharedLogin | None = None) -> None:
        super().__init__(endpoint, credentials, lambda method, url, body: plain_call(method, url), _safe)
        self.login = login or SharedLogin()
        self._lock = fork.Lock()
        self._known: OpenStack_2_NodeDriver | None = None

    @property
    def driver(self) -> OpenStack_2_NodeDriver:
        """libcloud's driver, made when it is first needed."""
        with self._lock:
            if self._known is None:
                with translated("logging in", self.secrets):
                    self._known = self._connected()
        return self._known

    def _connected(self) -> Any:
        given = self.endpoint.driver
        options = {name: value for name, value in given.items() if name not in _OURS}
        options["ex_force_auth_url"] = openstack_logins.libcloud_auth_url(given)
        options["ex_force_auth_version"] = openstack_logins.version(given)
        if self.endpoint.region:
            options["ex_force_service_region"] = self.endpoint.region
        project = str(given.get("ex_tenant_id") or "")
        if project:
            options.setdefault("ex_tenant_name", project)
        authority = str(given.get("ca_cert") or os.environ.get("OS_CACERT") or "")
        connections = _classes(_Shared(self._transport, authority or None, project or None, self.login))
        driver = type("Driver", (OpenStack_2_NodeDriver,), connections)
        made = driver(self._credentials.key, secret=self._credentials.secret, **options)
        for service, name in _CONNECTIONS.items():
            connection = getattr(made, name)
            connection._ex_force_base_url = connection.base_url = endpoints.forced(service, given)
        return made

    def token(self) -> str:
        """A token of the project, fresh enough to be handed to Terraform."""
        with translated("logging in", self.secrets):
            connection = self.driver.connection
            connection.morph_action_hook("/")  # logs in where there is no token, or one that has expired
            return str(connection.auth_token)

    def clone(self) -> Session:
        """Another connection with the same login."""
        return Session(self.endpoint, self._credentials, self.login)

    def ask(
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
        with self._cured(service), explained(asking, reason_of_message), translated(asking, self.secrets):
            for last in (False, True):
                try:
                    request = getattr(self.driver, _CONNECTIONS[service]).request
                    return _json(asking, request(path, params=params or {}, method=method, data=data or "").object)
                except BaseHTTPError as error:
                    if error.code in none:
                        if self._is_strange(error.code, service):
                            raise CloudError(f"{asking}: HTTP 404 that is not nova's", "unreachable") from None
                        return None
                    if error.code == 300 or (error.code == 404 and method == "GET"):
                        raise _astray(asking, service, error.code) from None
                    # A token can end before its time; libcloud has dropped it, the next request gets another.
                    if error.code != 401 or last:
                        raise
        raise AssertionError("unreachable")

    def _is_strange(self, code: int, service: str) -> bool:
        """Whether a 404 says nothing of what was asked for. Nova's are JSON, and VMs hang on them."""
        return code == 404 and service == "compute" and self._transport.last.body is not Body.DATA

    @contextmanager
    def _cured(self, service: str) -> Iterator[None]:
        """Add what to do to errors of libcloud's that only a configuration can cure."""
        try:
            yield
        except CloudError as error:
            number = next((many for words, many in _ENDPOINTS.items() if words in error.message), "")
            if number:
                region = f"region {self.endpoint.region}" if self.endpoint.region else "any region"
                option = f"Driver_{endpoints.OPTIONS[service]}"
                cure = (
                    f"keystone lists {number} public URL of {service} in {region}; "
                    f"set Driver_ex_force_service_region, or {option}"
                )
            elif error.reason.code == CERTIFICATE:
                cure = "name the certificate authority with Driver_ca_cert or OS_CACERT"
            else:
                raise
            raise CloudError(error.problem, reason=replace(error.reason, cure=cure)) from None


def _json(asking: str, answer: Any) -> dict[str, Any]:
    """The JSON of an answer, empty for an empty one. A portal's page is no success of anything."""
    if answer is None or answer == "":
        return {}
    if not isinstance(answer, dict):
        raise CloudError(f"{asking}: the answer is not OpenStack's, which is not believed", Kind.UNREACHABLE)
    return answer


def _astray(asking: str, service: str, code: int) -> CloudError:
    text = f"{asking}: HTTP {code}: what keystone's catalog names for {service} is not its API"
    cure = f"set Driver_{endpoints.OPTIONS[service]} to the right URL"
    return CloudError(text, reason=Reason(Kind.CONFIGURATION, text, str(code), cure))


def _safe(method: str, url: str) -> bool:
    """Whether a request may be sent twice: all but what makes a server."""
    path = url.partition("?")[0]
    return method != "POST" or path.endswith(("/tokens", "/action"))
