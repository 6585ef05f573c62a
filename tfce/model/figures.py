"""The figures of a report: each a figure of numbers, which is drawn and printed as a table. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tfce.model.account import GroupBy, QueueUsage, UsageRow, lines
from tfce.model.metrics import Meters
from tfce.model.price import MICRO
from tfce.model.timeline import Event, PilotLife, Timeline

_STEPS = tuple(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12, 24, 48, 168, 720))
_COLUMNS = 31  # times on one axis
_SERIES = 6  # as many patterns as can be told apart
_ROWS = 12  # categories of one figure
_OTHERS = "others"
_AGES = (
    ("under 1 min", 60),
    ("1-10 min", 600),
    ("10-60 min", 3600),
    ("1-6 h", 21600),
    ("6-24 h", 86400),
    ("1-3 d", 259200),
)
_AGELESS = "over 3 d"


@dataclass(frozen=True)
class Figure:
    """Numbers by ``rows`` (times, or what is compared) and ``series``. ``unit``: of the numbers; ``about``: what
    the rows are; ``over_time``: whether they are times."""

    title: str
    about: str
    unit: str
    rows: tuple[str, ...]
    series: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    over_time: bool = False

    @property
    def most(self) -> float:
        """The largest sum of a row."""
        return max(map(sum, self.values), default=0)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.most

    @property
    def summary(self) -> str:
        """What it shows, in a sentence, for those who do not see it."""
        if self.empty:
            return f"{self.title}: none."
        peak = max(zip(map(sum, self.values), self.rows, strict=True), key=lambda one: one[0])
        parts = "; ".join(f"{name} {shown(sum(column))}" for name, column in self._columns() if sum(column))
        totals = "" if self.over_time and self.unit == "VMs" else f" In all: {parts}."
        return f"{self.title}. The most: {shown(peak[0])} {self.unit} ({peak[1]}).{totals}"

    def _columns(self) -> Iterator[tuple[str, tuple[float, ...]]]:
        yield from zip(self.series, zip(*self.values, strict=True), strict=True)


def shown(number: float) -> str:
    """A number as people read it."""
    return f"{number:.0f}" if number >= 100 or number == int(number) else f"{number:.1f}"


def times(since: datetime, until: datetime) -> tuple[datetime, ...]:
    """The starts of equal parts of a time, on full hours or days."""
    span = until - since
    step = next((one for one in _STEPS if span <= one * (_COLUMNS - 1)), _STEPS[-1])
    start = datetime.fromtimestamp(since.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
    return tuple(start + number * step for number in range(int((until - start) / step) + 1))


def figures(
    timeline: Timeline, meters: Iterable[Meters], books: Iterable[QueueUsage], since: datetime, until: datetime
) -> tuple[Figure, ...]:
    """All figures of a report, of what happened ``since`` then."""
    used = lines(books, GroupBy.FLAVOR, since, until, until)
    seen, axis = timeline.between(since, until), times(since, until)
    started = [*seen.started, *seen.refused]
    return (
        _alive(seen.lives, axis, until),
        _over_time("Starts and refusals", "pilots", started, axis),
        _over_time("Ends by reason", "VMs", seen.ends, axis),
        _compared("Room refused by offering", "offering", "pilots", _refusals(seen.refused)),
        _lifetimes(seen.ends),
        _compared("API calls by verb, since tfce counts them", "verb", "calls", _calls(meters)),
        _compared("Hours of VMs by flavor", "flavor", "h", _hours(used)),
        _compared("Cost by flavor, where prices are known", "flavor", "in all", _costs(used)),
    )


def _stamp(when: datetime) -> str:
    return f"{when:%m-%d %H:%M}"


# -- over time ---------------------------------------------------------------------------------------------

_STATES = ("asked for", "there", "being removed")


def _alive(lives: Iterable[PilotLife], axis: Sequence[datetime], until: datetime) -> Figure:
    """How many VMs were in which state when there were most of them, in each part of the time."""
    changes = sorted((one for life in lives for one in _changes(life)), key=lambda one: one[0], reverse=True)
    now = [0, 0, 0]
    rows: list[tuple[float, ...]] = []
    for start, end in zip(axis, (*axis[1:], until + timedelta(seconds=1)), strict=True):
        _pass(changes, now, start)
        most = tuple(now)
        while changes and changes[-1][0] < end:
            _pass(changes, now, changes[-1][0])
            most = max(most, tuple(now), key=sum)
        rows.append(most)
    return Figure(
        "VMs over time by state", "most in each part, from", "VMs", _names(axis), _STATES, tuple(rows), True
    )


def _pass(changes: list[tuple[datetime, int, int]], now: list[int], until: datetime) -> None:
    """Let the changes up to a time come to pass; they are at the list's end."""
    while changes and changes[-1][0] <= until:
        _, state, number = changes.pop()
        now[state] += number


