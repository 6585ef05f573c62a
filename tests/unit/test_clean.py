"""Text from a cloud, made fit for terminals and files; records of which a field is odd; lists that do not end."""

from __future__ import annotations

import itertools
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.claims import every
from tfce.cloud import clean, records
from tfce.cloud.ec2.parse import instance
from tfce.cloud.limits import RequestLimits
from tfce.cloud.listing import Listing, collect, pages
from tfce.cloud.openstack.parse import server
from tfce.cloud.records import InvalidRecordError
from tfce.model.errors import CloudError
from tfce.model.vm import VM, State

settings.register_profile("repeats", deadline=None, derandomize=True, database=None)
settings.load_profile("repeats")

NOVA: dict[str, Any] = {  # as nova lists a server
    "id": "4d0f0b8e-2a34-4d7c-9f1c-8d0a5c1b7e11",
    "name": "tfce-0000000A",
    "status": "SHUTOFF",
    "created": "2026-01-02T03:04:05Z",
    "updated": "2026-01-02T03:09:05Z",
    "metadata": {"tfce_ce": "cloud.example.org", "tfce_queue": "long", "tfce_key": "0000000A"},
    "OS-EXT-STS:task_state": None,
    "OS-SRV-USG:terminated_at": None,
    "fault": {"code": 500, "message": "No valid host was found.", "created": "2026-01-02T03:04:05Z"},
    "flavor": {"id": "1", "links": []},
    "addresses": {"private": [{"addr": "10.0.0.3", "version": 4}]},
}
EC2 = (  # as EC2 lists an instance
    "<item><instanceId>i-0123456789abcdef0</instanceId><imageId>ami-1</imageId>"
    "<instanceState><code>16</code><name>running</name></instanceState><reason/>"
    "<amiLaunchIndex>0</amiLaunchIndex><launchTime>2026-01-31T12:00:00.000Z</launchTime><tagSet>"
    "<item><key>Name</key><value>tfce-0000000A</value></item>"
    "<item><key>tfce:key</key><value>0000000A</value></item></tagSet></item>"
)


def ec2_instance(text: str) -> VM:
    """The VM of an answer's item."""
    return instance(ElementTree.fromstring(text.replace("<item>", f"<item xmlns='{NAMESPACE}'>", 1)))


# -- text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dirty", "line"),
    [
        ("plain ü 漢", "plain ü 漢"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://evil\x1b\\click", "click"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x9b2Jgone", "gone"),
        ("\x1bc reset", " reset"),
        ("a\r\nb\tc\x85d\u2028e", "a b c d e"),
        ("nul\x00bell\x07back\x08del\x7f", "nul?bell?back?del?"),
        ("half \ud800 of one", "half ? of one"),
        ("\u202egnp.exe", "?gnp.exe"),
        ("\x1b]0;no end" + "x" * 300, "0;no end" + "x" * 300),
    ],
)
def test_a_line_is_one_and_harmless(dirty: str, line: str) -> None:
    assert clean.line(dirty) == line


def test_a_console_keeps_its_lines_and_loses_its_escapes() -> None:
    assert clean.text("\x1b[1;32m[  OK  ]\x1b[0m Started\r\n\tx\rprogress\r\r\n\x07end\ud83d") == (
        "[  OK  ] Started\n\tx\nprogress\n?end?"
    )


@given(st.text(st.characters(), max_size=200))
def test_no_text_gets_through_with_what_harms(dirty: str) -> None:
    line, text = clean.line(dirty), clean.text(dirty)
    line.encode(), text.encode()
    assert len(line.splitlines()) <= 1 and not [c for c in line if c < " " or "\x7f" <= c <= "\x9f"]
    assert not [c for c in text if c < " " and c not in "\n\t"]
    assert clean.line(line) == line and clean.text(text) == text


# -- records ---------------------------------------------------------------------------------------------------


