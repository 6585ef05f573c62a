"""From the pilots of a queue to what their VMs use. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from tfce.model.allocation import Used
from tfce.model.case import Case, Condition
from tfce.model.price import plain
from tfce.model.record import Record
from tfce.model.usage import Stay
from tfce.model.vm import State
from tfce.model.vm_spec import VMSpec


def without(record: Record, over: Iterable[Case], now: datetime, longest: int) -> Record:
    """``record`` less the pilots of the cases that are ``over``, with what their VMs used. May be repeated after a
    crash: a pilot leaves the record once, and a VM that no pilot claims is counted before its tombstone."""
    cases = list(over)
    counted = [case for case in cases if case.pilot is not None or case.stone is None]
    stays = [found for case in counted if (found := stay(case, now, longest))]
    usage = record.usage.ended(stays, now).knowing(cores(record, cases)) if stays else record.usage
    return replace(record.without({case.key for case in cases if case.pilot is not None}), usage=usage)


def stay(case: Case, now: datetime, longest: int) -> Stay | None:
    """The time of a VM that is over: until ``now``, where the cloud does not tell its end. One that is gone and
    was not seen to end counts for as long as it may have lived; one that never was does not count."""
    vm = case.vm
    start = (vm.created if vm else None) or case.requested_at
    if start is None or case.condition is Condition.NEVER_CREATED:
        return None
    gone = vm is None or vm.state is State.DELETED
    end = (vm.ended if vm else None) or (min(now, start + timedelta(seconds=longest)) if gone else now)
    return Stay(spec_of(case).flavor, start, max(start, end))


def spec_of(case: Case) -> VMSpec:
    """What a VM is made of, as it was asked for and as the cloud tells."""
    seen = case.vm.spec if case.vm else VMSpec()
    return case.pilot.spec.completed(seen) if case.pilot else seen


def used(record: Record, now: datetime, longest: int) -> Used:
    """What a queue used, and what its pilots may still use: each until it has lived for ``longest`` seconds."""
    whole = timedelta(seconds=longest)
    stays = [
        Stay(one.spec.flavor, one.requested_at, max(now, one.requested_at + whole))
        for one in record.pilots.values()
    ]
    return Used(record.usage.between, stays)


def cores(record: Record, cases: Iterable[Case] = ()) -> dict[str, int]:
    """Cores by flavor, as far as the cloud has told them."""
    specs = [*(pilot.spec for pilot in record.pilots.values()), *map(spec_of, cases)]
    told = {plain(one.flavor): int(one.cores) for one in specs if one.flavor and one.cores.isdecimal()}
    return {**record.usage.cores, **told}
