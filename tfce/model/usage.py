"""What VMs that have ended used, as a queue remembers it: seconds by day (UTC) and flavor. Pure.

Its size depends on days and flavors, not on how many VMs there were; any day, week or month is a sum of days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from tfce.model import fields
from tfce.model.price import plain

DAYS = 62  # remembered: a whole month and the one before it
_MOST = 10**15  # seconds of one flavor on one day, beyond any cloud
_DAY = timedelta(days=1)

Days = Mapping[date, Mapping[str, int]]


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Stay:
    """The time in which one VM existed, and its flavor."""

    flavor: str
    start: datetime
    end: datetime

    def seconds(self, start: datetime, end: datetime) -> int:
        """How many of them lie between ``start`` and ``end``."""
        return max(0, int((min(self.end, end) - max(self.start, start)).total_seconds()))


@dataclass(frozen=True)
class Usage:
    """``days``: seconds of VMs that ended, by day and flavor; ``cores``: of each flavor, as far as the cloud told;
    ``longest``: seconds that a pilot of this queue may live, when one was last started (0: never)."""

    days: Days = field(default_factory=_nothing)
    cores: Mapping[str, int] = field(default_factory=_nothing)
    longest: int = 0

    def ended(self, stays: Iterable[Stay], now: datetime) -> Usage:
        """This, and VMs that have ended since; days long gone are forgotten."""
        oldest = (now - DAYS * _DAY).astimezone(UTC).date()
        days = {day: Counter(of) for day, of in self.days.items() if day >= oldest}
        for stay in stays:
            for day, seconds in _by_day(stay, oldest):
                days.setdefault(day, Counter())[plain(stay.flavor)] += seconds
        return replace(self, days=MappingProxyType({day: MappingProxyType(dict(of)) for day, of in days.items()}))

    def knowing(self, cores: Mapping[str, int]) -> Usage:
        """This, with the cores of flavors."""
        known = {plain(flavor): number for flavor, number in cores.items()}
        return replace(self, cores=MappingProxyType({**self.cores, **known}))

    def between(self, start: datetime, end: datetime) -> Counter[str]:
        """Seconds by flavor from ``start`` to ``end``, which are midnights."""
        total: Counter[str] = Counter()
        for day, of in self.days.items():
            if start <= _midnight(day) < end:
                total.update(of)
        return total

    def to_json(self) -> dict[str, Any]:
        """As it stands in the record."""
        days = {day.isoformat(): _bounded(of, _MOST) for day, of in self.days.items()}
        return {"days": days, "cores": _bounded(self.cores, fields.MOST), "longest": fields.bounded(self.longest)}

    @classmethod
    def from_json(cls, value: Any) -> Usage:
        """The reverse. Raises ``ValueError`` for anything else."""
        if value is None:
            return cls()
        fields.exactly(value, ("days", "cores", "longest"))
        days = {_day(day): _numbers(of, _MOST) for day, of in fields.mapping(value["days"]).items()}
        cores = _numbers(value["cores"], fields.MOST)
        return cls(MappingProxyType(days), cores, fields.amount(value["longest"]))


def _by_day(stay: Stay, oldest: date) -> Iterator[tuple[date, int]]:
    day = max(stay.start.astimezone(UTC).date(), oldest)
    while _midnight(day) < stay.end:
        seconds = stay.seconds(_midnight(day), _midnight(day) + _DAY)
        if seconds:
            yield day, seconds
        day += _DAY


def midnight(when: datetime) -> datetime:
    """When the day (UTC) of ``when`` began."""
    return _midnight(when.astimezone(UTC).date())


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if day.isoformat() != text or not 1970 <= day.year <= fields.LAST_YEAR:
        raise ValueError(f"{text!r} is no day")
    return day


def _bounded(of: Mapping[str, int], most: int) -> dict[str, int]:
    return {name: min(number, most) for name, number in of.items() if number > 0}


def _numbers(value: Any, most: int) -> Mapping[str, int]:
    entries = fields.mapping(value)
    if not all(type(number) is int and 0 < number <= most for number in entries.values()):
        raise ValueError(f"{value!r:.80} must hold whole numbers above 0")
    return MappingProxyType(dict(entries))
