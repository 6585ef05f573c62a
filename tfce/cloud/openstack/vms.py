"""OpenStack's servers: listing, looking up, removing, and what they wrote."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from tfce.cloud.openstack.errors import reason_of_fault
from tfce.cloud.openstack.session import Session
from tfce.cloud.pool import share_out
from tfce.cloud.shape import Shape
from tfce.config.capabilities import capabilities_of
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.reasons import Reason
from tfce.model.redact import redacted
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
_ID = re.compile(r"[A-Za-z0-9_-]+")  # anything else could become another path of the API
COLON = capabilities_of("OPENSTACK").colon  # what the name of a tag has for ":"
_EXPLAINED = 10  # failed servers of one list that are asked for their fault
_AT_ONCE = 5  # servers that are removed at a time
_NAMES = 100  # in one search: they travel in the request's address


def owned(session: Session, owner: Owner, search: dict[str, str] | None = None) -> list[VM]:
    """Every VM of ``owner``'s CE and queue; ``search``: those that nova's own filters let through."""
    mine = [vm for vm in map(vm_of, _servers(session, search or {})) if owner.same_queue(vm)]
    # Nova's list leaves out why some servers failed; only the server itself says it.
    mute = [vm.id for vm in mine if vm.state is State.FAILED and not vm.fault][:_EXPLAINED]
    return [_explained(session, vm) if vm.id in mute else vm for vm in mine]


def existing(session: Session, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
    """The VMs of these pilots and batches."""
    if len(keys) + len(batches) > _NAMES:
        return owned(session, shape.owner)
    names = "|".join([*sorted(keys), *(f"{batch.name}(-[0-9]+)?" for batch in batches)])
    return owned(session, shape.owner, {"name": f"^{_literal(shape.name_prefix)}({names})$"})


def _explained(session: Session, vm: VM) -> VM:
    try:
        return one(session, vm.id) or vm
    except CloudError:
        return vm


def one(session: Session, vm_id: str) -> VM | None:
    """One VM by id; None only if the cloud says that there is none."""
    if not _ID.fullmatch(vm_id):
        return None
    answer = session.ask(f"looking for {vm_id}", f"/servers/{vm_id}")
    if answer is None:
        return None
    if "server" not in answer:
        raise CloudError(f"looking for {vm_id}: the cloud's answer is not understood", "unreachable")
    return vm_of(answer["server"])


def _servers(session: Session, search: dict[str, str]) -> Iterator[dict[str, Any]]:
    params: dict[str, str] = {**search, "limit": "1000"}
    while True:
        answer = session.ask("listing VMs", "/servers/detail", params)
        if answer is None or not isinstance(answer.get("servers"), list):
            raise CloudError("listing VMs: the cloud's answer is no list", "unreachable")
        yield from answer["servers"]
        following = [link["href"] for link in answer.get("servers_links", ()) if link.get("rel") == "next"]
        query = urllib.parse.urlsplit(following[0]).query if following else ""
        marker = urllib.parse.parse_qs(query).get("marker")
        if not marker:
            return
        params["marker"] = marker[0]


def destroy(session: Session, vm_ids: Iterable[str]) -> dict[str, str]:
    """Ask for the removal of these VMs, several at a time; the refusals, by id."""
    ids = list(dict.fromkeys(vm_ids))
    refused: dict[str, str] = {}
    silent: list[str] = []

    def remove(own: Session, vm_id: str) -> bool:
        try:
            own.ask(f"removing {vm_id}", f"/servers/{vm_id}", method="DELETE")
        except CloudError as error:
            refused[vm_id] = error.message
            if error.kind == "unreachable":
                silent.append(error.message)
                return False
        return True

    # A cloud that does not answer costs each worker one wait, however many VMs are to go.
    workers = [session, *(session.clone() for _ in range(min(len(ids), _AT_ONCE) - 1))]
    for vm_id in share_out(workers, ids, remove):
        refused[vm_id] = f"not asked for, since the cloud did not answer before ({silent[0]})"
    for own in workers[1:]:
        session.calls.update(own.calls)
    return refused


def console(session: Session, vm_id: str) -> str | None:
    """What a VM wrote to its console; None where there is none."""
    if not _ID.fullmatch(vm_id):
        return None
    asking, path = f"asking for the console of {vm_id}", f"/servers/{vm_id}/action"
    # Of a VM that is off, or not up yet, nova says 404 or 409; of a hypervisor without consoles 501.
    answer = session.ask(asking, path, method="POST", data={"os-getConsoleOutput": {}}, none=(404, 409, 501))
    text = (answer or {}).get("output")
    return redacted(str(text), session.secrets) if text else None


def vm_of(server: dict[str, Any]) -> VM:
    """A server of nova's as a VM."""
    raw = str(server.get("status", ""))
    state = STATES.get(raw, State.UNKNOWN)
    if server.get("OS-EXT-STS:task_state") == "deleting":
        raw, state = f"{raw} (deleting)", State.DELETING
    # The last thing that happened to a VM that is off, or failed, is that.
    over = state in (State.STOPPED, State.FAILED)
    return VM(
        id=str(server["id"]),
        name=str(server.get("name", "")),
        state=state,
        raw_state=raw,
        created=_moment(server.get("created")),
        tags=with_key(server.get("metadata") or {}, _number(server), COLON),
        fault=_fault(server.get("fault") or {}),
        ended=_moment(server.get("OS-SRV-USG:terminated_at") or (server.get("updated") if over else None)),
    )


def _fault(fault: dict[str, Any]) -> Reason | None:
    return reason_of_fault(str(fault.get("message", "")), str(fault.get("code", "")))


def _number(server: dict[str, Any]) -> int | None:
    """A server's number in its batch: nova appends it to the name, from 1, unless it made one server only."""
    batch = (server.get("metadata") or {}).get(f"tfce{COLON}batch")
    found = re.search(rf"{re.escape(str(batch))}(?:-(\d+))?$", str(server.get("name", ""))) if batch else None
    return int(found.group(1) or 1) - 1 if found else None


def _moment(text: str | None) -> datetime | None:
    """A time of nova's; those without a zone are UTC, too."""
    if not text:
        return None
    when = datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _literal(text: str) -> str:
    """``text`` in a regular expression, for whichever database nova has."""
    return re.sub(r"([^A-Za-z0-9_-])", r"\\\1", text)
