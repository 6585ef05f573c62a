"""Whose VM it is. A wrong yes here destroys a stranger's VM."""

from __future__ import annotations

import pytest

from tfce.model.pilot import Batch
from tfce.model.vm import VM, Owner, State, pilot_key, with_key

OWNER = Owner("site-1", "cloud.example.org", "long")
TAGS = {
    "tfce:installation": "site-1",
    "tfce:ce": "cloud.example.org",
    "tfce:queue": "long",
    "tfce:key": "0123ABCD",
}


def node(**changes: str | None) -> VM:
    tags = {**TAGS, **{name.replace("__", ":"): value for name, value in changes.items()}}
    given = {name: value for name, value in tags.items() if value is not None}
    return VM("i-1", "tfce-0123ABCD", State.RUNNING, "running", None, given)


@pytest.mark.parametrize(
    ("changes", "owns", "same_queue"),
    [
        ({}, True, True),
        ({"tfce__installation": "site-2"}, False, True),
        ({"tfce__installation": None}, False, True),
        ({"tfce__installation": "Site-1"}, False, True),
        ({"tfce__ce": "cloud.example.org.uk"}, False, False),
        ({"tfce__ce": None}, False, False),
        ({"tfce__queue": "lon"}, False, False),
        ({"tfce__queue": "long "}, False, False),
        ({"tfce__key": None}, False, False),
        ({"tfce__key": ""}, False, False),
        ({"tfce__key": "0123abcd"}, False, False),
        ({"tfce__key": "0123ABCDE"}, False, False),
    ],
)
def test_all_tags_must_match(changes: dict[str, str | None], owns: bool, same_queue: bool) -> None:
    assert (OWNER.owns(node(**changes)), OWNER.same_queue(node(**changes))) == (owns, same_queue)


def test_a_vm_of_a_batch_has_the_key_of_its_number_and_is_ours_without_one() -> None:
    own = {name: value for name, value in TAGS.items() if name != "tfce:key"} | {"tfce:batch": "3FA2C0D1"}
    keys = Batch("3FA2C0D1", 3).keys
    for number in range(3):
        vm = VM("i-1", "x", State.RUNNING, "running", None, with_key(own, number))
        assert pilot_key(vm) == keys[number] and OWNER.owns(vm)
    renamed = VM("i-1", "x", State.RUNNING, "running", None, with_key(own, None))
    assert pilot_key(renamed) is None and OWNER.owns(renamed) and OWNER.same_queue(renamed)
    strange = {"tfce:batch": "3FA2C0D1", "Name": "tfce-3FA2C0D1"}
    assert not OWNER.owns(VM("i-1", "x", State.RUNNING, "running", None, with_key(strange, 0)))


def test_a_name_like_ours_is_nothing() -> None:
    stranger = VM("i-2", "tfce-0123ABCD", State.RUNNING, "running", None, {"Name": "tfce-0123ABCD"})
    assert not OWNER.owns(stranger) and not OWNER.same_queue(stranger) and pilot_key(stranger) is None


def test_tags_spelt_for_openstack_are_the_same_tags() -> None:
    spelt = VM("1", "x", State.RUNNING, "ACTIVE", None, {k.replace(":", "_"): v for k, v in TAGS.items()})
    assert OWNER.owns(spelt) and pilot_key(spelt) == "0123ABCD"


def test_the_states_are_diracs_words() -> None:
    words = {state: state.word for state in State}
    assert set(words.values()) == {"Waiting", "Running", "Done", "Failed", "Deleted"}
    # DIRAC gives a pilot up after an hour of Unknown, and one that is Deleted for good.
    assert words[State.UNKNOWN] == words[State.DELETING] == "Running"
    assert node().reference == "cloud://i-1"
