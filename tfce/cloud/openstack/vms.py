"""OpenStack's servers: listing, looking up, removing, and what they wrote."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import length_hint
from typing import Any

from tfce.cloud import clean
from tfce.cloud.listing import Listing, collect, listed, pages
from tfce.cloud.openstack.lookup import next_marker
from tfce.cloud.openstack.parse import server
from tfce.cloud.openstack.session import Session
from tfce.cloud.pool import AT_ONCE, run_pool
from tfce.cloud.records import InvalidRecordError
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.redact import redacted
from tfce.model.vm import OVER, VM, Owner, State

_ID = re.compile(r"[A-Za-z0-9_-]+")  # anything else could become another path of the API
_EXPLAINED = 10  # failed servers of one list that are asked for their fault
_NAMES = 100  # in one search: they travel in the request's address


def owned(session: Session, owners: Sequence[Owner], search: dict[str, str] | None = None) -> Listing:
    """Every VM of these CEs and queues; ``search``: those that nova's own filters let through."""
    mine = everyone(session, search).of_queues(owners)
    # Nova's list leaves out why some servers failed; only the server itself says it.
    mute = [vm.id for vm in mine if vm.state is State.FAILED and not vm.fault][:_EXPLAINED]
    return mine.of(_explained(session, vm) if vm.id in mute else vm for vm in mine)


def everyone(session: Session, search: dict[str, str] | None = None) -> Listing:
    """Every VM of the project; ``search``: those that nova's own filters let through."""
    projects: set[str] = set()
    found = collect("listing VMs", _noted(_servers(session, search or {}), projects), server)
    found.cloud_time = session.cloud_time
    found.account = projects.pop() if len(projects) == 1 else session.login.project
    return found


def _noted(servers: Iterable[Any], projects: set[str]) -> Iterator[Any]:
    """The servers; whose projects they are goes to ``projects``."""
    for one in servers:
        project = one.get("tenant_id") if isinstance(one, dict) else None
        if isinstance(project, str) and _ID.fullmatch(project):
            projects.add(project)
        yield one


def existing(session: Session, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> Listing:
    """The VMs of these pilots and batches."""
    if len(keys) + len(batches) > _NAMES:
        return owned(session, [shape.owner])
    return owned(session, [shape.owner], _named(shape, keys, batches))


def bare(session: Session, shape: Shape, batch: Batch) -> list[VM]:
    """The VMs that are called like those of ``batch``, and have nobody's tags."""
    found = collect("listing VMs", _servers(session, _named(shape, (), [batch])), server)
    return [vm for vm in found if not vm.claimed and vm.state not in OVER]


def _named(shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> dict[str, str]:
    names = "|".join([*sorted(keys), *(f"{batch.name}(-[0-9]+)?" for batch in batches)])
    return {"name": f"^{_literal(shape.name_prefix)}({names})$"}


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
    try:
        return server(answer.get("server"))
    except InvalidRecordError as error:
        problem = f"looking for {vm_id}: the cloud's answer is not understood: {error}"
        raise CloudError(problem, "unreachable") from None


def _servers(session: Session, search: dict[str, str]) -> Iterator[Any]:
    asking = "listing VMs"

    def ask(marker: str | None) -> tuple[list[Any], str | None]:
        params = {**search, "limit": "1000", **({"marker": marker} if marker else {})}
        answer = session.ask(asking, "/servers/detail", params, none=())
        return listed(asking, answer, "servers"), next_marker(answer or {}, "servers")

    return pages(asking, session.limits, ask)


def destroy(session: Session, vm_ids: Iterable[str]) -> dict[str, str]:
    """Ask for the removal of these VMs, several at a time, each when it comes; the refusals, by id."""
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
    workers = [session.clone() for _ in range(min(length_hint(vm_ids, AT_ONCE), AT_ONCE))]
    for vm_id in run_pool(workers, unique(vm_ids), remove):
        refused[vm_id] = f"not asked for, since the cloud did not answer before ({silent[0]})"
    for own in workers:
        session.calls.update(own.calls)
    return refused


def unique(ids: Iterable[str]) -> Iterator[str]:
    """Each of them once, in their order, as they come."""
    seen = set[str]()
    for one in ids:
        if one not in seen:
            seen.add(one)
            yield one


def console(session: Session, vm_id: str) -> str | None:
    """What a VM wrote to its console; None where there is none."""
    if not _ID.fullmatch(vm_id):
        return None
    asking, path = f"asking for the console of {vm_id}", f"/servers/{vm_id}/action"
    # Of a VM that is off, or not up yet, nova says 404 or 409; of a hypervisor without consoles 501.
    answer = session.ask(asking, path, method="POST", data={"os-getConsoleOutput": {}}, none=(404, 409, 501))
    text = (answer or {}).get("output")
    return redacted(clean.text(text), session.secrets) if isinstance(text, str) and text else None


def _literal(text: str) -> str:
    """``text`` in a regular expression, for whichever database nova has."""
    return re.sub(r"([^A-Za-z0-9_-])", r"\\\1", text)
