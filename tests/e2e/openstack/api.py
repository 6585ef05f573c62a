"""An OpenStack from the side: the tests' own view of the API, by plain requests, and what they need of a cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

_VERSIONS = {"image": "/v2", "network": "/v2.0"}  # in some clouds' catalogs, in others not


class CloudError(RuntimeError):
    """The cloud, the rig or the provider is not to be had; the text is one line for the user."""


@dataclass(frozen=True)
class Login:
    """How to get a token."""

    auth_url: str  # keystone's, with /v3
    body: Mapping[str, Any]
    region: str = ""
    authority: str = ""  # a file; the system's authorities if empty


class Api:
    """One project of a cloud, as an OpenStack client sees it. ``form`` is the body of a server that it boots."""

    def __init__(self, login: Login, form: Mapping[str, Any] | None = None) -> None:
        self._login, self.form = login, dict(form or {})
        self._session = requests.Session()
        self._session.trust_env = False  # another authority in the environment would go before the cloud's
        self._session.verify = login.authority or True
        self._urls: dict[str, str] = {}
        self.project = ""  # its id
        self._log_in()

    def _log_in(self) -> None:
        answer = self._session.post(
            f"{self._login.auth_url}/auth/tokens", json={"auth": self._login.body}, timeout=60
        )
        answer.raise_for_status()
        self._session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        token = answer.json()["token"]
        self.project = token["project"]["id"]
        for service in token["catalog"]:
            for endpoint in service["endpoints"]:
                if endpoint["interface"] == "public" and self._login.region in ("", endpoint["region"]):
                    url = endpoint["url"].rstrip("/")
                    self._urls[service["type"]] = url.removesuffix(_VERSIONS.get(service["type"], ""))

    @property
    def token(self) -> str:
        """Its token."""
        return str(self._session.headers["X-Auth-Token"])

    def url(self, service: str) -> str:
        """Where a service is."""
        return self._urls[service]

    def ask(self, method: str, service: str, path: str, json: Any = None, **more: Any) -> Any:
        """One request; the answer's JSON, or None. Logs in again where the token has ended."""
        if service not in self._urls:
            self._log_in()  # it may have come since
        for last in (False, True):
            answer = self._session.request(method, self._urls[service] + path, json=json, timeout=60, **more)
            if answer.status_code != 401 or last:
                break
            self._log_in()
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def servers(self) -> list[dict[str, Any]]:
        """Every server of the project."""
        return list(self.ask("GET", "compute", "/servers/detail")["servers"])

    def building(self) -> bool:
        """Whether any server is still being built; costs nova little, however many there are."""
        return bool(self.ask("GET", "compute", "/servers?status=BUILD&limit=1")["servers"])

    def has(self, server: str) -> bool:
        """Whether nova still knows a server."""
        try:
            self.ask("GET", "compute", f"/servers/{server}")
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == 404:
                return False
            raise
        return True

    def act(self, server: str, action: str, value: Any = None) -> None:
        """A server action: os-stop, pause, os-resetState …"""
        self.ask("POST", "compute", f"/servers/{server}/action", {action: value})

    def delete(self, server: str) -> None:
        """Delete a server, unless it is gone."""
        try:
            self.ask("DELETE", "compute", f"/servers/{server}")
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code != 404:
                raise

    def boot(self, name: str, metadata: Mapping[str, str]) -> str:
        """A server that tfce did not make; its id."""
        made = {**self.form, "name": name, "metadata": dict(metadata)}
        return str(self.ask("POST", "compute", "/servers", {"server": made})["server"]["id"])

    def ports(self) -> list[dict[str, Any]]:
        """Every network port of the project."""
        return list(self.ask("GET", "network", f"/v2.0/ports?project_id={self.project}")["ports"])


class AnyCloud:
    """A cloud that the tests run on: the rig, or one of the user's own."""

    @property
    def name(self) -> str:
        """For people."""
        raise NotImplementedError

    def login(self) -> tuple[str, str]:
        """Key and secret for cloud.auth."""
        raise NotImplementedError

    def options(self, project: str) -> dict[str, str]:
        """The CE options that name the cloud, and a VM that it can build."""
        raise NotImplementedError

    def api(self, project: str = "demo") -> Api:
        """The API of a project; a cloud of one's own has but one."""
        raise NotImplementedError

    @contextmanager
    def turn(self, parts: Sequence[str], alone: bool) -> Iterator[None]:
        """A test's turn: ``alone``, or beside others that are not alone and take none of its ``parts``."""
        yield
