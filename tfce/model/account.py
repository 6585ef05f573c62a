"""What VMs used, added up by queue, flavor, image or day. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from tfce.model.health import BAD
from tfce.model.journals import MissingJournal
from tfce.model.price import MICRO, Prices, plain
from tfce.model.usage import midnight
from tfce.model.usage_records import UsageRecord

_HOUR = 3600
_FIZZLES = frozenset(verdict.value for verdict in BAD)


class GroupBy(Enum):
    """What rows are made of."""

    QUEUE = "queue"
    FLAVOR = "flavor"
    IMAGE = "image"
    DAY = "day"


@dataclass(frozen=True)
class QueueUsage:
    """What is known of one queue's VMs. ``cores`` by flavor, ``usual`` where that says nothing; ``begins``: before
    this nothing is known; ``missing``: seconds that the record has counted and no VM accounts for;
    ``missing_journals``: of hosts whose part of it is not here."""

    queue: str
    records: tuple[UsageRecord, ...]
    cores: Mapping[str, int]
    usual: int | None
    prices: Prices
    begins: datetime | None = None
    missing: int = 0
    missing_journals: tuple[MissingJournal, ...] = ()

    def cores_of(self, used: UsageRecord) -> int | None:
        """The cores of a VM; None where nobody knows them."""
        told = used.spec.cores
        return int(told) if told.isdecimal() else self.cores.get(plain(used.spec.flavor), self.usual)


@dataclass(frozen=True)
class UsageRow:
    """One row. ``cores``: core seconds, ``money``: millionths times seconds; None where any VM's are unknown."""

    name: str
    currency: str
    pilots: int = 0
    seconds: int = 0
    cores: int | None = 0
    money: int | None = 0
    fizzles: int = 0

    def plus(self, seconds: int, cores: int | None, price: int | None, fizzled: bool) -> UsageRow:
        """This and one more VM."""
        return UsageRow(
            self.name,
            self.currency,
            self.pilots + 1,
            self.seconds + seconds,
            None if self.cores is None or cores is None else self.cores + cores * seconds,
            None if self.money is None or price is None else self.money + price * seconds,
            self.fizzles + fizzled,
        )

    @property
    def figures(self) -> dict[str, str | int | float | None]:
        """The row for programs; None is unknown."""
        return {
            "pilots": self.pilots,
            "vm_hours": round(self.seconds / _HOUR, 4),
            "core_hours": None if self.cores is None else round(self.cores / _HOUR, 4),
            "money": None if self.money is None else round(self.money / _HOUR / MICRO, 6),
            "currency": self.currency,
            "fizzles": self.fizzles,
        }


def lines(
    books: Iterable[QueueUsage], by: GroupBy, start: datetime, end: datetime, now: datetime
) -> list[UsageRow]:
    """The rows for the time from ``start`` to ``end``, by name."""
    found: dict[tuple[str, str], UsageRow] = {}
    for book in books:
        for used in book.records:
            for name, begin, close in _parts(book, used, by, start, end, now):
                key = (name, book.prices.currency)
                fizzled = used.verdict in _FIZZLES and begin <= (used.end or now) <= close
                seconds = used.stay(now).seconds(begin, close)
                facts = seconds, book.cores_of(used), book.prices.rate(used.spec.flavor), fizzled
                found[key] = found.get(key, UsageRow(*key)).plus(*facts)
    return [found[key] for key in sorted(found)]


def within(used: UsageRecord, start: datetime, end: datetime, now: datetime) -> bool:
    """Whether a VM existed between ``start`` and ``end``."""
    stay = used.stay(now)
    return stay.start < end and stay.end >= start


def _parts(
    book: QueueUsage, used: UsageRecord, by: GroupBy, start: datetime, end: datetime, now: datetime
) -> Iterator[tuple[str, datetime, datetime]]:
    """The rows that a VM counts for, and from when to when."""
    if not within(used, start, end, now):
        return
    if by is not GroupBy.DAY:
        spec = used.spec
        names = {GroupBy.QUEUE: book.queue, GroupBy.FLAVOR: plain(spec.flavor), GroupBy.IMAGE: spec.image}
        yield names[by] or "unknown", start, end
        return
    stay = used.stay(now)
    day = midnight(max(stay.start, start))
    while day < end and day <= stay.end:
        yield f"{day:%Y-%m-%d}", max(day, start), min(day + timedelta(days=1), end)
        day += timedelta(days=1)
