"""What a queue spends, for its metrics."""

from __future__ import annotations

from tfce.model.metrics import Reading
from tfce.model.price import MICRO
from tfce.model.record import Record
from tfce.pilots import allocations
from tfce.pilots.services import Services


def measured(services: Services, reading: Reading, record: Record) -> None:
    """Add what the record tells of allocations, costs and approvals to ``reading``."""
    seen = services.workspace.review_status
    reading.gauge("tfce_approval_waiting", len(seen.waiting) if seen else 0)
    _cost(services, reading, record)
    balances = allocations.balances(services, record)
    every = {str(one.allocation): one for one in balances}
    reading.whole("tfce_allocation_limit", {name: one.units(one.allocation.most) for name, one in every.items()})
    reading.whole("tfce_allocation_spent", {name: one.units(one.spent) for name, one in every.items()})
    reading.whole("tfce_allocation_bound", {name: one.units(one.bound) for name, one in every.items()})


def _cost(services: Services, reading: Reading, record: Record) -> None:
    prices, month = services.queue.allowance.prices, allocations.cost(services, record)
    rates = [prices.rate(pilot.spec.flavor) or 0 for pilot in record.pilots.values()]
    known = {prices.currency: month.units(month.spent)} if month else {}
    reading.whole("tfce_cost_month_to_date", known)
    reading.whole("tfce_cost_per_hour", dict.fromkeys(known, sum(rates) / MICRO))
