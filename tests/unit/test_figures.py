"""The figures of a report are what the journal and the record tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.claims import every, some
from tfce.cli.plots import plot
from tfce.model import usage_records
from tfce.model.account import QueueUsage
from tfce.model.figures import Figure, figures, shown, times
from tfce.model.metrics import Meters
from tfce.model.pilot import Pilot, timestamp
from tfce.model.price import Prices
from tfce.model.timeline import Timeline, timeline
from tfce.model.usage_records import UsageRecord
from tfce.model.vm_spec import VMSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def line(hours: float, event: str, **facts: Any) -> dict[str, Any]:
    return {"time": timestamp(START + hours * HOUR), "event": event, **facts}


def removed(hours: float, *vms: tuple[str, str, int | None]) -> dict[str, Any]:
    return line(hours, "removed", vms=[{"key": key, "cause": cause, "lived_s": s} for key, cause, s in vms])


JOURNAL = [
    line(1, "submit", keys=["A", "B", "C"], made={"flavor": "m5", "zone": "one", "image": "ami-1"}),
    line(1.5, "submitted", created={"A": "i-1", "B": "i-2"}, failed={"C": {"kind": "quota", "text": "full"}}),
    line(4, "remove", pilots={"A": "stopped"}),
    removed(5, ("A", "stopped", 12600)),
    removed(6, ("B", "duplicate", 100), ("Z", "gone", None)),
]
B = Pilot("B", START + HOUR, "", "i-2", VMSpec(flavor="m5"))


def drawn(
    told: Timeline,
    meters: tuple[Meters, ...] = (),
    books: tuple[QueueUsage, ...] = (),
    since: datetime = START,
    hours: float = 8,
) -> dict[str, Figure]:
    return {
        figure.title.partition(" ")[0]: figure
        for figure in figures(told, meters, books, since, START + hours * HOUR)
    }


def column(figure: Figure, series: str) -> list[float]:
    return [row[figure.series.index(series)] for row in figure.values]


def test_vms_over_time_are_asked_for_there_and_removed() -> None:
    alive = drawn(timeline(JOURNAL, [B]))["VMs"]
    assert alive.rows[:2] == ("01-01 00:00", "01-01 01:00") and len(alive.rows) == 9
    assert column(alive, "asked for") == [0, 3, 0, 0, 0, 0, 0, 0, 0]
    assert column(alive, "there") == [0, 0, 2, 2, 1, 1, 1, 1, 1]
    assert column(alive, "being removed") == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_what_was_there_before_is_counted_from_the_start() -> None:
    alive = drawn(timeline(JOURNAL, [B]), since=START + 2 * HOUR)["VMs"]
    assert column(alive, "there")[0] == 2 and alive.rows[0] == "01-01 02:00"


def test_a_peak_between_two_times_is_seen() -> None:
    keys = [f"K{number}" for number in range(200)]
    journal = [line(3.1, "submit", keys=keys), line(3.2, "submitted", created=dict.fromkeys(keys, "i"), failed={})]
    journal.append(removed(3.4, *((key, "killed", 700) for key in keys)))
    alive = drawn(timeline(journal, []))["VMs"]
    assert [sum(row) for row in alive.values] == [0, 0, 0, 200, 0, 0, 0, 0, 0]
    assert alive.summary == "VMs over time by state. The most: 200 VMs (01-01 03:00)."


def test_what_the_journal_lost_is_known_from_the_record_and_from_ends() -> None:
    told = timeline([removed(5, ("A", "stopped", 3600))], [B])
    assert column(drawn(told)["VMs"], "there") == [0, 1, 1, 1, 2, 1, 1, 1, 1]


def test_a_vm_of_which_nobody_knows_the_end_is_not_there_for_ever() -> None:
    told = timeline(JOURNAL, [])
    assert column(drawn(told)["VMs"], "there")[2:] == [1, 1, 0, 0, 0, 0, 0]


def test_starts_refusals_ends_and_lifetimes_are_counted_by_reason() -> None:
    found = drawn(timeline(JOURNAL, [B]))
    assert sum(column(found["Starts"], "started")) == 2 and column(found["Starts"], "quota")[1] == 1
    assert {name: sum(column(found["Ends"], name)) for name in found["Ends"].series} == {
        "stopped": 1,
        "duplicate": 1,
        "gone": 1,
    }
    refused = found["Room"]
    assert (refused.rows, refused.series, refused.values) == (("m5, one",), ("quota",), ((1,),))
    lived = dict(zip(found["Lifetimes"].rows, map(sum, found["Lifetimes"].values), strict=True))
    assert {name: number for name, number in lived.items() if number} == {"1-10 min": 1, "1-6 h": 1}


def test_hours_and_cost_are_those_of_the_account_within_the_time() -> None:
    prices = Prices({"m5": 500_000}, "EUR")
    records = (
        UsageRecord("i-1", "A", START + HOUR, START + 5 * HOUR, VMSpec(flavor="m5")),
        UsageRecord("i-2", "B", START + HOUR, None, VMSpec(flavor="odd")),
    )
    found = drawn(Timeline(), books=(QueueUsage("ce/q", records, {}, None, prices),), since=START + 3 * HOUR)
    assert (found["Hours"].rows, found["Hours"].values) == (("odd", "m5"), ((5,), (2,)))
    cost = found["Cost"]
    assert (cost.rows, cost.series, cost.values) == (("m5",), ("EUR",), ((1,),))


def test_api_calls_are_those_of_all_queues() -> None:
    meters = Meters(values={("tfce_api_calls_total", ("reap", "list")): 4, ("tfce_protected", ()): 1})
    calls = drawn(Timeline(), (meters, meters))["API"]
    assert (calls.rows, calls.series, calls.values) == (("reap",), ("list",), ((8,),))


def test_what_is_rare_is_among_the_others() -> None:
    ends = [removed(1, *((f"{kind}{n}", f"cause {kind}", 5) for n in range(20 - kind))) for kind in range(9)]
    figure = drawn(timeline(ends, []))["Ends"]
    assert figure.series == (*(f"cause {kind}" for kind in range(5)), "others")
    assert sum(map(sum, figure.values)) == sum(20 - kind for kind in range(9))


@pytest.mark.parametrize("days", [1, 2, 7, 30, 90, 366])
def test_an_axis_has_few_times_on_full_hours_and_covers_all(days: int) -> None:
    until = START + timedelta(minutes=37)
    since = until - timedelta(days=days)
    axis = times(since, until)
    assert 10 <= len(axis) <= 32 and axis[0] <= since and axis[-1] <= until < axis[-1] + (axis[1] - axis[0])
    assert every(one.minute == 0 for one in axis)


def test_nothing_is_outside_of_a_drawing() -> None:
    for figure in some(drawn(timeline(JOURNAL, [B])).values()):
        made = plot(figure)
        assert every(bar.x >= 0 and bar.x + bar.width <= 400 for bar in made.bars) or figure.empty
        assert every(bar.y >= 0 and bar.y + bar.height <= made.height for bar in made.bars) or figure.empty
        assert every(0 <= word.y <= made.height for word in made.words) or figure.empty


def test_a_long_name_is_cut_in_the_drawing_only() -> None:
    figure = Figure("t", "a", "u", ("x" * 80,), ("s",), ((1.0,),))
    assert plot(figure).words[0].text == "x" * 55 + "…" and figure.rows[0] == "x" * 80


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (3.0, "3"), (3.26, "3.3"), (1234.5, "1234")])
def test_numbers_are_short(number: float, text: str) -> None:
    assert shown(number) == text


def test_what_a_recovery_removed_ended_too() -> None:
    vms = [{"key": "A", "cause": "failed", "lived_s": 60}]
    told = timeline([*JOURNAL[:2], line(3, "recovered", adopted=[], never_created=["A", "C"], vms=vms)], [B])
    assert [(one.word, one.lived) for one in told.ends] == [("failed", 60)]
    assert {life.key: life.ended_at for life in told.lives} == {"A": START + 3 * HOUR, "B": None}


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "never", 7, None, [], "9999-99-99T00:00:00Z"])
def test_a_line_of_no_time_of_ours_is_left_out(time: object) -> None:
    noise = [
        {"time": time, "event": event, "keys": ["N"], "vms": [{"key": "N"}]} for event in ("submit", "removed")
    ]
    assert timeline([*noise, *JOURNAL], [B]) == timeline(JOURNAL, [B])
    assert usage_records.ended(noise) == {}
