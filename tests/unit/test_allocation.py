"""What was used, what may be used, and what still fits: whole numbers, UTC, by example and by law."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.conftest import MINIMAL, MakeQueue
from tfce.config.allowance import allocations, prices
from tfce.config.options import parse
from tfce.model.allocation import Allocation, Balance, Period, Unit, Used, balance, fitting, rate_of, together
from tfce.model.errors import ConfigError
from tfce.model.price import Prices
from tfce.model.usage import DAYS, Stay, Usage

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def one(text: str) -> Allocation:
    (found,) = allocations(text)
    return found


# -- the options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5000/month", Allocation(500_000)),
        ("5000 hours/month", Allocation(500_000)),
        ("0.25/day", Allocation(25, period=Period.DAY)),
        ("5000 core-hours/month ce", Allocation(500_000, Unit.CORE_HOURS, whole_ce=True)),
        ("5000/month core-hours ce", Allocation(500_000, Unit.CORE_HOURS, whole_ce=True)),
        ("100 / week queue", Allocation(10_000, period=Period.WEEK)),
        ("300 EUR/month", Allocation(30_000, Unit.MONEY, currency="EUR")),
        ("12.5 money/day", Allocation(1250, Unit.MONEY, Period.DAY)),
    ],
)
def test_the_grammar_of_an_allocation(text: str, meant: Allocation) -> None:
    assert one(text) == meant


def test_several_allocations_all_hold() -> None:
    assert [str(each) for each in allocations("5000/month ce, 300/day")] == [
        "5000 VM hours/month ce",
        "300 VM hours/day",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5000", "must read NUMBER"),
        ("many/month", "must read NUMBER"),
        ("-5/month", "must read NUMBER"),
        ("1e9/month", "must read NUMBER"),
        ("5/month ce ce", "not ce"),
        ("5 hours/month core-hours", "must read NUMBER"),
        ("5/year", "not for a year"),
        ("5 minutes/month", "not minutes"),
        ("0.001/month", "must read NUMBER"),
    ],
)
def test_what_is_no_allocation_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        allocations(text)


def test_the_grammar_of_prices() -> None:
    found = prices("name:m5.large=0.096, *=0.2, EUR")
    assert found == Prices({"m5.large": 96_000, "*": 200_000}, "EUR")
    assert (found.rate("m5.large"), found.rate("name:m5.large"), found.rate("c5")) == (96_000, 96_000, 200_000)
    assert prices("").rate("c5") is None and not prices("")


@pytest.mark.parametrize(
    "text", ["m5", "=1", "EUR", "m5=1, m5=2", "m5=1, EUR, USD", "m5=-1", "m5=0.0000001", "m5=nan", "m5=1e99"]
)
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        prices(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"Workspace_MaxHours": "5 EUR/month"}, "money needs prices"),
        ({"Workspace_MaxHours": "5 EUR/month", "Workspace_Price": "*=1, USD"}, "are USD"),
        ({"Workspace_MaxHours": "5 EUR/month", "Workspace_Price": "*=1"}, "in no currency"),
        ({"Workspace_MaxHours": "5 money/month", "Workspace_Price": "m5=1"}, "t3.micro.*has no price"),
        ({"Workspace_MaxHours": "5/fortnight"}, "for example Workspace_MaxHours = 5000"),
    ],
)
def test_what_cannot_be_true_together_is_a_fault(options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse("ce", "long", {**MINIMAL, **options}, Path("/d"), Path("/s"))


def test_diracs_own_number_of_processors_is_taken_where_it_is_a_number(make_queue: MakeQueue) -> None:
    assert make_queue(NumberOfProcessors="8").allowance.processors == 8
    assert make_queue(NumberOfProcessors="wholenode").allowance.processors is None


# -- periods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.DAY, datetime(2026, 11, 27), datetime(2026, 11, 28)),
        (Period.WEEK, datetime(2026, 11, 23), datetime(2026, 11, 30)),
        (Period.MONTH, datetime(2026, 11, 1), datetime(2026, 12, 1)),
    ],
)
def test_periods_begin_at_midnight_utc(period: Period, start: datetime, end: datetime) -> None:
    assert period.around(NOW) == (start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


@given(st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)), st.sampled_from(Period))
def test_periods_have_no_gaps(when: datetime, period: Period) -> None:
    start, end = period.around(when)
    assert start <= when < end and period.around(end)[0] == end
    assert list(period.touched(start, end)) == [(start, end)]
    assert [begin for begin, _ in period.touched(when, end + timedelta(seconds=1))] == [start, end]


# -- what was used ---------------------------------------------------------------------------------------------

hours = st.integers(0, 24 * 80).map(lambda number: NOW - number * HOUR)
stays = st.builds(lambda flavor, a, b: Stay(flavor, min(a, b), max(a, b)), st.sampled_from("ab"), hours, hours)


@settings(deadline=None)
@given(st.lists(stays, max_size=5))
def test_what_is_remembered_is_what_was_used_day_by_day(some: list[Stay]) -> None:
    usage = Usage()
    for each in some:
        usage = usage.ended([each], NOW)
    assert Usage.from_json(usage.to_json()) == usage
    for back in range(DAYS):
        day = datetime(2026, 11, 27, tzinfo=UTC) - back * DAY
        wanted = Counter[str]()
        for each in some:
            wanted[each.flavor] += each.seconds(day, day + DAY)
        assert usage.between(day, day + DAY) == +wanted


def test_it_does_not_grow_with_the_number_of_vms_or_of_years() -> None:
    usage = Usage()
    for number in range(400):
        usage = usage.ended([Stay("name:m5", NOW + number * DAY, NOW + number * DAY + HOUR)], NOW + number * DAY)
    assert len(usage.days) <= DAYS + 1 and {flavor for of in usage.days.values() for flavor in of} == {"m5"}
    assert usage.days[date(2027, 12, 31)] == {"m5": 3600}


def test_a_wrong_usage_is_refused() -> None:
    good = Usage().ended([Stay("m5", NOW - HOUR, NOW)], NOW).knowing({"m5": 2}).to_json()
    assert Usage.from_json(good).cores == {"m5": 2}
    for day, of in (
        ("27.11.2026", {"m5": 1}),
        ("2026-11-27", {"m5": -1}),
        ("2026-11-27", {"m5": True}),
        ("x", {}),
    ):
        with pytest.raises(ValueError, match=r"."):
            Usage.from_json({**good, "days": {day: of}})


# -- what is left ----------------------------------------------------------------------------------------------


def used(*running: Stay, ended: Usage | None = None) -> Used:
    return Used((ended or Usage()).between, running)


def flat(flavor: str) -> int | None:
    return 1


def test_those_that_run_count_until_now_and_bind_what_they_may_still_spend() -> None:
    ended = Usage().ended([Stay("m5", NOW - 30 * HOUR, NOW - 20 * HOUR)], NOW)
    there = balance(one("100/month"), used(Stay("m5", NOW - 2 * HOUR, NOW + 5 * HOUR), ended=ended), flat, NOW)
    assert (there.spent, there.bound, there.left) == (12 * 3600, 5 * 3600, 83 * 3600)
    assert str(there).startswith("12.00 of 100 VM hours are spent (2026-11-01 to 2026-12-01 UTC), 5.00 more")


def test_a_vm_of_last_month_counts_for_its_part_only() -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)
    stay = Stay("m5", first - 10 * HOUR, first + 3 * HOUR)
    ended = Usage().ended([stay], NOW)
    assert balance(one("100/month"), used(ended=ended), flat, NOW).spent == 3 * 3600
    running = used(replace(stay, end=NOW + HOUR))
    assert balance(one("100/month"), running, flat, first + 2 * HOUR).spent == 2 * 3600


def fits(allocation: str, lasting: timedelta, *running: Stay, most: int = 100, now: datetime = NOW) -> int:
    return fitting(one(allocation), used(*running), flat, Stay("m5", now, now + lasting), most)[0]


def test_a_pilot_is_started_only_if_its_whole_life_fits() -> None:
    assert fits("10/month", 2 * HOUR) == 5
    assert fits("10/month", 3 * HOUR) == 3
    assert fits("10/month", 11 * HOUR) == 0
    assert fits("10/month", 2 * HOUR, Stay("m5", NOW - HOUR, NOW + HOUR)) == 4
    assert fits("10/month", 2 * HOUR, most=3) == 3


def test_its_life_counts_until_the_period_ends_and_in_the_next_one_too() -> None:
    late = datetime(2026, 11, 30, 22, tzinfo=UTC)
    assert fits("10/month", 6 * HOUR, now=late) == 2  # 2 hours in November, 4 in December: 10 // 4
    running = [Stay("m5", late - HOUR, late + 6 * HOUR) for _ in range(2)]
    assert fits("10/month", 4 * HOUR, *running, now=late) == 1  # December has 10 - 2 * 4 left, and it takes 2


def test_rates_are_cores_or_prices_and_what_is_unknown_starts_nothing() -> None:
    cores = rate_of(Unit.CORE_HOURS, {"m5": 4}, Prices(), None)
    new = Stay("name:m5", NOW, NOW + HOUR)
    assert fitting(one("10 core-hours/month"), used(), cores, new, 9)[0] == 2
    number, there = fitting(one("10 core-hours/month"), used(Stay("c5", NOW - HOUR, NOW)), cores, new, 9)
    assert number == 0 and there.unknown == {"c5"}
    assert rate_of(Unit.CORE_HOURS, {}, Prices(), 8)("c5") == 8
    money = rate_of(Unit.MONEY, {}, prices("m5=0.1"), None)
    assert fitting(one("0.3 money/month"), used(), money, new, 9)[0] == 3  # 0.1 + 0.1 + 0.1 is 0.3 here
    assert fitting(one("0.29 money/month"), used(), money, new, 9)[0] == 2


def test_queues_of_a_ce_are_counted_together() -> None:
    mine, other = used(Stay("m5", NOW - HOUR, NOW)), used(ended=Usage().ended([Stay("m5", NOW - HOUR, NOW)], NOW))
    assert balance(one("9/month ce"), together([mine, other]), flat, NOW).spent == 7200


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_never_beyond_whatever_is_started_when_and_however_long_it_lives(data: st.DataObject) -> None:
    """Pilots start as many as fit, live at most as long as was reckoned, and each hour is counted in the end."""
    period = data.draw(st.sampled_from(Period))
    allocation = Allocation(data.draw(st.integers(0, 100_000)), period=period)
    life = data.draw(st.integers(1, 60)) * HOUR
    now, usage, alive = NOW, Usage(), list[Stay]()
    every: list[Stay] = []
    for _ in range(data.draw(st.integers(1, 8))):
        number, _ = fitting(allocation, used(*alive, ended=usage), flat, Stay("m5", now, now + life), 20)
        alive += [Stay("m5", now, now + life)] * number
        now += data.draw(st.integers(1, 90)) * HOUR
        lived = [
            replace(each, end=min(each.end, data.draw(st.integers(1, 60)) * HOUR + each.start)) for each in alive
        ]
        over = [each for each in lived if each.end <= now]
        every += over
        usage = usage.ended(over, now)
        alive = [whole for whole, part in zip(alive, lived, strict=True) if part.end > now]
    periods = {period.around(moment) for each in every for moment in (each.start, each.end)}
    spent = [sum(each.seconds(start, end) for each in every) for start, end in periods]
    assert not [seconds for seconds in spent if seconds > allocation.most]


def test_a_balance_never_says_less_than_nothing_is_left() -> None:
    assert Balance(one("1/month"), NOW, NOW + DAY, 7200, 0).left == 0
