"""The page that ``tfce report`` writes: what is wrong comes first, and what happened is drawn and told."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.claims import every, subset
from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Refused
from tfce.cli.reporting import page
from tfce.model.drain import Drain
from tfce.model.errors import ConfigError, TfceError
from tfce.model.overview import Urgency
from tfce.model.pilot import timestamp
from tfce.model.reasons import Kind, Reason
from tfce.model.record import Operation
from tfce.model.vm import State
from tfce.pilots import report
from tfce.pilots.report import QueueReport

VOID = {"meta", "link", "br", "rect", "line", "circle"}


HELD = ExitStack()  # what a planted fault holds


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    yield
    HELD.close()


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path)


class Read(HTMLParser):
    """A page as a browser sees it. ``open``: elements that nobody closed; ``cells``: texts by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.texts.append((self.open[-1], " ".join(data.split())))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def said(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def queue_report(edge: FakeEdge, queue: str = "long", **options: str) -> QueueReport:
    """As ``tfce report`` makes it, of a queue that may be broken."""
    label = f"cloud.example.org/{queue}"
    try:
        fleet = edge.parts(queue, **options).fleet
        return report.queue_report(fleet, fleet.announce(), edge.now() - timedelta(days=7), edge.now())
    except TfceError as error:
        return report.failed(label, error, edge.now())


def week(edge: FakeEdge) -> None:
    """Pilots of a week: some end well, some badly, some find no room, two go on."""
    for day in range(6):
        edge.parts().fleet.submit(WRAPPER, 3)
        edge.advance(3600 * (1 + day))
        for node in list(edge.sky.living())[: 1 + day % 3]:
            edge.stop(node.id)
        edge.parts().fleet.reap()
        edge.sky.at("create", Refused("InsufficientInstanceCapacity: none left"))
        edge.parts(Instance_Flavor="name:m5.large").fleet.submit(WRAPPER, 1)
        edge.advance(3600 * (23 - day))
        edge.parts().fleet.reap()


# -- the page ----------------------------------------------------------------------------------------------


def test_a_page_is_sound_html_that_needs_nothing_else(edge: FakeEdge) -> None:
    week(edge)
    text = page([queue_report(edge)], edge.now(), 7)
    read = Read(text)
    assert read.open == [] and text.startswith("<!DOCTYPE html>")
    assert not re.search(r"(?i)https?:|//[a-z]|<script|javascript:|@import|\bon\w+=", text)
    assert every(target == "#" for target in re.findall(r"url\((.)", text))
    assert [one["href"] for one in read.all("a")] == ["#figures"]
    assert not [tag for tag, _ in read.tags if tag in ("link", "img", "iframe", "object", "form", "base")]


def test_a_screen_reader_finds_its_way(edge: FakeEdge) -> None:
    week(edge)
    read = Read(page([queue_report(edge, Workspace_Price="*=0.2, EUR")], edge.now(), 7))
    assert read.all("html") == [{"lang": "en"}] and len(read.said("h1")) == 1
    ids = Counter(one["id"] for _, one in read.tags if one.get("id"))
    assert every(number == 1 for number in ids.values())
    named = [name for _, one in read.tags for name in (one.get("aria-labelledby") or "").split()]
    assert subset(named, ids)
    drawings = [one for one in read.all("svg") if one.get("role") == "img"]
    assert len(drawings) == 8 == len(read.said("caption")) == len(read.said("desc"))
    assert every(one["aria-labelledby"] for one in drawings)
    assert every(one.get("aria-hidden") == "true" for one in read.all("svg") if one not in drawings)
    assert every(one.get("scope") in ("row", "col") for one in read.all("th"))


def test_colours_are_never_alone(edge: FakeEdge) -> None:
    week(edge)
    text = page([queue_report(edge)], edge.now(), 7)
    patterns = {f"url(#{name})" for name in re.findall(r'<pattern id="(p\d)"', text)}
    assert subset([one["fill"] for one in Read(text).all("rect") if one.get("class") == "bar"], patterns)
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text


def test_what_others_called_their_things_stays_text(edge: FakeEdge) -> None:
    evil = "<script>alert(1)</script>\u202e\x1b[31m\"'&"
    parts = edge.parts()
    parts.fleet.submit(WRAPPER, 2)
    edge.sky.consoles[next(iter(edge.sky.vms))] = f"tfce: stage=cvmfs status=failed code=32\n{evil}\n"
    now = timestamp(edge.now())
    lines = [
        {"time": now, "event": "submit", "keys": ["0A0B0C0D", evil], "made": {"flavor": evil, "zone": evil}},
        {"time": now, "event": "submitted", "created": {evil: evil}, "failed": {"0A0B0C0D": {"kind": evil}}},
        {"time": now, "event": "removed", "vms": [{"key": evil, "cause": evil, "lived_s": 5}]},
    ]
    journal = parts.workspace.private / "journal.jsonl"
    journal.write_text(journal.read_text() + "".join(json.dumps(line) + "\n" for line in lines))
    broken = report.failed(evil, ConfigError(evil, evil, evil, evil), edge.now())
    text = page([queue_report(edge), broken], edge.now(), 7)
    assert Read(text).open == [] and Read(text).all("script") == []
    assert "&lt;script&gt;alert(1)" in text and not re.search("[\u202e\x1b]", text)


def test_lines_that_say_nothing_sensible_draw_nothing(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    now = timestamp(edge.now())
    odd: list[object] = [
        {"time": now, "event": "removed", "vms": [7, {"key": [], "cause": {}, "lived_s": -1}, {"lived_s": 1e99}]},
        {"time": now, "event": "submit", "keys": {"a": 1}, "made": []},
        {"time": now, "event": "submitted", "created": 3, "failed": [1]},
        {"time": now, "event": ["remove"], "pilots": "x"},
        {"time": "9999-12-31T23:59:59Z", "event": "remove", "pilots": {"a": None}},
        {"time": "0001-01-01T00:00:00Z", "event": "removed", "vms": [{"key": "B", "lived_s": 99999}]},
    ]
    journal = edge.parts().workspace.private / "journal.jsonl"
    journal.write_text(journal.read_text() + "".join(json.dumps(line) + "\n" for line in odd))
    assert Read(page([queue_report(edge)], edge.now(), 7)).open == []


def test_no_queue_and_a_queue_that_never_was_are_pages_too(edge: FakeEdge) -> None:
    assert "no queue is configured" in page([], edge.now(), 7)
    text = page([queue_report(edge)], edge.now(), 1)
    assert text.count("None in this time.") == 8 and "nobody asks for pilots" in text
    assert not (edge.folder / "root").exists()


# -- what is wrong stands on the first screen --------------------------------------------------------------


def no_room(edge: FakeEdge) -> None:
    refused(edge, "InsufficientInstanceCapacity: none left")


def refused(edge: FakeEdge, words: str) -> None:
    edge.sky.at("create", Refused(words), times=9)
    edge.parts().fleet.submit(WRAPPER, 2)
    edge.sky._planned.clear()


def login(edge: FakeEdge) -> None:
    edge.sky.down = "AuthFailure: the key is not known"


def used_up(edge: FakeEdge) -> None:
    edge.parts(Workspace_MaxHours="100/month").fleet.submit(WRAPPER, 1)


def fizzle(edge: FakeEdge, number: int) -> None:
    edge.parts().fleet.submit(WRAPPER, number)
    edge.advance(30)
    for node in edge.sky.living():
        edge.stop(node.id)
    edge.parts().fleet.reap()


def unreadable(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    (edge.parts().workspace.private / "record.json").write_text("{")


def boots_badly(edge: FakeEdge) -> None:
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    edge.sky.set(reference.removeprefix("cloud://"), State.FAILED, Reason(Kind.IMAGE, "no kernel found"))


def stuck_start(edge: FakeEdge) -> None:
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    edge.sky.consoles[reference.removeprefix("cloud://")] = (
        "tfce: stage=cvmfs status=failed code=32\nno route to host\n"
    )


def unsettled(edge: FakeEdge) -> None:
    workspace = edge.parts().workspace
    edge.parts().fleet.submit(WRAPPER, 1)
    begun = workspace.load().begin(Operation.SUBMIT, ["0A0B0C0D"], edge.now() - timedelta(hours=2))
    workspace.save(begun)


def unswept(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.parts().fleet.reap()
    edge.advance(25 * 3600)


def locked(edge: FakeEdge) -> None:
    """This process took the lock and works for hours; the note has the host's real time."""
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.sky.clock.now = datetime.now(UTC)
    HELD.enter_context(edge.parts().workspace.locked())
    edge.advance(4 * 3600)


FAULTS: dict[str, tuple[Callable[[FakeEdge], object], dict[str, str], str]] = {
    "no room": (no_room, {}, "none left"),
    "quota": (lambda edge: refused(edge, "VcpuLimitExceeded: 32 of 32 vCPU"), {}, "32 of 32 vCPU"),
    "a bad image": (lambda edge: refused(edge, "InvalidAMIID.NotFound: no such image"), {}, "no such image"),
    "login refused": (login, {}, "the key is not known"),
    "protected": (lambda edge: fizzle(edge, 10), {}, "protected: 10 pilots in a row"),
    "pilots that fizzle": (lambda edge: fizzle(edge, 2), {}, "2 pilots in a row fizzled"),
    "drained": (lambda edge: edge.parts().fleet.drain(Drain(edge.now())), {}, "--undo` starts pilots"),
    "a limit": (lambda edge: edge.parts().fleet.submit(WRAPPER, 2), {"MaxTotalJobs": "2"}, "2 are there"),
    "an allocation is used up": (used_up, {"Workspace_MaxHours": "100/month"}, "a pilot may take 336.17"),
    "the lock is held": (locked, {}, "holds the queue's lock"),
    "broken options": (lambda edge: None, {"MaxTotalJobs": "many"}, "MaxTotalJobs = many"),
    "an unreadable record": (unreadable, {}, "is not a record"),
    "VMs that do not boot": (boots_badly, {}, "1 VMs failed to start: no kernel found"),
    "a start-up that fails": (stuck_start, {}, "failed at cvmfs (failed, code 32): no route to host"),
    "nothing settles": (unsettled, {}, "never settled"),
    "nobody sweeps": (unswept, {}, "not swept for a day"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_before_the_first_figure(edge: FakeEdge, fault: str) -> None:
    plant, options, words = FAULTS[fault]
    plant(edge)
    read = Read(page([queue_report(edge, **options)], edge.now(), 7))
    figures = read.texts.index(("h2", "What happened"))
    before = " ".join(text for _, text in read.texts[:figures])
    assert words in before


WORDS = [need.value for need in Urgency]


def test_all_of_them_at_once_fill_one_screen_and_the_worst_come_first(tmp_path: Path) -> None:
    told = []
    for number, (plant, options, _) in enumerate(FAULTS.values()):
        edge = FakeEdge(tmp_path / str(number))
        plant(edge)
        told.append(queue_report(edge, **options))
    told.sort(key=lambda one: one.status.order)
    read = Read(page(told, edge.now(), 7))
    first = read.texts[: read.texts.index(("h2", "What happened"))]
    before = " ".join(text for _, text in first)
    assert [fault for fault, (_, _, words) in FAULTS.items() if words not in before] == []
    needs = [text for tag, text in first if tag == "span" and text in WORDS]
    assert needs == sorted(needs, key=WORDS.index) and len(needs) == len(FAULTS)