def _changes(life: PilotLife) -> Iterator[tuple[datetime, int, int]]:
    """When a VM came into a state (1) and left it (-1)."""
    steps = [(life.requested_at, 0), (life.created_at, 1), (life.dismissed_at if life.created_at else None, 2)]
    known = [(when, state) for when, state in steps if when is not None]
    for number, (when, state) in enumerate(known):
        yield when, state, 1
        after = known[number + 1][0] if number + 1 < len(known) else life.ended_at
        if after is not None:
            yield max(after, when), state, -1


def _over_time(title: str, unit: str, facts: Sequence[Event], axis: Sequence[datetime]) -> Figure:
    series = _largest(Counter(one.word for one in facts), _SERIES)
    step = axis[1] - axis[0] if len(axis) > 1 else timedelta(days=1)
    counted: Counter[tuple[int, str]] = Counter()
    for one in facts:
        part = max(0, min(len(axis) - 1, (one.time - axis[0]) // step))
        counted[part, one.word if one.word in series else _OTHERS] += 1
    values = tuple(tuple(float(counted[part, name]) for name in series) for part in range(len(axis)))
    return Figure(title, "from", unit, _names(axis), series, values, True)


def _names(axis: Iterable[datetime]) -> tuple[str, ...]:
    return tuple(map(_stamp, axis))


# -- side by side ------------------------------------------------------------------------------------------


def _compared(title: str, about: str, unit: str, counted: Mapping[tuple[str, str], float]) -> Figure:
    rows: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for (row, column), number in counted.items():
        rows[row] += number  # type: ignore[assignment]  # hours are no whole numbers
        columns[column] += number  # type: ignore[assignment]
    names, series = _largest(rows, _ROWS), _largest(columns, _SERIES)
    cells: Counter[tuple[str, str]] = Counter()
    for (row, column), number in counted.items():
        place = row if row in names else _OTHERS, column if column in series else _OTHERS
        cells[place] += number  # type: ignore[assignment]
    values = tuple(tuple(round(float(cells[row, name]), 1) for name in series) for row in names)
    return Figure(title, about, unit, names, series, values)


def _largest(counted: Counter[str], most: int) -> tuple[str, ...]:
    """The names that count, the largest first; the rest are others."""
    names = [name for name, _ in counted.most_common() if name != _OTHERS]
    small = len(names) > most or _OTHERS in counted
    return (*names[: most - 1], _OTHERS) if small else tuple(names)


def _refusals(refused: Iterable[Event]) -> Counter[tuple[str, str]]:
    return Counter((one.offering or "not known", one.word) for one in refused)


def _lifetimes(ends: Iterable[Event]) -> Figure:
    known = [one for one in ends if one.lived is not None]
    series = _largest(Counter(one.word for one in known), _SERIES)
    counted = Counter((_age(one.lived or 0), one.word if one.word in series else _OTHERS) for one in known)
    names = (*(name for name, _ in _AGES), _AGELESS)
    values = tuple(tuple(float(counted[row, name]) for name in series) for row in names)
    return Figure("Lifetimes of VMs that ended", "lived", "VMs", names, series, values)


def _age(seconds: int) -> str:
    return next((name for name, below in _AGES if seconds < below), _AGELESS)


def _calls(meters: Iterable[Meters]) -> dict[tuple[str, str], float]:
    found: Counter[tuple[str, str]] = Counter()
    for one in meters:
        for (name, labels), value in one.values.items():
            if name == "tfce_api_calls_total":
                found[labels[0], labels[1]] += int(value)
    return dict(found)


def _hours(used: Iterable[UsageRow]) -> dict[tuple[str, str], float]:
    return {(one.name, "hours"): one.seconds / 3600 for one in used if one.seconds}


def _costs(used: Iterable[UsageRow]) -> dict[tuple[str, str], float]:
    return {(one.name, one.currency or "money"): one.money / 3600 / MICRO for one in used if one.money}
