"""Reads one server of nova's answer, and checks each field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tfce.cloud import records
from tfce.cloud.openstack.errors import reason_of_fault
from tfce.cloud.records import InvalidRecordError
from tfce.config.clouds.openstack import OpenStack
from tfce.model.reasons import Reason
from tfce.model.vm import VM, State, with_key
from tfce.model.vm_spec import VMSpec

COLON = OpenStack.capabilities.colon  # what the name of a tag has for ":"
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


def server(answer: Any) -> VM:
    """The VM that nova's ``server`` describes. Raises ``InvalidRecordError``."""
    if not isinstance(answer, dict):
        raise InvalidRecordError(f"it is of type {type(answer).__name__}")
    identity, name = records.identity(answer.get("id")), records.name(answer.get("name"))
    raw = records.name(answer.get("status"), "status", 64)
    state = STATES.get(raw, State.UNKNOWN)
    if answer.get("OS-EXT-STS:task_state") == "deleting":
        raw, state = f"{raw} (deleting)", State.DELETING
    tags = records.tags(answer.get("metadata", {}))
    return VM(
        id=identity,
        name=name,
        state=state,
        raw_state=raw,
        created=records.moment(answer.get("created")),
        tags=with_key(tags, _number(tags, name), COLON),
        fault=_fault(answer.get("fault")),
        ended=_ended(answer, state),
        spec=_spec(answer),
        groups=_groups(answer.get("security_groups")),
    )


def _groups(answer: Any) -> tuple[tuple[str, ...], ...]:
    """Nova tells their names only, each once for every port."""
    groups = answer if isinstance(answer, list) else []
    names = [records.fact(one.get("name")) for one in groups if isinstance(one, dict)]
    return tuple((name,) for name in dict.fromkeys(filter(None, names)))


def with_tags(vm: VM, tags: Mapping[str, str]) -> VM:
    """``vm`` with the metadata that it got since it was read."""
    return replace(vm, tags=with_key(tags, _number(tags, vm.name), COLON))


def _spec(answer: dict[str, Any]) -> VMSpec:
    """A server that boots from a volume tells no image; networks stand nowhere by their ids."""
    image, flavor = (one if isinstance(one, dict) else {} for one in (answer.get("image"), answer.get("flavor")))
    zone, host = answer.get("OS-EXT-AZ:availability_zone"), answer.get("hostId")
    facts = (image.get("id"), flavor.get("original_name") or flavor.get("id"), zone, "", host)
    return replace(VMSpec(*map(records.fact, facts)), cores=records.product(flavor.get("vcpus")))


def _fault(answer: Any) -> Reason | None:
    fault = answer if isinstance(answer, dict) else {}
    return reason_of_fault(records.fault(fault.get("message")), str(fault.get("code", ""))[:16])


def _ended(answer: dict[str, Any], state: State) -> datetime | None:
    # The last thing that happened to a VM that is off, failed, or is on its way out, is that.
    over = state in (State.STOPPED, State.FAILED, State.DELETING)
    return records.moment(answer.get("OS-SRV-USG:terminated_at") or (answer.get("updated") if over else None))


def _number(tags: Mapping[str, str], name: str) -> int | None:
    """A server's number in its batch: nova appends it to the name, from 1, unless it made one server only."""
    batch = tags.get(f"tfce{COLON}batch")
    found = re.search(rf"{re.escape(batch)}(?:-([0-9]{{1,6}}))?$", name) if batch else None
    return int(found.group(1) or 1) - 1 if found else None
