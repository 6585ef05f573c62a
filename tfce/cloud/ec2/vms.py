"""EC2 and clouds that speak its API."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree.ElementTree import Element

from libcloud.compute.drivers.ec2 import NAMESPACE, EC2Connection, EC2NodeDriver, EC2Response
from libcloud.utils.xml import findall, findtext

from tfce.cloud.api import Check
from tfce.cloud.edge import TIMEOUT, counting, translated
from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.model.errors import CloudError, ConfigError, mask
from tfce.model.vm import VM, Owner, State, with_key

# EC2's words for an instance, and what they mean for its pilot. Any other word is State.UNKNOWN.
STATES = {
    "pending": State.BOOTING,
    "running": State.RUNNING,
    "stopping": State.RUNNING,
    "stopped": State.STOPPED,
    "shutting-down": State.DELETED,
    "terminated": State.DELETED,
}
_PAGE = 1000  # instances per DescribeInstances, EC2's most
_DESTROY = 100  # instances per TerminateInstances
_MISSING = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
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


class Ec2:
    """The ``Cloud`` of an EC2 queue."""

    def __init__(self, queue: Queue, credentials: Credentials) -> None:
        self.calls: Counter[str] = Counter()
        self._queue = queue
        self._secrets = credentials.secrets()
        self._known: EC2NodeDriver | None = None
        self._credentials = credentials

    @property
    def _driver(self) -> EC2NodeDriver:
        if self._known is None:
            self._known = self._connected()
        return self._known

    def _connected(self) -> EC2NodeDriver:
        connection = counting(_Connection, self.calls, _action)
        driver = type("Driver", (EC2NodeDriver,), {"connectionCls": connection})
        options = {
            "signature_version": "4",
            "timeout": TIMEOUT,
            **self._queue.endpoint.driver,
            "region": self._queue.endpoint.region,
        }
        path = options.pop("path", "/")
        try:
            made = driver(self._credentials.key, self._credentials.secret, **options)
        except ValueError as error:
            if "region" not in str(error).lower():
                raise ConfigError("Driver_*", "", f"libcloud refuses them ({error})", "correct them") from None
            raise ConfigError(
                "Driver_region",
                str(self._queue.endpoint.region),
                "libcloud knows no such region",
                "use one of EC2's names",
            ) from None
        made.path = path
        return made

    # -- Cloud ---------------------------------------------------------------------------------------------

    def nodes(self, owner: Owner) -> list[VM]:
        wanted = {"tag:tfce:ce": owner.ce, "tag:tfce:queue": owner.queue}
        found = list(self._describe({**_filters(wanted), "MaxResults": str(_PAGE)}))
        if owner.adopt:
            named = {"Filter.1.Name": "tag:Name", "Filter.1.Value.1": f"{_literal(owner.adopt)}*"}
            found += self._describe({**named, "MaxResults": str(_PAGE)})
        return [node for node in found if owner.same_queue(node)]

    def node(self, node_id: str) -> VM | None:
        try:
            found = list(self._describe({"InstanceId.1": node_id}))
        except CloudError as error:
            if any(word in error.message for word in _MISSING):
                return None
            raise
        for node in found:
            if node.id == node_id:
                return node
        raise CloudError(
            f"looking for {node_id}: the cloud's answer is empty, which is not believed", "unreachable"
        )

    def destroy(self, node_ids: Iterable[str]) -> dict[str, str]:
        refused: dict[str, str] = {}
        wanted = list(node_ids)
        for start in range(0, len(wanted), _DESTROY):
            some = wanted[start : start + _DESTROY]
            try:
                self._terminate(some)
            except CloudError:
                # One bad id fails them all: ask for each by itself.
                refused |= self._terminate_singly(some)
        return refused

    def _terminate_singly(self, node_ids: Sequence[str]) -> dict[str, str]:
        refused: dict[str, str] = {}
        for node_id in node_ids:
            try:
                self._terminate([node_id])
            except CloudError as error:
                if not any(word in error.message for word in _MISSING):
                    refused[node_id] = error.message
        return refused

    def _terminate(self, node_ids: Sequence[str]) -> None:
        params = {f"InstanceId.{n}": node_id for n, node_id in enumerate(node_ids, 1)}
        answer = self._ask("removing VMs", {"Action": "TerminateInstances", **params})
        seen = {
            findtext(item, "instanceId", NAMESPACE) for item in findall(answer, "instancesSet/item", NAMESPACE)
        }
        missing = set(node_ids) - seen
        if missing:
            raise CloudError(f"removing VMs: the cloud did not confirm {', '.join(sorted(missing))}")

    def console(self, node_id: str) -> str | None:
        asking = f"asking for the console of {node_id}"
        try:
            answer = self._ask(asking, {"Action": "GetConsoleOutput", "InstanceId": node_id})
        except CloudError as error:
            if any(word in error.message for word in _MISSING):
                return None
            raise
        with translated(asking, self._secrets):
            text = "".join((findtext(answer, "output", NAMESPACE) or "").split())
            output = base64.b64decode(text, validate=True)
        return mask(output.decode("utf-8", "replace"), self._secrets) if output else None

    def token(self) -> str:
        return ""

    def login(self) -> str:
        return ""

    # -- requests ------------------------------------------------------------------------------------------

    def _ask(self, asking: str, params: dict[str, str]) -> Element:
        with translated(asking, self._secrets):
            answer: Element = self._driver.connection.request(self._driver.path, params=params).object
        # A proxy's or portal's page would else be read as "no VMs".
        if not str(getattr(answer, "tag", "")).endswith(f"{params['Action']}Response"):
            raise CloudError(f"{asking}: the answer is not EC2's, which is not believed", "unreachable")
        return answer

    def _describe(self, params: dict[str, str]) -> Iterator[VM]:
        token: str | None = None
        while True:
            page = {"Action": "DescribeInstances", **params, **({"NextToken": token} if token else {})}
            answer = self._ask("listing VMs", page)
            with translated("reading the list of VMs", self._secrets):
                for reservation in findall(answer, "reservationSet/item", NAMESPACE):
                    yield from map(_node, self._driver._to_nodes(reservation, "instancesSet/item"))
                token = findtext(answer, "nextToken", NAMESPACE)
            if not token:
                return

    # -- preflight -----------------------------------------------------------------------------------------

    def checks(self) -> list[Check]:
        queue = self._queue
        checks = [
            self._exists("image", "Instance_Image", "DescribeImages", "ImageId", "imagesSet", queue.shape.image),
            self._exists(
                "flavor",
                "Instance_Flavor",
                "DescribeInstanceTypes",
                "InstanceType",
                "instanceTypeSet",
                queue.shape.flavor.removeprefix("name:"),
            ),
        ]
        for network in queue.shape.networks:
            checks.append(
                self._exists("network", "Instance_Networks", "DescribeSubnets", "SubnetId", "subnetSet", network)
            )
        if queue.shape.ssh_key:
            key = queue.shape.ssh_key.removeprefix("name:")
            checks.append(
                self._exists("key pair", "Instance_SSHKey", "DescribeKeyPairs", "KeyName", "keySet", key)
            )
        for group in queue.shape.security_groups:
            checks.append(
                self._exists(
                    "security group",
                    "Terraform_SecurityGroups",
                    "DescribeSecurityGroups",
                    "GroupId",
                    "securityGroupInfo",
                    group,
                )
            )
        return [*checks, self._clock()]

    def _exists(self, what: str, option: str, action: str, identity: str, items: str, wish: str) -> Check:
        name = wish.removeprefix("name:") if wish.startswith("name:") else None
        params = {"Action": action}
        if name is None:
            params[f"{identity}.1"] = wish
        else:
            tag = "tag:Name" if action == "DescribeSubnets" else "name"
            tag = "group-name" if action == "DescribeSecurityGroups" else tag
            params |= _filters({tag: name})
        if action == "DescribeImages" and name is not None:
            params |= {f"Owner.{n}": o for n, o in enumerate(self._queue.shape.image_owners, 1)}
        try:
            found = findall(self._ask(f"looking for the {what}", params), f"{items}/item", NAMESPACE)
        except CloudError as error:
            return Check(what, False, error.message, f"correct {option}, or the credentials' rights")
        if len(found) == 1:
            return Check(what, True, wish)
        ids = [findtext(item, identity[0].lower() + identity[1:], NAMESPACE) or "?" for item in found]
        detail = f"{wish} matches {len(found)}: {', '.join(ids)}" if found else f"{wish}: there is none"
        return Check(
            what, False, detail, f"set {option} to one that exists" if not found else f"set {option} to an id"
        )

    def _clock(self) -> Check:
        try:
            with translated("asking for the time", self._secrets):
                answer = self._driver.connection.request(
                    self._driver.path, params={"Action": "DescribeAvailabilityZones"}
                )
                date = answer.headers.get("date") or answer.headers.get("Date")
        except CloudError as error:
            return Check("clock", False, error.message, "make the cloud reachable")
        if not date:
            return Check("clock", True, "the cloud does not say its time")
        off = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
        return Check(
            "clock",
            off < 60,
            f"{off:.0f} s from the cloud's",
            "" if off < 60 else "synchronise the host's clock",
        )


def _action(path: str, params: dict[str, str] | str, method: str) -> str:
    given = dict(urllib.parse.parse_qsl(params)) if isinstance(params, str) else params
    return given.get("Action", path)


def _filters(wanted: dict[str, str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for number, (name, value) in enumerate(wanted.items(), 1):
        params[f"Filter.{number}.Name"] = name
        params[f"Filter.{number}.Value.1"] = _literal(value)
    return params


def _literal(value: str) -> str:
    """``value`` as a filter takes it: EC2 reads * and ? as wildcards, a backslash makes them plain."""
    return re.sub(r"([\\*?])", r"\\\1", value)


def _node(node: Any) -> VM:
    raw = str(node.extra.get("status") or "")
    created = node.created_at
    tags, number = dict(node.extra.get("tags") or {}), node.extra.get("launch_index")
    return VM(
        id=node.id,
        name=f"{node.name}-{int(number or 0) + 1}" if "tfce:batch" in tags else node.name,
        state=STATES.get(raw, State.UNKNOWN),
        raw_state=raw,
        created=created.astimezone(UTC) if created else None,
        tags=with_key(tags, number),
        fault=str(node.extra.get("reason") or ""),
        ended=_ended(raw, str(node.extra.get("reason") or "")),
    )


def _ended(raw: str, reason: str) -> datetime | None:
    """When an instance stopped or was terminated: EC2 says it in the reason, "User initiated (2026-01-31
    12:00:00 GMT)", and not always."""
    found = _WHEN.search(reason) if STATES.get(raw) in (State.STOPPED, State.DELETED) else None
    return datetime.fromisoformat(found.group(1)).replace(tzinfo=UTC) if found else None
