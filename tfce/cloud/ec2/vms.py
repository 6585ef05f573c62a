"""EC2's instances: listing, looking up, removing, and what they wrote."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findall

from tfce.cloud import clean
from tfce.cloud.ec2.answers import text_of
from tfce.cloud.ec2.parse import instance
from tfce.cloud.ec2.session import Session, filters, literal
from tfce.cloud.libcloud_errors import translated
from tfce.cloud.listing import Listing, collect, pages
from tfce.cloud.pool import AT_ONCE, run_pool
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind
from tfce.model.redact import redacted
from tfce.model.vm import VM, Owner

PAGE = {"MaxResults": "1000"}  # instances per DescribeInstances, EC2's most
_DESTROY = 100  # instances per TerminateInstances
_VALUES = 200  # of one filter, EC2's most
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def owned(session: Session, owners: Sequence[Owner]) -> Listing:
    """Every VM of these CEs and queues, and those that were left to them."""
    wanted = _one_of(1, "tag:tfce:ce", [literal(owner.ce) for owner in owners])
    wanted |= _one_of(2, "tag:tfce:queue", [literal(owner.queue) for owner in owners])
    left = [f"{literal(owner.adopt)}*" for owner in owners if owner.adopt]
    searches = [wanted | PAGE, *([_one_of(1, "tag:Name", left) | PAGE] if left else [])]
    return listed(session, searches).of_queues(owners)


def everyone(session: Session) -> Listing:
    """Every VM of the account, in this region."""
    return listed(session, [PAGE])


def _one_of(number: int, name: str, values: Iterable[str]) -> dict[str, str]:
    """Filter ``number`` of a request: the tag has one of these ``values``."""
    params = {f"Filter.{number}.Value.{n}": value for n, value in enumerate(dict.fromkeys(values), 1)}
    return {f"Filter.{number}.Name": name, **params}


def existing(session: Session, owner: Owner, keys: Collection[str], batches: Collection[Batch]) -> Listing:
    """The VMs of these pilots and batches."""
    tags = [("tag:tfce:key", sorted(keys)), ("tag:tfce:batch", sorted(batch.name for batch in batches))]
    queue = filters({"tag:tfce:ce": owner.ce, "tag:tfce:queue": owner.queue})
    searches = []
    for tag, wanted in tags:
        for start in range(0, len(wanted), _VALUES):
            some = wanted[start : start + _VALUES]
            searches.append(queue | _one_of(3, tag, some) | PAGE)
    return listed(session, searches)


def one(session: Session, vm_id: str) -> VM | None:
    """One VM by id; None only if the cloud says that there is none."""
    try:
        found = listed(session, [{"InstanceId.1": vm_id}])
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


def listed(session: Session, searches: Iterable[dict[str, str]]) -> Listing:
    """The VMs that any of the ``searches`` finds."""
    asking = "listing VMs"
    owners: list[str] = []
    items = (item for params in searches for item in _items(session, asking, params, owners))
    found = collect(asking, items, instance)
    found.cloud_time = session.cloud_time
    # EC2 lists the caller's own instances only: their owner is the account of the credentials.
    found.account = owners[0] if len(set(owners)) == 1 and _ACCOUNT.fullmatch(owners[0]) else ""
    return found


def _items(session: Session, asking: str, params: dict[str, str], owners: list[str]) -> Iterator[Any]:
    """The instances of all pages; the accounts that own them go to ``owners``."""

    def ask(token: str | None) -> tuple[list[Any], str | None]:
        page = {"Action": "DescribeInstances", **params, **({"NextToken": token} if token else {})}
        answer = session.ask(asking, page)
        items = findall(answer, "reservationSet/item/instancesSet/item", NAMESPACE)
        said = (text_of(one, "ownerId") for one in findall(answer, "reservationSet/item", NAMESPACE))
        owners.extend(filter(None, said))
        return items, text_of(answer, "nextToken")

    return pages(asking, session.limits, ask)


def started(asking: str, answer: Any, given: Mapping[str, str] | None = None) -> list[VM]:
    """The VMs in the answer to a request for some, with the tags that they were ``given`` since. Raises
    ``CloudError``: all of them, or nobody knows which."""
    found = collect(asking, findall(answer, "instancesSet/item", NAMESPACE), partial(instance, given=given or {}))
    if not found or not found.complete:
        raise CloudError(f"{asking}: the cloud's answer names no VM", "unreachable")
    return list(found)


def account(session: Session) -> str:
    """The account of the credentials: each has a security group of its own. "" where that may not be seen."""
    with suppress(CloudError):
        answer = session.ask("asking for the account", {"Action": "DescribeSecurityGroups", "MaxResults": "5"})
        return text_of(answer, "securityGroupInfo/item/ownerId") or ""
    return ""


def tag(session: Session, vm_ids: Collection[str], tags: Mapping[str, str]) -> None:
    """Give VMs that exist their tags; the API may not know everywhere yet what it has just made. Raises
    ``CloudError``."""
    params = {f"ResourceId.{n}": vm_id for n, vm_id in enumerate(vm_ids, 1)}
    for number, (name, value) in enumerate(sorted(tags.items()), 1):
        params |= {f"Tag.{number}.Key": name, f"Tag.{number}.Value": value}
    for attempt in itertools.count():
        try:
            session.ask("tagging VMs", {"Action": "CreateTags", **params})
            return
        except CloudError as error:
            if not _says_missing(error) or not session.again(attempt):
                raise


def destroy(session: Session, vm_ids: Iterable[str]) -> dict[str, str]:
    """Ask for the removal of these VMs; the refusals, by id. A cloud that does not answer costs one wait."""
    wanted = list(dict.fromkeys(vm_ids))
    refused: dict[str, str] = {}
    alone = _terminated(session, [wanted[n : n + _DESTROY] for n in range(0, len(wanted), _DESTROY)], refused)
    _terminated(session, [[vm_id] for vm_id in alone], refused)
    return refused


def _terminated(session: Session, requests: Sequence[Sequence[str]], refused: dict[str, str]) -> list[str]:
    """Ask each of the ``requests``, several at a time; refusals go to ``refused``. Returned are the ids that one
    bad id may have failed: they are to be asked for each by itself."""
    alone: list[str] = []
    silent: list[str] = []

    def terminate(own: Session, some: Sequence[str]) -> bool:
        try:
            _terminate(own, some)
        except CloudError as error:
            if error.kind == "unreachable":
                silent.append(error.message)
                refused.update(dict.fromkeys(some, error.message))
                return False
            if len(some) > 1:
                alone.extend(some)
            elif not _says_missing(error):
                refused[some[0]] = error.message
        return True

    workers = [session, *(session.clone() for _ in range(min(len(requests), AT_ONCE) - 1))]
    for some in run_pool(workers, requests, terminate) if requests else ():
        refused.update(dict.fromkeys(some, silent[0]))
    for own in workers[1:]:
        session.calls.update(own.calls)
    return alone


def _terminate(session: Session, vm_ids: Sequence[str]) -> None:
    params = {f"InstanceId.{n}": vm_id for n, vm_id in enumerate(vm_ids, 1)}
    answer = session.ask("removing VMs", {"Action": "TerminateInstances", **params})
    items = findall(answer, "instancesSet/item", NAMESPACE)
    missing = set(vm_ids) - {text_of(item, "instanceId") for item in items}
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
        text = "".join((text_of(answer, "output") or "").split())
        output = base64.b64decode(text, validate=True)
    return redacted(clean.text(output.decode("utf-8", "replace")), session.secrets) if output else None
