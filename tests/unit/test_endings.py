"""Why a pilot was removed: one fact, whose words people read and nothing else does."""

from __future__ import annotations

import pytest

from tfce.model.endings import Cause, Ending
from tfce.model.reasons import Kind, Reason

FAULT = Reason(Kind.CAPACITY, "No valid host was found", "500")
WORDS = [
    (Ending(Cause.STOPPED), "stopped"),
    (Ending(Cause.FAILED), "failed"),
    (Ending(Cause.FAILED, FAULT), "failed: No valid host was found"),
    (Ending(Cause.OVERDUE, seconds=3600), "overdue: older than 3600 s"),
    (Ending(Cause.STUCK, state="BUILD", seconds=60), "failed: still BUILD after 60 s"),
    (Ending(Cause.STUCK, seconds=60), "failed: still - after 60 s"),
    (Ending(None, Reason(Kind.UNCLASSIFIED, "overdue: older than 60 s")), "overdue: older than 60 s"),
    (Ending(None), "-"),
]


@pytest.mark.parametrize(("ending", "words"), WORDS, ids=str)
def test_words_are_made_once_and_the_fact_survives_a_file(ending: Ending, words: str) -> None:
    assert str(ending) == words
    assert Ending.from_json(ending.to_json()) == ending


@pytest.mark.parametrize("cause", Cause)
def test_a_word_that_version_0_1_wrote_is_the_cause(cause: Cause) -> None:
    assert Ending.from_json(cause.value) == Ending(cause)


def test_a_sentence_that_version_0_1_wrote_is_kept_and_not_read() -> None:
    text = "failed: still BUILD after 60 s"
    assert Ending.from_json(text) == Ending(None, Reason(Kind.UNCLASSIFIED, text))


@pytest.mark.parametrize(
    "value",
    [None, 7, [], {}, {"cause": 7}, {"cause": "failed", "more": 1}, {"cause": "stuck", "seconds": -1}],
    ids=str,
)
def test_what_is_no_ending_is_not_believed(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Ending.from_json(value)


def test_a_long_text_of_a_cloud_makes_no_record_unreadable() -> None:
    ending = Ending(Cause.FAILED, Reason(Kind.UNCLASSIFIED, "x" * 10_000, "y" * 10_000, "z" * 10_000))
    kept = Ending.from_json(ending.to_json()).fault
    assert kept is not None and kept.text == "x" * 4000


def test_a_cause_that_only_a_newer_tfce_knows_is_read_as_its_words() -> None:
    assert Ending.from_json({"cause": "bored"}) == Ending(None, Reason(Kind.UNCLASSIFIED, "bored"))
    told = Ending.from_json({"cause": "bored", "fault": {"kind": "quota", "text": "full"}})
    assert told == Ending(None, Reason(Kind.QUOTA, "full"))
