"""EC2's instances: listing, looking up, removing, and what they wrote."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findall, findtext

from tfce.cloud.ec2.errors import reason_of_end
from tfce.cloud.ec2.session import Session, filters, literal
from tfce.cloud.edge import translated
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind
from tfce.model.redact import redacted
from tfce.model.vm import VM, Owner, State, with_key

# EC2's words for an instance, and what they mean for its pilot. Any other word is State.UNKNOWN.
STATES = {
    "pending": State.BOOTING,
    "running": State.RUNNING,
    "stopping": State.RUNNING,
    "stopped": State.STOPPED,
    "shutting-down": State.DELETING,
    "terminated": State.DELETED,
}
_PAGE = {"MaxResults": "1000"}  # instances per DescribeInstances, EC2's most
_DESTROY = 100  # instances per TerminateInstances
_VALUES = 200  # of one filter, EC2's most
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")


def owned(session: Session, owner: Owner) -> list[VM]:
    """Every VM of ``owner``'s CE and queue, and those that were left to it."""
    wanted = {"tag:tfce:ce": owner.ce, "tag:tfce:queue": owner.queue}
    found = list(_described(session, {**filters(wanted), **_PAGE}))
    if owner.adopt:
        named = {"Filter.1.Name": "tag:Name", "Filter.1.Value.1": f"{literal(owner.adopt)}*"}
        found += _described(session, {**named, **_PAGE})
    return [vm for vm in found if owner.same_queue(vm)]


def existing(session: Session, owner: Owner, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
    """The VMs of these pilots and batches."""
    tags = [("tag:tfce:key", sorted(keys)), ("tag:tfce:batch", sorted(batch.name for batch in batches))]
    queue = filters({"tag:tfce:ce": owner.ce, "tag:tfce:queue": owner.queue})
    found: list[VM] = []
    for tag, wanted in tags:
        for start in range(0, len(wanted), _VALUES):
            some = wanted[start : start + _VALUES]
            values = {f"Filter.3.Value.{n}": value for n, value in enumerate(some, 1)}
            found += _described(session, {**queue, "Filter.3.Name": tag, **values, **_PAGE})
    return found


def one(session: Session, vm_id: str) -> VM | None:
    """One VM by id; None only if the cloud says that there is none."""
    try:
        found = list(_described(session, {"InstanceId.1": vm_id}))
    except CloudError as error:
        if _says_missing(error):
            return None
        raise
    for vm in found:
        if vm.id == vm_id:
            return vm
    raise CloudError(f"looking for {vm_id}: the cloud's answer is empty, which is not believed", "unreachable")


def _says_missing(error: CloudError) -> bool:
    return error.reason.kind is Kind.GONE


def _described(session: Session, params: dict[str, str]) -> Iterator[VM]:
    token: str | None = None
    while True:
        page = {"Action": "DescribeInstances", **params, **({"NextToken": token} if token else {})}
        answer = session.ask("listing VMs", page)
        with translated("reading the list of VMs", session.secrets):
            for reservation in findall(answer, "reservationSet/item", NAMESPACE):
                yield from instances(session, reservation)
            token = findtext(answer, "nextToken", NAMESPACE)
        if not token:
            return


def instances(session: Session, reservation: Any) -> list[VM]:
    """The instances in an answer's element, as VMs."""
    return [_vm(node) for node in session.driver._to_nodes(reservation, "instancesSet/item")]


def destroy(session: Session, vm_ids: Iterable[str]) -> dict[str, str]:
    """Ask for the removal of these VMs; the refusals, by id."""
    refused: dict[str, str] = {}
    wanted = list(vm_ids)
    for start in range(0, len(wanted), _DESTROY):
        some = wanted[start : start + _DESTROY]
        try:
            _terminate(session, some)
        except CloudError:
            # One bad id fails them all: ask for each by itself.
            refused |= _terminate_singly(session, some)
    return refused


def _terminate_singly(session: Session, vm_ids: Sequence[str]) -> dict[str, str]:
    refused: dict[str, str] = {}
    for vm_id in vm_ids:
        try:
            _terminate(session, [vm_id])
        except CloudError as error:
            if not _says_missing(error):
                refused[vm_id] = error.message
    return refused


def _terminate(session: Session, vm_ids: Sequence[str]) -> None:
    params = {f"InstanceId.{n}": vm_id for n, vm_id in enumerate(vm_ids, 1)}
    answer = session.ask("removing VMs", {"Action": "TerminateInstances", **params})
    items = findall(answer, "instancesSet/item", NAMESPACE)
    missing = set(vm_ids) - {findtext(item, "instanceId", NAMESPACE) for item in items}
    if missing:
        raise CloudError(f"removing VMs: the cloud did not confirm {', '.join(sorted(missing))}")


def console(session: Session, vm_id: str) -> str | None:
    """What a VM wrote to its console; None where there is none."""
    asking = f"asking for the console of {vm_id}"
    try:
        answer = session.ask(asking, {"Action": "GetConsoleOutput", "InstanceId": vm_id})
    except CloudError as error:
        if _says_missing(error):
            return None
        raise
    with translated(asking, session.secrets):
        text = "".join((findtext(answer, "output", NAMESPACE) or "").split())
        output = base64.b64decode(text, validate=True)
    return redacted(output.decode("utf-8", "replace"), session.secrets) if output else None


def _vm(node: Any) -> VM:
    raw, reason = str(node.extra.get("status") or ""), str(node.extra.get("reason") or "")
    tags, number = dict(node.extra.get("tags") or {}), node.extra.get("launch_index")
    return VM(
        id=node.id,
        name=f"{node.name}-{int(number or 0) + 1}" if "tfce:batch" in tags else node.name,
        state=STATES.get(raw, State.UNKNOWN),
        raw_state=raw,
        created=node.created_at.astimezone(UTC) if node.created_at else None,
        tags=with_key(tags, number),
        fault=reason_of_end("", reason),
        ended=_ended(raw, reason),
    )


def _ended(raw: str, reason: str) -> datetime | None:
    """When an instance stopped or was terminated: EC2 says it in the reason, "User initiated (2026-01-31
    12:00:00 GMT)", and not always."""
    found = _WHEN.search(reason) if STATES.get(raw) in (State.STOPPED, State.DELETED) else None
    return datetime.fromisoformat(found.group(1)).replace(tzinfo=UTC) if found else None
