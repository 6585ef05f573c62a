"""Reads one instance of an EC2 answer, and checks each field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findall

from tfce.cloud import records
from tfce.cloud.ec2.answers import text_of
from tfce.cloud.ec2.errors import SWITCHED_OFF, reason_of_end
from tfce.cloud.records import InvalidRecordError
from tfce.model.reasons import Reason
from tfce.model.vm import VM, State, with_key
from tfce.model.vm_spec import VMSpec

# EC2's words for an instance, and what they mean for its pilot. Any other word is State.UNKNOWN.
STATES = {
    "pending": State.BOOTING,
    "running": State.RUNNING,
    "stopping": State.RUNNING,
    "stopped": State.STOPPED,
    "shutting-down": State.DELETING,
    "terminated": State.DELETED,
}
# The same in numbers, of which only the low byte counts (EC2's API reference, InstanceState).
_CODES = {0: "pending", 16: "running", 32: "shutting-down", 48: "terminated", 64: "stopping", 80: "stopped"}
_MADE = ("imageId", "instanceType", "placement/availabilityZone", "subnetId")
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")


def instance(item: Any, given: Mapping[str, str] = MappingProxyType({})) -> VM:
    """The VM that an ``item`` of an instancesSet describes; ``given``: tags that it got since. Raises
    ``InvalidRecordError``."""
    identity = records.identity(text_of(item, "instanceId"))
    raw = _state(item)
    tags = {**records.tags(dict(_tags(item))), **given}
    name, number = tags.get("Name", identity), _number(item)
    reason = records.fault(text_of(item, "reason"))
    return VM(
        id=identity,
        name=f"{name}-{(number or 0) + 1}" if "tfce:batch" in tags else name,
        state=STATES.get(raw, State.UNKNOWN),
        raw_state=raw,
        created=records.moment(text_of(item, "launchTime")),
        tags=with_key(tags, number),
        fault=_fault(item, reason),
        ended=_ended(raw, reason),
        spec=replace(_spec(item), cores=_cores(item)),
        switched_off=records.fault(text_of(item, "stateReason/code")) == SWITCHED_OFF,
        groups=tuple(_group(one) for one in findall(item, "groupSet/item", NAMESPACE)),
    )


def _state(item: Any) -> str:
    """EC2's word for the state, by its number where an answer has lost the word."""
    code = text_of(item, "instanceState/code") or ""
    by_code = _CODES.get(int(code) & 0xFF, "") if re.fullmatch(r"[0-9]{1,5}", code) else ""
    return records.name(text_of(item, "instanceState/name") or by_code or None, "state", 64)


def _spec(item: Any) -> VMSpec:
    market = "spot" if text_of(item, "instanceLifecycle") == "spot" else ""
    image, flavor, zone, network = (records.fact(text_of(item, path)) for path in _MADE)
    return VMSpec(image, flavor, zone, network, market=market)


def _group(item: Any) -> tuple[str, ...]:
    return tuple(filter(None, (records.fact(text_of(item, name)) for name in ("groupId", "groupName"))))


def _tags(item: Any) -> list[tuple[Any, Any]]:
    pairs = ((text_of(tag, "key"), text_of(tag, "value") or "") for tag in findall(item, "tagSet/item", NAMESPACE))
    return [(key, value) for key, value in pairs if key is not None]


def _cores(item: Any) -> str:
    """What EC2 calls vCPUs: threads, as the operating system sees them."""
    cores, threads = (text_of(item, f"cpuOptions/{name}") or "" for name in ("coreCount", "threadsPerCore"))
    return records.product(cores, threads)


def _number(item: Any) -> int | None:
    """An instance's number in its request."""
    text = text_of(item, "amiLaunchIndex")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise InvalidRecordError("its amiLaunchIndex is no number")
    return int(text)


def _fault(item: Any, reason: str) -> Reason | None:
    """Why EC2 ended an instance itself. A cloud that only speaks EC2's API may say it in ``reason`` alone."""
    code = records.fault(text_of(item, "stateReason/code"))
    return reason_of_end(code, records.fault(text_of(item, "stateReason/message")) or reason)


def _ended(raw: str, reason: str) -> datetime | None:
    """When an instance stopped or was terminated: EC2 says it in the reason, "User initiated (2026-01-31
    12:00:00 GMT)", and not always."""
    found = _WHEN.search(reason) if STATES.get(raw) in (State.STOPPED, State.DELETED) else None
    try:
        return datetime.fromisoformat(found.group(1)).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
