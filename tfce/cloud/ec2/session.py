"""Requests to EC2, and to clouds that speak its API."""

from __future__ import annotations

import re
import urllib.parse
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from libcloud.compute.drivers.ec2 import NAMESPACE, EC2Connection, EC2NodeDriver, EC2Response

from tfce.cloud.ec2.errors import reason_of_message
from tfce.cloud.explain import explained
from tfce.cloud.libcloud_errors import translated
from tfce.cloud.session import CountedSession
from tfce.config import ec2_regions
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model.errors import CloudError, ConfigError

_KNOWN = "us-east-1"  # to libcloud, whose table of regions is old: it refuses all others, also with a host
_ANY_NAMESPACE = re.compile(r'xmlns="http://ec2\.amazonaws\.com/doc/[^"]*"')


class _Response(EC2Response):  # type: ignore[misc]
    body: Any

    def parse_body(self) -> Any:
        # Clouds that only speak EC2's API answer with other dates, or without the last slash. libcloud would
        # then find nothing and report an empty list: pilots would look gone.
        if isinstance(self.body, str):
            self.body = _ANY_NAMESPACE.sub(f'xmlns="{NAMESPACE}"', self.body)
        return super().parse_body()

    def parse_error(self) -> Any:
        # In errors libcloud expects no namespace at all; with one, it reports an error without a word.
        if isinstance(self.body, str):
            self.body = _ANY_NAMESPACE.sub("", self.body)
        return super().parse_error()


class _Connection(EC2Connection):  # type: ignore[misc]
    responseCls = _Response  # noqa: N815  libcloud's name


class Session(CountedSession):
    """One connection to an EC2 API, for one thread; ``calls`` counts requests by action."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        super().__init__(endpoint, credentials, _action, _safe)
        self._known: EC2NodeDriver | None = None

    @property
    def driver(self) -> EC2NodeDriver:
        """libcloud's driver, made when it is first needed."""
        if self._known is None:
            self._known = self._connected()
        return self._known

    def _connected(self) -> EC2NodeDriver:
        connection = type("Connection", (_Connection,), {"conn_class": self._transport.connection})
        driver = type("Driver", (EC2NodeDriver,), {"connectionCls": connection})
        options = {
            "signature_version": "4",
            **self.endpoint.driver,
            "region": _KNOWN,
            **({"token": self._credentials.token} if self._credentials.token else {}),
        }
        region, path = str(self.endpoint.region), options.pop("path", "/")
        options.setdefault("host", ec2_regions.host(region))
        try:
            made = driver(self._credentials.key, self._credentials.secret, **options)
        except ValueError as error:
            raise ConfigError("Driver_*", "", f"libcloud refuses them ({error})", "correct them") from None
        made.path, made.region_name = path, region
        return made

    def ask(self, asking: str, params: dict[str, str]) -> Element:
        """The answer to a request whose ``params`` name the ``Action``; ``asking``: what for, in words."""
        with explained(asking, reason_of_message), translated(asking, self.secrets):
            answer: Element = self.driver.connection.request(self.driver.path, params=params).object
        # A proxy's or portal's page would else be read as "no VMs".
        if not str(getattr(answer, "tag", "")).endswith(f"{params['Action']}Response"):
            raise CloudError(f"{asking}: the answer is not EC2's, which is not believed", "unreachable")
        return answer

    def post(self, asking: str, action: str, params: dict[str, str]) -> Any:
        """The answer to a request in the body: user data is too long for an address."""
        body = urllib.parse.urlencode({"Action": action, "Version": self.driver.connection.version, **params})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with explained(asking, reason_of_message), translated(asking, self.secrets):
            connection = self.driver.connection
            return connection.request(self.driver.path, data=body, headers=headers, method="POST").object

    def time(self) -> datetime | None:
        """The cloud's own time now; None where it does not tell."""
        self.ask("asking for the time", {"Action": "DescribeAvailabilityZones"})
        return self.cloud_time

    def clone(self) -> Session:
        """Another connection with the same login."""
        return Session(self.endpoint, self._credentials)


def filters(wanted: dict[str, str]) -> dict[str, str]:
    """The parameters of a request that filter by these values, exactly."""
    params: dict[str, str] = {}
    for number, (name, value) in enumerate(wanted.items(), 1):
        params[f"Filter.{number}.Name"] = name
        params[f"Filter.{number}.Value.1"] = literal(value)
    return params


def literal(value: str) -> str:
    """``value`` as a filter takes it: EC2 reads * and ? as wildcards, a backslash makes them plain."""
    return re.sub(r"([\\*?])", r"\\\1", value)


def _action(method: str, url: str, body: Any) -> str:
    """The action that a request names, in its address or its body."""
    for text in (urllib.parse.urlsplit(url).query, body):
        given: dict[str, list[str]] = urllib.parse.parse_qs(
            text.decode() if isinstance(text, bytes) else text or ""
        )
        if "Action" in given:
            return given["Action"][0]
    return urllib.parse.urlsplit(url).path


def _safe(method: str, url: str) -> bool:
    # What could make VMs goes in a body.
    return method == "GET"
