"""Requests to EC2, and to clouds that speak its API."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from libcloud.common.types import InvalidCredsError
from libcloud.compute.drivers.ec2 import NAMESPACE, EC2Connection, EC2NodeDriver, EC2Response
from libcloud.utils.py3 import ET

from tfce.cloud.ec2.errors import reason_of_message
from tfce.cloud.explain import explained
from tfce.cloud.legible import bare
from tfce.cloud.libcloud_errors import translated
from tfce.cloud.session import CountedSession
from tfce.config import ec2_regions
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model.errors import CloudError, ConfigError

_KNOWN = "us-east-1"  # to libcloud, whose table of regions is old: it refuses all others, also with a host
# The codes of a login that is not taken. EC2 has more that are about rights: those name what is lacking.
_LOGIN = ("AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "OptInRequired")


class _Response(EC2Response):  # type: ignore[misc]
    body: Any

    def parse_body(self) -> Any:
        # Clouds that only speak EC2's API answer with other dates, without the last slash, or with no namespace
        # at all. libcloud would then find nothing and report an empty list: pilots would look gone.
        root = super().parse_body()
        if not _tag(root).startswith(f"{{{NAMESPACE}}}"):
            for one in root.iter("*") if _tag(root) else ():
                one.tag = f"{{{NAMESPACE}}}{_name(one)}"
        return root

    def parse_error(self) -> str:
        # libcloud reads one shape of errors, and raises for others: what a gateway before the cloud says would
        # be lost, and the status with it.
        errors = list(_errors(self.body))
        said = "\n".join(f"{code}: {message}" for code, message in errors) or bare(self)
        if any(code in _LOGIN for code, _ in errors) or (not errors and self.status in (401, 403)):
            raise InvalidCredsError(said)
        return said


def _tag(element: Any) -> str:
    return str(getattr(element, "tag", ""))


def _name(element: Any) -> str:
    return _tag(element).rpartition("}")[2]


def _errors(text: str) -> Iterator[tuple[str, str]]:
    """The code and message of each error in an answer, whatever is around them."""
    with suppress(SyntaxError, ValueError):
        for error in ET.fromstring(text.encode("utf-8", "replace")).iter("*"):
            parts = {_name(part): part.text or "" for part in error}
            if _name(error) == "Error" and "Code" in parts:
                yield parts["Code"], parts.get("Message", "")


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
            answer = self.driver.connection.request(self.driver.path, params=params).object
        return _believed(asking, params["Action"], answer)

    def post(self, asking: str, action: str, params: dict[str, str]) -> Element:
        """The answer to a request in the body: user data is too long for an address."""
        body = urllib.parse.urlencode({"Action": action, "Version": self.driver.connection.version, **params})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with explained(asking, reason_of_message), translated(asking, self.secrets):
            connection = self.driver.connection
            answer = connection.request(self.driver.path, data=body, headers=headers, method="POST").object
        return _believed(asking, action, answer)

    def time(self) -> datetime | None:
        """The cloud's own time now; None where it does not tell."""
        self.ask("asking for the time", {"Action": "DescribeAvailabilityZones"})
        return self.cloud_time

    def clone(self) -> Session:
        """Another connection with the same login."""
        return Session(self.endpoint, self._credentials)


def _believed(asking: str, action: str, answer: Any) -> Element:
    """The answer to ``action``; a proxy's or portal's page would else be read as "no VMs"."""
    if _name(answer) != f"{action}Response":
        raise CloudError(f"{asking}: the answer is not EC2's, which is not believed", "unreachable")
    found: Element = answer
    return found


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