def test_a_record_of_nova_is_read() -> None:
    vm = server(NOVA)
    assert (vm.id, vm.name, vm.state, str(vm.fault)) == (
        NOVA["id"],
        NOVA["name"],
        State.STOPPED,
        NOVA["fault"]["message"],
    )
    assert vm.tags == NOVA["metadata"] and vm.ended == datetime(2026, 1, 2, 3, 9, 5, tzinfo=UTC)


def test_a_record_of_ec2_is_read() -> None:
    vm = ec2_instance(EC2)
    assert (vm.id, vm.name, vm.state) == ("i-0123456789abcdef0", "tfce-0000000A", State.RUNNING)
    assert vm.tags["tfce:key"] == "0000000A" and vm.created == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("<code>16</code><name/>", State.RUNNING),
        ("<code>48</code><name/>", State.DELETED),
        ("<code>304</code>", State.DELETED),  # its high byte is EC2's own
        ("<code>80</code><name>running</name>", State.RUNNING),
        ("<code>7</code><name>odd</name>", State.UNKNOWN),
    ],
)
def test_a_state_that_lost_its_word_is_told_by_its_number(said: str, state: State) -> None:
    text = EC2.replace("<code>16</code><name>running</name>", said)
    assert ec2_instance(text).state is state


@pytest.mark.parametrize("said", ["<code>7</code>", "<code>x</code><name/>", "<code>9999999</code>", ""])
def test_an_instance_without_a_state_is_odd(said: str) -> None:
    with pytest.raises(InvalidRecordError):
        ec2_instance(EC2.replace("<code>16</code><name>running</name>", said))


NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
MISSING = ...


@pytest.mark.parametrize(
    "change",
    [
        {"id": MISSING},
        {"id": None},
        {"id": ""},
        {"id": "a\nb"},
        {"id": "\x1b[31m1"},
        {"id": "../secrets"},
        {"id": "a b"},
        {"id": ["x"]},
        {"id": "x" * 4000},
        {"created": "yesterday"},
        {"created": 5},
        {"created": "9999999-01-01"},
        {"updated": "+5 hours"},
        {"metadata": ["a", "list"]},
        {"metadata": None},
        {"metadata": {"tfce_key": {"deep": 1}}},
        {"metadata": {"k": "x" * 10**6}},
        {"metadata": {str(n): "" for n in range(5000)}},
        {"name": None},
        {"name": 5},
        {"name": "n" * 10**6},
        {"status": None},
        {"status": ["ACTIVE"]},
        {"status": "A" * 1000},
    ],
    ids=str,
)
def test_a_record_of_which_a_field_is_odd_is_left_out(change: dict[str, Any]) -> None:
    record = {name: value for name, value in {**NOVA, **change}.items() if value is not MISSING}
    with pytest.raises(InvalidRecordError):
        server(record)


@pytest.mark.parametrize("record", [None, [], "server", 5, {}])
def test_what_is_no_record_is_odd(record: Any) -> None:
    with pytest.raises(InvalidRecordError):
        server(record)


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """``value`` as recorded, or any part of it replaced by anything that JSON can say."""
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )
    if isinstance(value, dict):
        kept = st.fixed_dictionaries({}, optional={name: mutated(one) for name, one in value.items()})
        return st.one_of(st.just(value), kept, kept, anything)
    return st.one_of(st.just(value), anything)


@given(mutated(NOVA))
def test_any_record_of_nova_is_a_vm_or_odd(record: Any) -> None:
    try:
        vm = server(record)
    except InvalidRecordError as error:
        assert str(error).isprintable() or "\ufffd" in str(error)
        return
    harmless(vm)


@given(st.lists(st.tuples(st.integers(0, len(EC2) - 1), st.integers(1, 40), st.text(max_size=8)), max_size=3))
def test_any_record_of_ec2_is_a_vm_or_odd(cuts: list[tuple[int, int, str]]) -> None:
    text = EC2.replace("<item>", f"<item xmlns='{NAMESPACE}'>", 1)
    for at, length, put in cuts:
        text = text[:at] + put + text[at + length :]
    try:
        item = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, UnicodeEncodeError):
        return  # no XML at all: the boundary says so before
    with suppress(InvalidRecordError):
        harmless(instance(item))


