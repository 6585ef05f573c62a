"""Pilots: their keys and references, and the text of them that Terraform and reviewers read."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tfce.model.pilot import (
    Batch,
    Pilot,
    Single,
    fresh_batches,
    fresh_keys,
    instance_id,
    is_key,
    moment,
    numbered_key,
    reference,
    scale_text,
    timestamp,
)

BORN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
A, B = Pilot("0000000A", BORN, "b1"), Pilot("0000000B", BORN, "b1", "i-b")


def text_of(*pilots: Pilot) -> str:
    return scale_text({pilot.key: pilot for pilot in pilots}, "lz-prod")


# -- the text that is read -------------------------------------------------------------------------------------


def test_the_text_reads_well_in_a_review_and_holds_no_id() -> None:
    assert text_of(B, A) == (
        '{\n  "installation": "lz-prod",\n  "instance_count": 2,\n  "pilots": {\n'
        '    "0000000A": {"born": "2026-01-31T12:00:00Z", "submission": "b1"},\n'
        '    "0000000B": {"born": "2026-01-31T12:00:00Z", "submission": "b1"}\n  }\n}\n'
    )
    assert text_of() == '{\n  "installation": "lz-prod",\n  "instance_count": 0,\n  "pilots": {}\n}\n'


def test_one_pilot_more_is_two_lines_of_diff_and_the_order_of_arrival_does_not_show() -> None:
    assert text_of(A, B) == text_of(B, A)
    old, new = text_of(A).splitlines(), text_of(A, B).splitlines()
    assert len(set(new) - set(old)) == 3  # the count, the comma, the pilot


@pytest.mark.parametrize("submission", ['"', "\\", "${x}", "a\nb", "ü ☃", "", "%"])
def test_hostile_submissions_are_text_in_it(submission: str) -> None:
    found = json.loads(text_of(Pilot("0000000A", BORN, submission)))
    assert found["pilots"]["0000000A"]["submission"] == submission


def test_pilots_are_values_in_the_order_of_their_keys() -> None:
    assert sorted([B, A]) == [A, B] and Pilot("0000000A", BORN, "b1") == A
    with pytest.raises(FrozenInstanceError):
        A.key = "0000000C"  # type: ignore[misc]


# -- keys ------------------------------------------------------------------------------------------------------


class Few:
    """Takes the first ten that are offered."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def __contains__(self, key: object) -> bool:
        if len(self.refused) < 10:
            self.refused.append(str(key))
            return True
        return False


def test_fresh_keys_are_keys_distinct_and_not_taken() -> None:
    taken = Few()
    keys = fresh_keys(50, taken)
    assert len(set(keys)) == 50 and not set(keys) & set(taken.refused)
    assert [key for key in keys if not is_key(key)] == []
    assert fresh_keys(0, ()) == []


@pytest.mark.parametrize(
    ("count", "largest", "sizes"), [(0, 5, []), (1, 5, [1]), (5, 5, [5]), (12, 5, [5, 5, 2]), (3, 1, [1, 1, 1])]
)
def test_batches_are_as_large_as_they_may_and_their_keys_distinct(
    count: int, largest: int, sizes: list[int]
) -> None:
    taken = Few()
    batches = fresh_batches(count, largest, taken)
    assert [batch.size for batch in batches] == sizes
    keys = [key for batch in batches for key in batch.keys]
    assert len(set(keys)) == count and not set(keys) & set(taken.refused)
    assert [key for key in keys if not is_key(key)] == []


def test_a_batch_is_known_by_its_label_and_its_keys_by_their_numbers() -> None:
    batch = Batch("3FA2C0D1", 3)
    assert (batch.label, batch.rule) == ("3FA2C0D1-3", "3FA2C0D1-#")
    assert batch.keys == tuple(numbered_key("3FA2C0D1", number) for number in range(3))
    assert batch.keys[0] == "6BE98F58"  # the guest makes the same of name and number
    assert Batch.parse(batch.label) == batch
    for text in ("3FA2C0D1", "3FA2C0D1-0", "3fa2c0d1-3", "3FA2C0D1-3\n", "3FA2C0D1-03", "x-3", ""):
        assert Batch.parse(text) is None


def test_a_single_pilot_is_a_batch_of_its_key() -> None:
    one = Single("0123ABCD")
    assert (one.label, one.rule, one.keys) == ("0123ABCD", "0123ABCD", ("0123ABCD",))


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
