"""How much of a cloud may be used in a day, week or month, and how much of that is left. Pure.

Everything is reckoned in whole numbers: seconds of VMs times a rate of their flavor (1, its cores, or its price),
against the allocation in the same unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from tfce.model.price import MICRO, Prices, plain
from tfce.model.usage import Stay, midnight

_HOUR = 3600
_DAY = timedelta(days=1)

Rate = Callable[[str], int | None]  # of a flavor; None: nobody knows


class Unit(Enum):
    """What is allotted. The value is the word for people and programs."""

    HOURS = "VM hours"
    CORE_HOURS = "core hours"
    MONEY = "money"


class Period(Enum):
    """For how long. Days begin at midnight UTC, weeks on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def around(self, when: datetime) -> tuple[datetime, datetime]:
        """Begin and end of the period that ``when`` is in."""
        day = midnight(when)
        if self is Period.DAY:
            return day, day + _DAY
        if self is Period.WEEK:
            monday = day - day.weekday() * _DAY
            return monday, monday + 7 * _DAY
        first = day.replace(day=1)
        return first, (first + 31 * _DAY).replace(day=1)

    def touched(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The periods that the time from ``start`` to ``end`` lies in."""
        begin, close = self.around(start)
        yield begin, close
        while close < end:
            begin, close = self.around(close)
            yield begin, close


@dataclass(frozen=True)
class Allocation:
    """``amount``: hundredths of a unit in each ``period``; ``currency`` as written, "" for none; ``whole_ce``: all
    queues of the CE together may use so much."""

    amount: int
    unit: Unit = Unit.HOURS
    period: Period = Period.MONTH
    whole_ce: bool = False
    currency: str = ""

    @property
    def most(self) -> int:
        """The allocation in seconds times rate."""
        return self.amount * scale(self.unit) // 100

    @property
    def noun(self) -> str:
        """What it is counted in, for people."""
        return (self.currency or "of money") if self.unit is Unit.MONEY else self.unit.value

    def __str__(self) -> str:
        return f"{self.amount / 100:g} {self.noun}/{self.period.value}{' ce' if self.whole_ce else ''}"


def scale(unit: Unit) -> int:
    """How many seconds times rate make one of ``unit``."""
    return _HOUR * MICRO if unit is Unit.MONEY else _HOUR


def rate_of(unit: Unit, cores: Mapping[str, int], prices: Prices, usual: int | None) -> Rate:
    """What a second of each flavor counts. ``usual``: cores of a flavor of which nobody told any."""
    if unit is Unit.HOURS:
        return lambda flavor: 1
    if unit is Unit.MONEY:
        return prices.rate
    return lambda flavor: cores.get(plain(flavor), usual)


@dataclass(frozen=True)
class Balance:
    """How an ``allocation`` stands in the period from ``start`` to ``end``, in seconds times rate: ``spent`` until
    now, ``bound``: what those that run may still spend; ``running``: how many these are; ``unknown``: flavors
    that have no rate, so that nothing may be started."""

    allocation: Allocation
    start: datetime
    end: datetime
    spent: int
    bound: int
    running: int = 0
    unknown: frozenset[str] = frozenset()

    @property
    def left(self) -> int:
        """What no VM has spent or may still spend."""
        return max(0, self.allocation.most - self.spent - self.bound)

    def units(self, number: int) -> float:
        """``number`` in the allocation's unit, for people and programs."""
        return number / scale(self.allocation.unit)

    def __str__(self) -> str:
        spent, bound = self.units(self.spent), self.units(self.bound)
        of = f"{self.allocation.amount / 100:g} {self.allocation.noun}"
        whose = " of the whole CE" if self.allocation.whole_ce else ""
        until = f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d} UTC"
        more = f", {bound:.2f} more may go to the {self.running} that run" if self.running else ""
        return f"{spent:.2f} of {of}{whose} are spent ({until}){more}"


@dataclass(frozen=True)
class Used:
    """What was used, whoever did it: ``ended``: seconds by flavor of VMs that ended, from one midnight to another;
    ``stays``: of those that run, from when they were asked for to when they have ended at the latest."""

    ended: Callable[[datetime, datetime], Counter[str]]
    stays: Collection[Stay] = field(default_factory=tuple)


def balance(allocation: Allocation, used: Used, rate: Rate, now: datetime, at: datetime | None = None) -> Balance:
    """How ``allocation`` stands at ``now`` in the period that ``at`` is in."""
    start, end = allocation.period.around(at or now)
    spent, bound = used.ended(start, end), Counter[str]()
    for stay in used.stays:
        spent[plain(stay.flavor)] += Stay("", stay.start, min(stay.end, now)).seconds(start, end)
        bound[plain(stay.flavor)] += Stay("", max(stay.start, now), stay.end).seconds(start, end)
    unknown = frozenset(flavor for flavor, seconds in (spent + bound).items() if seconds and rate(flavor) is None)
    sums = [sum((rate(flavor) or 0) * seconds for flavor, seconds in of.items()) for of in (spent, bound)]
    running = sum(1 for stay in used.stays if stay.end > now)
    return Balance(allocation, start, end, sums[0], sums[1], running, unknown)


def fitting(allocation: Allocation, used: Used, rate: Rate, new: Stay, most: int) -> tuple[int, Balance]:
    """How many VMs (at most ``most``) fit beside what is used, in every period that they touch, if each stays as
    long as ``new`` may; and the balance of the tightest period."""
    now, price = new.start, rate(new.flavor)
    tightest = balance(allocation, used, rate, now)
    if price is None or tightest.unknown:
        return 0, tightest
    for start, end in allocation.period.touched(new.start, new.end):
        there = tightest if start == tightest.start else balance(allocation, used, rate, now, start)
        each = price * new.seconds(start, end)
        fits = min(most, there.left // each) if each else most
        if fits < most:
            most, tightest = fits, there
    return most, tightest


def together(parts: Iterable[Used]) -> Used:
    """What several queues used."""
    every = list(parts)

    def ended(start: datetime, end: datetime) -> Counter[str]:
        return sum((one.ended(start, end) for one in every), Counter[str]())

    return Used(ended, [stay for one in every for stay in one.stays])