def harmless(vm: VM) -> None:
    texts = [vm.id, vm.name, vm.raw_state, str(vm.fault or ""), *vm.tags, *vm.tags.values()]
    assert every(isinstance(text, str) and clean.line(text) == text for text in texts)
    assert clean.is_identity(vm.id) and (vm.created is None or vm.created.tzinfo is not None)


def test_a_fault_is_cut_and_clean() -> None:
    fault = server({**NOVA, "fault": {"message": "a\x1b[31mb\n" + "c" * 10**6}}).fault
    assert fault is not None and fault.text.startswith("ab c")
    assert len(records.fault("c" * 10**6)) == 2000 and records.fault({"a": 1}) == ""


# -- lists -----------------------------------------------------------------------------------------------------


def test_odd_records_are_left_out_with_one_warning_and_the_list_is_not_complete(caplog: Any) -> None:
    with caplog.at_level(logging.WARNING, "tfce.cloud"):
        found = collect("listing VMs", [NOVA, {"id": None}, {**NOVA, "id": "b"}, "rubbish"], server)
    assert [vm.id for vm in found] == [NOVA["id"], "b"] and not found.complete
    (record,) = caplog.records
    assert "2 odd record(s)" in record.getMessage() and "its id is missing" in record.getMessage()
    assert collect("listing VMs", [NOVA], server).complete


def test_a_vm_that_is_listed_twice_is_one_and_it_lives_if_one_record_says_so() -> None:
    gone = {**NOVA, "OS-EXT-STS:task_state": "deleting"}
    for several in ([NOVA, gone], [gone, NOVA], [NOVA, NOVA, gone]):
        found = collect("listing VMs", several, server)
        assert [vm.state for vm in found] == [State.STOPPED] and found.duplicates == len(several) - 1
    assert found.complete


@pytest.mark.parametrize("words", list(itertools.permutations(("ACTIVE", "SHUTOFF", "ERROR", "BUILD"), 2)))
def test_of_two_records_of_one_vm_the_livelier_counts_whichever_comes_first(words: tuple[str, str]) -> None:
    found = collect("listing VMs", [{**NOVA, "status": word} for word in words], server)
    livelier = next(word for word in ("ACTIVE", "BUILD", "SHUTOFF", "ERROR") if word in words)
    assert [vm.raw_state for vm in found] == [livelier]


def test_some_of_a_list_are_as_trustworthy() -> None:
    now = datetime.now(UTC)
    some = Listing([server(NOVA)], complete=False, cloud_time=now, duplicates=2).of([])
    assert (list(some), some.complete, some.cloud_time, some.duplicates) == ([], False, now, 2)


def test_all_pages_are_read() -> None:
    answers: dict[str | None, tuple[list[int], str | None]] = {
        None: ([1, 2], "b"),
        "b": ([3], "c"),
        "c": ([], None),
    }
    assert list(pages("listing", RequestLimits(), lambda token: answers[token])) == [1, 2, 3]


def test_a_list_whose_pages_come_again_ends() -> None:
    with pytest.raises(CloudError, match="does not end: a page comes again") as caught:
        list(pages("listing", RequestLimits(), lambda token: ([1], "b")))
    assert caught.value.kind == "unreachable"


@pytest.mark.parametrize(
    "limits", [RequestLimits(pages=5), RequestLimits(items=50), RequestLimits(seconds=0.0)], ids=str
)
def test_a_list_that_never_ends_ends(limits: RequestLimits) -> None:
    with pytest.raises(CloudError, match="does not end"):
        list(pages("listing", limits, lambda token: ([0] * 20, f"{token}+")))
