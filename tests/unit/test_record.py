"""A queue's memory: what goes in comes out, and nothing but a record is read as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfce.model import fields
from tfce.model import record as record_module
from tfce.model.drain import Drain
from tfce.model.endings import Cause, Ending
from tfce.model.health import End, Health, Verdict
from tfce.model.pilot import Pilot
from tfce.model.reasons import Kind, Reason
from tfce.model.record import SCHEMA, Backoff, Home, NewerError, Operation, Pending, Record, Tombstone
from tfce.model.usage import Usage
from tfce.model.vm import State
from tfce.model.vm_spec import VMSpec

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NO_ROOM = Reason(Kind.CAPACITY, "no room")
OVERDUE = Ending(Cause.OVERDUE)

texts = st.text(max_size=12)
keys = st.text("0123456789ABCDEF", min_size=8, max_size=8)
times = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda when: when.replace(microsecond=0)
)
numbers = st.integers(0, 10**6)
reasons = st.builds(Reason, st.sampled_from(Kind), texts, texts, texts)
endings = st.builds(Ending, st.none() | st.sampled_from(Cause), st.none() | reasons, texts, numbers)
stones = st.builds(
    Tombstone,
    texts.filter(bool),
    keys,
    st.sampled_from(State),
    endings,
    times,
    accepted=st.booleans(),
    gone=st.booleans(),
    dismissed=st.booleans(),
)
mades = st.builds(VMSpec, texts, texts, texts, texts, texts, texts)
days = st.dates(date(2000, 1, 1), date(2200, 1, 1))
some = st.dictionaries(texts, st.integers(1, 10**9), max_size=2)
usages = st.builds(Usage, st.dictionaries(days, some, max_size=3), some, numbers)
ends = st.builds(End, texts, st.sampled_from(Verdict), times, st.none() | numbers, mades, texts, texts)
records = st.builds(
    Record,
    texts,
    st.lists(st.builds(Pilot, keys, times, texts, texts, mades)).map(lambda some: {one.key: one for one in some}),
    st.lists(stones).map(lambda some: {one.id: one for one in some}),
    st.none() | st.builds(Pending, st.sampled_from(Operation), st.frozensets(keys), times),
    st.none() | st.builds(Backoff, numbers, reasons, times, numbers),
    st.none() | st.builds(Home, texts, texts),
    st.none() | times,
    numbers,
    st.none() | st.builds(Drain, times, texts, numbers, st.none() | times),
    st.builds(Health, st.lists(ends, max_size=3).map(tuple), st.none() | times),
    st.dictionaries(texts, st.builds(Backoff, numbers, reasons, times, numbers), max_size=3),
    usages,
)

FULL = Record(
    "here",
    {"AAAAAAAA": Pilot("AAAAAAAA", NOW, "s-1", "i-1"), "BBBBBBBB": Pilot("BBBBBBBB", NOW, "s-1")},
    {"i-0": Tombstone("i-0", "CCCCCCCC", State.STOPPED, Ending(Cause.STOPPED), NOW, accepted=True)},
    Pending(Operation.SUBMIT, frozenset({"BBBBBBBB"}), NOW),
    Backoff(2, NO_ROOM, NOW, 600),
    Home("EC2 eu-west-1", "123456789012"),
    NOW,
    7,
)


# -- text --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(records)
def test_what_is_dumped_is_loaded(record: Record) -> None:
    assert Record.load(record.dump()) == record


@settings(deadline=None)
@given(records)
def test_a_record_has_one_text(record: Record) -> None:
    assert Record.load(record.dump()).dump() == record.dump()


@pytest.mark.parametrize("number", [10**9 + 1, 10**22, -1])
def test_no_number_makes_a_record_that_its_reader_refuses(number: int) -> None:
    end = End("i-1", Verdict.FIZZLED, NOW, number, VMSpec(), "", "")
    stone = Tombstone("i-0", "CCCCCCCC", State.STOPPED, Ending(Cause.OVERDUE, seconds=number), NOW)
    rest = Backoff(number, NO_ROOM, NOW, number)
    usage = Usage({NOW.date(): {"a": number}}, {"a": number}, number)
    written = replace(FULL, tombstones={"i-0": stone}, backoff=rest, drain=Drain(NOW, "", number, None))
    written = replace(written, health=Health((end,)), offering_backoffs={"a": rest}, usage=usage)
    read = Record.load(written.dump())
    most = max(0, min(number, fields.MOST))
    assert read.backoff == Backoff(most, NO_ROOM, NOW, most) and read.usage.longest == most
    assert read.tombstones["i-0"].reason.seconds == read.health.row[0].lived == most


def test_what_an_older_version_wrote_too_large_is_read_as_the_most() -> None:
    """It took any number of an option, and refused its own record from then on."""
    text = replace(FULL, usage=Usage(longest=123_456)).dump().replace("123456", "10000000599")
    assert Record.load(text).usage.longest == fields.MOST


def test_no_torn_record_is_read() -> None:
    text = FULL.dump()
    for length in range(len(text.rstrip())):
        with pytest.raises(ValueError, match=r"."):
            Record.load(text[:length])


def unread_or_equal(text: str) -> None:
    """Whatever is not refused is a record, which works."""
    try:
        record = Record.load(text)
    except ValueError:
        return
    assert Record.load(record.dump()) == record
    record.without_room(NO_ROOM, NOW, 600).not_after(NOW).with_tombstones([])
    assert record.backoff is None or record.backoff.until >= record.backoff.since
    assert record.backoff is None or record.backoff.resting(NOW) in (True, False)


@settings(deadline=None)
@given(st.binary())
def test_bytes_are_no_record(noise: bytes) -> None:
    unread_or_equal(noise.decode("utf-8", "surrogateescape"))


@settings(deadline=None)
@given(st.integers(0, len(FULL.dump()) - 1), st.characters())
def test_one_wrong_character_raises_nothing_but_a_value_error(place: int, char: str) -> None:
    text = FULL.dump()
    unread_or_equal(text[:place] + char + text[place + 1 :])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], new: Any) -> Any:
    """``document`` with another value at ``path``."""
    if not path:
        return new
    copy = document.copy()
    copy[path[0]] = changed(document[path[0]], path[1:], new)
    return copy


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(places(json.loads(FULL.dump()))), json_values)
def test_a_wrong_shape_raises_nothing_but_a_value_error(path: tuple[Any, ...], value: Any) -> None:
    unread_or_equal(json.dumps(changed(json.loads(FULL.dump()), path, value)))


@pytest.mark.parametrize("path", [one for one in places(json.loads(FULL.dump())) if one], ids=str)
def test_no_value_of_another_type_is_taken(path: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Record.load(json.dumps(changed(json.loads(FULL.dump()), path, [{}])))


@pytest.mark.parametrize("path", [one for one in places(json.loads(FULL.dump())) if one], ids=str)
def test_no_value_may_be_left_out(path: tuple[Any, ...]) -> None:
    document = json.loads(FULL.dump())
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    if isinstance(parent, list) or path[:-1] in (("pilots",), ("tombstones",)) or path[-1] == "id":
        return  # one pilot less is another record, as good as this one
    del parent[path[-1]]
    with pytest.raises(ValueError, match=r"."):
        Record.load(json.dumps(document))


@pytest.mark.parametrize(
    "path", [(), ("home",), ("pilots", "AAAAAAAA"), ("tombstones", "i-0"), ("pending",), ("backoff",)], ids=str
)
def test_nothing_unknown_is_taken_in_silence(path: tuple[Any, ...]) -> None:
    document = json.loads(FULL.dump())
    part = document
    for step in path:
        part = part[step]
    part["colour"] = "red"
    with pytest.raises(ValueError, match=r"colour|nothing else|must hold"):
        Record.load(json.dumps(document))


def test_a_key_that_occurs_twice_is_refused() -> None:
    twice = FULL.dump().replace('"generation": 7', '"generation": 7, "generation": 8')
    with pytest.raises(ValueError, match="twice"):
        Record.load(twice)


def test_what_a_newer_tfce_remembers_beside_is_no_damage() -> None:
    more = {**json.loads(Record("i").dump()), "colour": "red"}
    with pytest.raises(NewerError, match=r"it remembers colour"):
        Record.load(json.dumps(more))
    del more["pilots"]
    with pytest.raises(ValueError, match=r"must hold"):
        Record.load(json.dumps(more))


def test_words_that_only_a_newer_tfce_knows_are_read_for_what_they_are() -> None:
    record = replace(Record("i"), health=Health((End("i-1", Verdict.FIZZLED, NOW),)))
    text = record.begin(Operation.SWITCH, ["0000000A"], NOW).dump()
    found = Record.load(text.replace('"fizzled"', '"strayed"').replace('"switch"', '"paint"'))
    assert found.pending is not None and found.pending.operation is Operation.REPAIR
    assert found.pending.keys == {"0000000A"} and found.health == Health()


def test_a_newer_record_says_so_whatever_else_it_holds() -> None:
    newer = json.dumps({"schema": SCHEMA + 1, "colour": "red"})
    with pytest.raises(
        ValueError, match=rf"a newer tfce wrote it \(schema {SCHEMA + 1}, this one knows {SCHEMA}\)"
    ):
        Record.load(newer)


@pytest.mark.parametrize("schema", [0, -1, None, True, "1", 1.0])
def test_a_schema_that_never_was_is_refused(schema: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Record.load(json.dumps({**json.loads(FULL.dump()), "schema": schema}))


@pytest.mark.parametrize(
    ("name", "value"), [("rest", -1), ("failures", 1e30), ("rest", True), ("since", "9999-12-31T23:59:59Z")]
)
def test_what_cannot_be_reckoned_with_is_refused(name: str, value: object) -> None:
    document = json.loads(FULL.dump())
    document["backoff"][name] = value
    with pytest.raises(ValueError, match="is no"):
        Record.load(json.dumps(document))


@pytest.mark.parametrize(
    "deep",
    [lambda: "[" * 100_000, lambda: '{"a":' * 100_000, lambda: "9" * 10_000, lambda: '{"schema": 1e999}'],
    ids=["lists", "objects", "digits", "infinity"],
)
def test_what_breaks_a_parser_is_a_value_error(deep: Callable[[], str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Record.load(deep())


# -- back-off ----------------------------------------------------------------------------------------------------


def test_rest_begins_with_the_second_failure_and_doubles_up_to_eight_times() -> None:
    record, rests = Record("here"), []
    for _ in range(7):
        record = record.without_room(NO_ROOM, NOW, 600)
        assert record.backoff is not None
        rests.append(record.backoff.rest)
    assert rests == [0, 600, 1200, 2400, 4800, 4800, 4800]
    assert record.with_room().backoff is None


def test_a_first_failure_does_not_rest() -> None:
    backoff = Record("here").without_room(NO_ROOM, NOW, 600).backoff
    assert backoff is not None
    assert not backoff.resting(NOW)


@settings(deadline=None)
@given(times, numbers, st.integers(-(10**8), 10**8))
def test_nothing_rests_longer_than_its_length(since: datetime, rest: int, offset: int) -> None:
    backoff = Backoff(3, NO_ROOM, since, rest)
    assert backoff.resting(since + timedelta(seconds=offset)) == (0 <= offset < rest)


def test_a_rest_that_began_while_the_clock_was_ahead_ends_with_its_correction() -> None:
    ahead = NOW + 30 * DAY
    backoff = Record("here").without_room(NO_ROOM, ahead, 600).without_room(NO_ROOM, ahead, 600).backoff
    assert backoff is not None
    assert backoff.resting(ahead)
    assert not any(backoff.resting(NOW + timedelta(minutes=minutes)) for minutes in range(60))


# -- time, tombstones, pilots ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(records, times)
def test_nothing_is_remembered_of_the_future(record: Record, now: datetime) -> None:
    right = record.not_after(now)
    moments = [one.requested_at for one in right.pilots.values()] + [s.when for s in right.tombstones.values()]
    moments += [right.pending.since] if right.pending else []
    moments += [right.unseen_since] if right.unseen_since else []
    assert not [moment for moment in moments if moment > now]
    assert right.not_after(now) == right
    assert record.not_after(datetime(2300, 1, 1, tzinfo=UTC)) == record


def stone(node_id: str = "i-1", when: datetime = NOW, reason: Ending = OVERDUE, **flags: bool) -> Tombstone:
    return Tombstone(node_id, "AAAAAAAA", State.DELETED, reason, when, **flags)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1))
def test_a_tombstone_keeps_when_and_why_and_forgets_nothing(marks: list[tuple[bool, bool, bool]]) -> None:
    record = Record("here")
    for number, (accepted, gone, dismissed) in enumerate(marks):
        made = stone(when=NOW + number * DAY, reason=Ending(Cause.OVERDUE, seconds=number))
        record = record.with_tombstones([replace(made, accepted=accepted, gone=gone, dismissed=dismissed)])
    kept = record.tombstones["i-1"]
    assert (kept.when, kept.reason) == (NOW, Ending(Cause.OVERDUE, seconds=0))
    assert (kept.accepted, kept.gone, kept.dismissed) == tuple(any(column) for column in zip(*marks, strict=True))


def test_the_newest_tombstones_are_kept() -> None:
    bound = record_module.TOMBSTONES
    stones = [stone(f"i-{number}", NOW + timedelta(seconds=number)) for number in range(bound + 3)]
    kept = Record("here").with_tombstones(stones).tombstones
    assert len(kept) == bound
    assert {"i-0", "i-1", "i-2"}.isdisjoint(kept)
    assert Record("here").with_tombstones(stones[:3]).with_tombstones(stones[3:]).tombstones == kept


def test_a_removal_that_is_not_done_yet_is_never_dropped_for_room() -> None:
    bound = record_module.TOMBSTONES
    record = Record("here").with_tombstones([stone("waits", NOW - DAY)])
    done = [stone(f"i-{number}", NOW + timedelta(seconds=number), accepted=True) for number in range(bound + 3)]
    assert "waits" in record.with_tombstones(done).tombstones


def test_what_never_had_a_vm_is_not_buried() -> None:
    assert not Record("here").with_tombstones([stone("")]).tombstones


@settings(deadline=None)
@given(records, st.lists(keys))
def test_pilots_come_and_go(record: Record, new: list[str]) -> None:
    pilots = [Pilot(key, NOW, "s") for key in new]
    more = record.including(pilots)
    assert set(more.pilots) == set(record.pilots) | set(new)
    assert set(more.without(new).pilots) == set(record.pilots) - set(new)
    assert not set(more.pilots) - more.used_keys
    placed = more.placed({"00000000": "i-5", **dict.fromkeys(new, "i-6")})
    assert set(placed.pilots) == set(more.pilots)
    assert not [key for key in new if placed.pilots[key].id != "i-6"]


def test_what_one_operation_left_stays_part_of_the_next() -> None:
    first = Record("here").begin(Operation.SUBMIT, ["AAAAAAAA"], NOW)
    second = first.begin(Operation.REPAIR, ["BBBBBBBB"], NOW + DAY)
    assert second.pending == Pending(Operation.REPAIR, frozenset({"AAAAAAAA", "BBBBBBBB"}), NOW + DAY)
    assert second.settled().pending is None


def test_homes_are_the_same_until_an_account_says_otherwise() -> None:
    assert Home("EC2 eu").same(Home("EC2 eu", "1"))
    assert Home("EC2 eu", "1").same(Home("EC2 eu", "1"))
    assert not Home("EC2 eu", "1").same(Home("EC2 eu", "2"))
    assert not Home("EC2 eu", "1").same(Home("EC2 us", "1"))
