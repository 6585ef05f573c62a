"""Reads a cloud's list of VMs page by page: checks each page, and stops where a list must end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from tfce.cloud.limits import RequestLimits
from tfce.cloud.records import InvalidRecordError
from tfce.model.errors import CloudError
from tfce.model.vm import LIVELINESS, VM, Owner

log = logging.getLogger("tfce.cloud")
Raw = TypeVar("Raw")
Parsed = TypeVar("Parsed")


class Listing(list[VM]):
    """The VMs of a list, each once. ``complete``: no record was left out; ``cloud_time``: the cloud's own clock
    when it answered, None where it does not say; ``duplicates``: records of a VM that was there already;
    ``account``: the cloud's id of the account or project that was asked, "" where it does not say."""

    def __init__(
        self,
        vms: Iterable[VM] = (),
        complete: bool = True,
        cloud_time: datetime | None = None,
        duplicates: int = 0,
        account: str = "",
    ) -> None:
        super().__init__(vms)
        self.account = account
        self.complete, self.cloud_time, self.duplicates = complete, cloud_time, duplicates

    def of(self, vms: Iterable[VM]) -> Listing:
        """Some of these VMs, or the same ones with more known of them: just as trustworthy."""
        return Listing(vms, self.complete, self.cloud_time, self.duplicates, self.account)

    def of_queues(self, owners: Sequence[Owner]) -> Listing:
        """The VMs with the CE and queue of one of the ``owners``, and those that were left to them."""
        return self.of(vm for vm in self if any(owner.same_queue(vm) for owner in owners))


def collect(asking: str, raws: Iterable[Raw], parse: Callable[[Raw], VM]) -> Listing:
    """The VMs that ``raws`` describe. A record for which ``parse`` raises ``InvalidRecordError`` is left out; all
    of these together cost one warning. The same id is the same VM."""
    found: dict[str, VM] = {}
    odd: list[str] = []
    duplicates = 0
    for vm in sound(asking, raws, parse, odd):
        duplicates += vm.id in found
        found[vm.id] = min(found.get(vm.id, vm), vm, key=_rank)
    return Listing(found.values(), complete=not odd, duplicates=duplicates)


def sound(
    asking: str, raws: Iterable[Raw], parse: Callable[[Raw], Parsed], odd: list[str] | None = None
) -> Iterator[Parsed]:
    """What ``parse`` makes of ``raws``, without those for which it raises ``InvalidRecordError``: what is wrong
    with them is added to ``odd``, and said in one warning at the end."""
    odd = [] if odd is None else odd
    for raw in raws:
        try:
            yield parse(raw)
        except InvalidRecordError as error:
            odd.append(str(error))
    if odd:
        log.warning("%s: %d odd record(s) left out; of the first, %s", asking, len(odd), odd[0])


def _rank(vm: VM) -> tuple[int, int]:
    """Of two records of one VM, the livelier goes first, then the one that says more."""
    return LIVELINESS[vm.state], -len(vm.tags)


def pages(
    asking: str, limits: RequestLimits, ask: Callable[[str | None], tuple[Sequence[Raw], str | None]]
) -> Iterator[Raw]:
    """The records of all pages: ``ask`` gives those after a token, and the token of the next page or None. Raises
    ``CloudError`` for a list that does not end."""
    seen: set[str | None] = {None}
    token: str | None = None
    items, end = 0, time.monotonic() + limits.list_seconds
    for _ in range(limits.pages):
        records, token = ask(token)
        items += len(records)
        yield from records
        if not token:
            return
        if token in seen:
            raise CloudError(f"{asking}: the cloud's list does not end: a page comes again", "unreachable")
        seen.add(token)
        if items > limits.items or time.monotonic() > end:
            break
    raise CloudError(f"{asking}: the cloud's list does not end ({items} records so far)", "unreachable")


def listed(asking: str, answer: Any, items: str) -> list[Any]:
    """The list called ``items`` in a JSON answer. Raises ``CloudError``."""
    found = answer.get(items) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise CloudError(f"{asking}: the cloud's answer is no list", "unreachable")
    return found
