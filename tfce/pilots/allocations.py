"""What a queue, or its CE, may still use of its allocations: read from the records, counted by the model."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta

from tfce.config.offerings import Offering, offerings
from tfce.model import spending
from tfce.model.allocation import (
    Allocation,
    Balance,
    Period,
    Rate,
    Unit,
    Used,
    balance,
    fitting,
    rate_of,
    together,
)
from tfce.model.errors import CloudError, WorkspaceError
from tfce.model.hold import Hold, HoldKind
from tfce.model.pilot import timestamp
from tfce.model.price import plain
from tfce.model.record import Record
from tfce.model.usage import Stay
from tfce.pilots import offering_choice
from tfce.pilots.services import Services
from tfce.store import ce_queues

log = logging.getLogger("tfce")


def alone(services: Services) -> AbstractContextManager[None]:
    """Nobody else starts pilots of the CE meanwhile, where its queues share an allocation; where not, those that
    do know of this one, which may start some from then on."""
    if _shared(services.queue.allowance.allocations):
        return ce_queues.exclusive(services.workspace)
    ce_queues.join(services.workspace)
    return nullcontext()


def ready(services: Services, record: Record) -> Record:
    """``record`` with all that the allocations are reckoned with; the cloud is asked once for each flavor whose
    cores it has not told yet. Written with whatever is written next."""
    usage = replace(record.usage, longest=services.rules.longest)
    if _in_cores(services):
        known = spending.cores(record)
        flavors = dict.fromkeys(one.flavor for one in offerings(services.queue) if plain(one.flavor) not in known)
        told = {flavor: _asked(services, flavor) for flavor in flavors}
        usage = usage.knowing({**known, **{flavor: number for flavor, number in told.items() if number}})
    return replace(record, usage=usage)


def balances(services: Services, record: Record) -> list[Balance]:
    """How each of the queue's allocations stands now. Asks nothing of the cloud; raises ``WorkspaceError`` where
    what another queue of the CE used cannot be known."""
    used, now = _Used(services, record), services.clock()
    return [balance(one, used.of(one), used.rate(one), now) for one in services.queue.allowance.allocations]


def cost(services: Services, record: Record) -> Balance | None:
    """What the queue's pilots have cost this month; None where no price is known."""
    prices, now = services.queue.allowance.prices, services.clock()
    if not prices:
        return None
    used = spending.used(record, now, services.rules.longest)
    month = Allocation(0, Unit.MONEY, Period.MONTH, currency=prices.currency)
    return balance(month, used, prices.rate, now)


def held(services: Services, record: Record) -> Hold | None:
    """What keeps every offering that would be tried from fitting into what is left."""
    if not services.queue.allowance.allocations:
        return None
    tried = offering_choice.open_ones(
        services.workspace.network_zones.offerings, record, services.clock(), by_hand=True
    )
    rooms = _rooms(services, record, tried, 1)
    return None if not rooms or any(most for most, _ in rooms) else rooms[0][1]


def room(services: Services, record: Record, offering: Offering, most: int) -> tuple[int, Hold | None]:
    """How many pilots of ``offering``, at most ``most``, fit into what is left, and what keeps the others back."""
    return _rooms(services, record, [offering], most)[0]


def _rooms(
    services: Services, record: Record, every: Sequence[Offering], most: int
) -> list[tuple[int, Hold | None]]:
    """The same of each offering; what the CE used is read once, and not at all where nothing is allotted."""
    if not services.queue.allowance.allocations:
        return [(most, None)] * len(every)
    try:
        used = _Used(services, record)
    except WorkspaceError as error:
        text = f"what the CE has used is not known: {error.problem}"
        return [(0, Hold(HoldKind.SPENT, text, error.cure, firm=True))] * len(every)
    return [_fitting(services, used, offering, most) for offering in every]


def _fitting(services: Services, used: _Used, offering: Offering, most: int) -> tuple[int, Hold | None]:
    hold: Hold | None = None
    new = _whole_life(services, offering.flavor)
    for one in services.queue.allowance.allocations:
        fits, there = fitting(one, used.of(one), used.rate(one), new, most)
        if fits < most:
            most, hold = fits, _hold(there, new, used.rate(one), fits)
    return most, hold


class _Used:
    """What was used, by whom an allocation is for."""

    def __init__(self, services: Services, record: Record) -> None:
        allowance, clock = services.queue.allowance, services.clock
        others = list(ce_queues.records(services.workspace)) if _shared(allowance.allocations) else []
        self._prices, self._usual = allowance.prices, allowance.processors
        self._mine = spending.used(record, clock(), services.rules.longest)
        rest = [spending.used(one, clock(), max(one.usage.longest, services.rules.longest)) for one in others]
        self._all = together([self._mine, *rest])
        self._cores = {flavor: n for one in (*others, record) for flavor, n in spending.cores(one).items()}

    def of(self, allocation: Allocation) -> Used:
        """By the CE or by the queue."""
        return self._all if allocation.whole_ce else self._mine

    def rate(self, allocation: Allocation) -> Rate:
        """What a second of each flavor counts."""
        return rate_of(allocation.unit, self._cores, self._prices, self._usual)


def _shared(allocations: Collection[Allocation]) -> bool:
    return any(one.whole_ce for one in allocations)


def _in_cores(services: Services) -> bool:
    return any(one.unit is Unit.CORE_HOURS for one in services.queue.allowance.allocations)


def _asked(services: Services, flavor: str) -> int | None:
    try:
        return services.cloud.cores(flavor)
    except CloudError as error:
        log.warning("the cloud does not tell the cores of %s: %s", flavor, error.message)
        return None


def _whole_life(services: Services, flavor: str) -> Stay:
    now = services.clock()
    return Stay(flavor, now, now + timedelta(seconds=services.rules.longest))


def _hold(there: Balance, new: Stay, rate: Rate, fits: int) -> Hold:
    flavor = plain(new.flavor)
    missing = there.unknown | ({flavor} if rate(flavor) is None else set())
    if missing:
        option = "Workspace_Price" if there.allocation.unit is Unit.MONEY else "NumberOfProcessors"
        whose = ", ".join(sorted(missing))
        text = f"Workspace_MaxHours = {there.allocation}: nobody knows the {_WHAT[option]} of {whose}"
        return Hold(HoldKind.SPENT, text, f"set {option}", firm=True)
    each = there.units((rate(flavor) or 0) * new.seconds(there.start, there.end))
    left = there.units(there.left)
    text = f"Workspace_MaxHours: {there}; {left:.2f} are left, and a pilot may take {each:.2f}"
    cure = f"raise it, shorten Context_MaxLifetime, or wait: the period ends {timestamp(there.end)}"
    return Hold(HoldKind.SPENT, text, cure, most=fits, firm=True)


_WHAT = {"Workspace_Price": "price", "NumberOfProcessors": "cores"}
