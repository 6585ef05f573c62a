"""The roster: what it writes it reads back, and nothing that is not a roster is ever read as one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tfce.model.errors import WorkspaceError
from tfce.model.pilot import Pilot, Roster, fresh_keys, instance_id, is_key, moment, reference, timestamp

BORN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
A, B = Pilot("0000000A", BORN, "b1"), Pilot("0000000B", BORN, "b1")


def entry(born: object = "2026-01-31T12:00:00Z", batch: object = "b1", **more: object) -> dict[str, object]:
    return {"born": born, "batch": batch, **more}


def document(pilots: object, count: object) -> str:
    return json.dumps({"instance_count": count, "pilots": pilots})


@pytest.mark.parametrize("pilots", [[], [A], [B, A]])
def test_a_roster_survives_the_disk(pilots: list[Pilot]) -> None:
    roster = Roster().including(pilots)
    assert Roster.load(roster.dump(), "x") == roster
    assert Roster.load(roster.dump(), "x").dump() == roster.dump()


@pytest.mark.parametrize("batch", ['"', "\\", "${x}", "a\nb", "ü ☃", "", "%"])
def test_hostile_batches_survive_the_disk(batch: str) -> None:
    roster = Roster().including([Pilot("0000000A", BORN, batch)])
    assert Roster.load(roster.dump(), "x").pilots["0000000A"].batch == batch


def test_the_text_reads_well_in_a_review() -> None:
    text = Roster().including([B, A]).dump()
    assert text == (
        '{\n  "instance_count": 2,\n  "pilots": {\n'
        '    "0000000A": {"batch": "b1", "born": "2026-01-31T12:00:00Z"},\n'
        '    "0000000B": {"batch": "b1", "born": "2026-01-31T12:00:00Z"}\n  }\n}\n'
    )


def test_one_pilot_more_is_two_lines_of_diff_and_the_order_of_arrival_does_not_show() -> None:
    assert Roster().including([A, B]).dump() == Roster().including([B]).including([A]).dump()
    old, new = Roster().including([A]).dump().splitlines(), Roster().including([A, B]).dump().splitlines()
    assert len(set(new) - set(old)) == 3  # the count, the comma, the pilot


GOOD = {"0000000A": entry()}
NOT_ROSTERS = {
    "empty": "",
    "blank": " \n",
    "torn": Roster().including([A, B]).dump()[:-20],
    "torn after the count": '{"instance_count": 0',
    "an empty map": "{}",
    "a list": "[]",
    "null": "null",
    "no count": json.dumps({"pilots": GOOD}),
    "no pilots": json.dumps({"instance_count": 0}),
    "more": json.dumps({"instance_count": 1, "pilots": GOOD, "extra": 1}),
    "wrong count": document(GOOD, 2),
    "count zero of one": document(GOOD, 0),
    "count as text": document(GOOD, "1"),
    "count true": document(GOOD, True),
    "count null": document(GOOD, None),
    "pilots a list": document([], 0),
    "pilots null": document(None, 0),
    "the same key twice": document({"0000000A": entry(), "0000000B": entry()}, 1).replace("0B", "0A"),
    "pilots twice": document({}, 0).replace("{}", '{}, "pilots": {}'),
    "key in lower case": document({"0000000a": entry()}, 1),
    "key too short": document({"A": entry()}, 1),
    "key with a line end": document({"0000000A\n": entry()}, 1),
    "key is a path": document({"../../..": entry()}, 1),
    "entry is text": document({"0000000A": "born"}, 1),
    "entry is empty": document({"0000000A": {}}, 1),
    "entry has more": document({"0000000A": entry(id="i-1")}, 1),
    "born is no time": document({"0000000A": entry(born="yesterday")}, 1),
    "born has no zone": document({"0000000A": entry(born="2026-01-31T12:00:00")}, 1),
    "born is a number": document({"0000000A": entry(born=5)}, 1),
    "born on the 31st of February": document({"0000000A": entry(born="2026-02-31T12:00:00Z")}, 1),
    "merge conflict": "<<<<<<< HEAD\n" + Roster().dump(),
    "two documents": Roster().dump() * 2,
    "deeply nested": "[" * 100_000,
}


@pytest.mark.parametrize("text", NOT_ROSTERS.values(), ids=NOT_ROSTERS)
def test_what_is_no_roster_is_refused_with_file_and_cure(text: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        Roster.load(text, "/w/scale.auto.tfvars.json")
    assert "/w/scale.auto.tfvars.json" in caught.value.message
    assert "tfce repair" in caught.value.message and "no pilot was touched" in caught.value.message
    assert caught.value.exit_code == 2


def test_rosters_are_values() -> None:
    empty = Roster()
    one = empty.including([A])
    assert (len(empty), len(one), "0000000A" in one, "0000000A" in empty) == (0, 1, True, False)
    assert one.without(["0000000A", "FFFFFFFF"]) == empty and len(one) == 1
    with pytest.raises(TypeError):
        one.pilots["0000000B"] = B  # type: ignore[index]


def test_fresh_keys_are_keys_distinct_and_not_taken() -> None:
    class Some:
        """Takes the first ten that are offered."""

        def __init__(self) -> None:
            self.refused: list[str] = []

        def __contains__(self, key: object) -> bool:
            if len(self.refused) < 10:
                self.refused.append(str(key))
                return True
            return False

    taken = Some()
    keys = fresh_keys(50, taken)
    assert len(set(keys)) == 50 and all(map(is_key, keys)) and not set(keys) & set(taken.refused)
    assert fresh_keys(0, ()) == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("0123ABCD", True),
        ("0123abcd", False),
        ("0123ABC", False),
        ("0123ABCDE", False),
        ("", False),
        ("0123ABCD\n", False),
    ],
)
def test_what_a_key_is(text: str, key: bool) -> None:
    assert is_key(text) is key


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("cloud://i-1", "i-1"),
        ("i-1", "i-1"),
        ("cloud://i-1:::0123ABCD", "i-1"),
        (" cloud://i-1\n", "i-1"),
        ("cloud://6f1c-a:b", "6f1c-a:b"),
    ],
)
def test_instance_ids_in_the_references_of_every_dirac(text: str, node: str) -> None:
    assert instance_id(text) == node
    assert instance_id(reference(node)) == node


def test_times_are_utc_whatever_the_zone_they_came_in() -> None:
    east = datetime(2026, 1, 31, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(east) == "2026-01-31T12:00:00Z"
    assert moment(timestamp(east)) == east and moment(timestamp(east)).tzinfo is UTC
