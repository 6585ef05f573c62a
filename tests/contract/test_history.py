"""What was done to a queue's pilots, by whom, when and why, is one command."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.checking import history
from tests.claims import every, some
from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import Crash, Refused, ReplyLost
from tfce.cli.main import main
from tfce.cli.tables import history_table
from tfce.model.drain import Drain
from tfce.model.errors import CloudError
from tfce.model.pilot import numbered_key, timestamp
from tfce.model.vm import State
from tfce.pilots.naming import UnknownPilotError
from tfce.pilots.report import queue_report


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path)


def test_why_there_were_three_vms_is_told_with_who_and_when(edge: FakeEdge) -> None:
    submission = edge.parts().fleet.submit(WRAPPER, 3)
    edge.stop(submission.references[0].removeprefix("cloud://"))
    edge.advance(3600)
    edge.parts().fleet.reap()
    told = history(edge.parts().workspace)
    assert [(one.event, one.pilots) for one in told] == [
        ("submit", 3),
        ("submitted", 3),
        ("done", 0),
        ("remove", 1),
        ("removed", 1),
        ("done", 0),
    ]
    assert re.fullmatch(r"3 asked for; 3 wanted in all; t3.micro of ami-1; shape [0-9a-f]{12}", told[0].what)
    assert told[1].what == "3 created" and told[4].what == "1 stopped"
    assert re.fullmatch(r"submit: 3 asked for, 3 granted; \d+ API calls?, [\d.]+ s", told[2].what)
    assert told[2].facts["calls"] == {**submission.calls} and re.match(r"reap: \d+ API calls?,", told[5].what)
    assert every(re.fullmatch(rf"\S+@\S+ \(\S+, {os.getpid()}\)", one.who) for one in told)
    table = history_table(told)
    assert table.splitlines()[0].split() == ["TIME", "EVENT", "PILOTS", "WHAT", "BY"] and "3 created" in table


def test_a_span_of_time_and_one_pilot_by_any_of_its_names(edge: FakeEdge) -> None:
    first = edge.parts().fleet.submit(WRAPPER, 1)
    edge.advance(3600)
    edge.parts().fleet.submit(WRAPPER, 2)
    workspace = edge.parts().workspace
    start = history(workspace)[0].time
    assert [one.pilots for one in history(workspace, since=start + timedelta(minutes=1))] == [2, 2, 0]
    assert [one.pilots for one in history(workspace, until=start + timedelta(minutes=1))] == [1, 1, 0]
    (reference,) = first.references
    stamp = first.stamps[reference]
    by_name = [history(workspace, pilot=name) for name in (reference, stamp, f"tfce-{stamp}")]
    assert [[(one.event, one.pilots) for one in told] for told in by_name] == [
        [("submit", 1), ("submitted", 1)]
    ] * 3
    assert re.fullmatch(r"1 asked for; t3.micro of ami-1; shape [0-9a-f]{12}", by_name[0][0].what)


def test_lines_of_older_versions_and_torn_ones_are_no_trouble(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    path = edge.parts().workspace.private / "journal.jsonl"
    older = {"time": "2026-01-01T00:00:00Z", "event": "submit", "keys": ["0A1B2C3D"], "wanted": 1}
    torn = '{"time": "2026-0'
    odd: list[dict[str, object]] = [
        {"time": 7, "event": "submit"},
        {"event": []},
        {"time": "2026-01-01T00:00:01Z", "event": "removed", "vms": 7, "failed": "x", "by": 3},
    ]
    path.write_text("\n".join([json.dumps(older), torn, *map(json.dumps, odd), path.read_text()]))
    told = history(edge.parts().workspace)
    assert (told[0].who, told[0].what) == ("", "1 asked for; 1 wanted in all")
    assert [one.event for one in told] == ["submit", "removed", "submit", "submitted", "done"]


def test_why_nothing_was_started_is_told_once_and_what_failed_too(edge: FakeEdge) -> None:
    edge.parts(MaxTotalJobs="1").fleet.submit(WRAPPER, 5)
    for _ in range(3):
        assert not edge.parts(MaxTotalJobs="1").fleet.submit(WRAPPER, 5).stamps
    edge.sky.at("list", CloudError("it does not answer"))
    with pytest.raises(CloudError):
        edge.parts().fleet.reap()
    told = [one.what for one in history(edge.parts().workspace) if one.event == "done"]
    assert told[0].startswith("submit: 5 asked for, 1 granted; fewer were tried: MaxTotalJobs = 1, 0 are there; ")
    assert told[1:] == [
        "submit: 5 asked for, 0 granted; fewer were tried: MaxTotalJobs = 1, 1 are there",
        "reap: failed (unclassified): it does not answer",
    ]


def test_a_vm_of_a_batch_is_known_by_its_name_in_every_command(tmp_path: Path) -> None:
    edge = FakeEdge(tmp_path, batch=100)
    submission = edge.parts().fleet.submit(WRAPPER, 3)
    (batch,) = {tags["tfce:batch"] for tags in edge.living().values()}
    names = [f"tfce-{batch}-{number}" for number in (1, 2, 3)]
    references = {stamp: reference for reference, stamp in submission.stamps.items()}
    keys = [numbered_key(batch, number) for number in (0, 1, 2)]
    assert sorted(keys) == sorted(references)
    assert history(edge.parts().workspace, pilot=names[1])[0].pilots == 1
    assert edge.parts().fleet.log(names[1]).reference == references[keys[1]]
    killed = edge.parts().fleet.kill([names[0], keys[1].lower(), references[keys[0]]])
    assert [one.reference for one in killed.removed] == [references[keys[0]], references[keys[1]]]
    assert list(edge.living()) == [references[keys[2]].removeprefix("cloud://")]


def test_a_name_that_is_nobodys_kills_nothing(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    (node_id,) = edge.living()
    for words in (["0A0B0C0D"], [f"cloud://{node_id}", "tfce-0A0B0C0D-7"]):
        with pytest.raises(UnknownPilotError, match="no pilot"):
            edge.parts().fleet.kill(words)
    assert list(edge.living()) == [node_id]
    told = [one.event for one in history(edge.parts().workspace)]
    assert told == ["submit", "submitted", "done"] and edge.parts().workspace.meters.read().errors == {}
    assert edge.parts().fleet.kill(["i-of-nobody"]).absent == ["cloud://i-of-nobody"]


def test_a_host_without_the_workspace_kills_by_stamp(edge: FakeEdge) -> None:
    stamps = edge.parts().fleet.submit(WRAPPER, 1).stamps
    other = edge.parts(Workspace_Root=str(edge.folder / "elsewhere"))
    assert [one.reference for one in other.fleet.kill(stamps.values()).removed] == list(stamps)


# -- replayed ----------------------------------------------------------------------------------------------


def replayed(lines: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """The pilots that there must be after a journal's lines: by key the VM, and when it was asked for."""
    pilots: dict[str, tuple[str, str]] = {}
    for line in lines:
        event = line["event"]
        if event == "submit":
            pilots |= dict.fromkeys(line["keys"], ("", line["time"]))
        elif event in ("submitted", "recovered", "repaired"):
            became = line.get("created", {}) | line.get("adopted", {})
            pilots |= {key: (node, pilots.get(key, ("", line["time"]))[1]) for key, node in became.items()}
            lost = [*line.get("failed", ()), *line.get("never_created", ())]
            lost += [one["key"] for one in line.get("vms", ())]
            pilots = {key: one for key, one in pilots.items() if key not in lost or key in line.get("unknown", ())}
        elif event == "removed":
            for one in line["vms"]:
                pilots.pop(one["key"], None) if one["cause"] != "duplicate" else None
    return pilots


def test_a_journal_that_is_replayed_gives_the_record(edge: FakeEdge) -> None:
    """A life in which everything happens that may; after each step the journal alone tells who is there."""

    def lost() -> None:
        edge.sky.at("create", ReplyLost("EOF"))
        edge.sky.at("list", CloudError("it does not answer"))
        edge.parts().fleet.submit(WRAPPER, 1)

    def dead() -> None:
        edge.sky.at("recorded", Crash())
        with pytest.raises(Crash):
            edge.parts().fleet.submit(WRAPPER, 1)

    def ids() -> list[str]:
        return [pilot.id for pilot in edge.parts().workspace.load().pilots.values() if pilot.id]

    steps: list[Callable[[], object]] = [
        lambda: edge.parts().fleet.submit(WRAPPER, 4),
        lambda: (edge.stop(ids()[0]), edge.parts().fleet.reap()),
        lambda: (edge.sky.at("create", Refused("none left"), nth=2), edge.parts().fleet.submit(WRAPPER, 3)),
        lambda: edge.parts().fleet.kill([f"cloud://{ids()[1]}"]),
        lost,
        lambda: edge.parts().fleet.reap(),
        lambda: (edge.remove(ids()[0]), edge.advance(700), edge.parts().fleet.reap()),
        lambda: (edge.sky.set(ids()[0], State.FAILED, "no disk"), edge.parts().fleet.reap()),
        dead,
        lambda: (edge.advance(700), edge.parts().fleet.submit(WRAPPER, 2)),
        lambda: edge.parts().fleet.drain(Drain(edge.now())),
        lambda: (edge.parts().workspace.file.path.write_text("{"), edge.parts().fleet.repair()),
        lambda: (edge.advance(40 * 86400), edge.parts().fleet.reap()),
    ]
    seen = set()
    for number, step in enumerate(steps):
        step()
        workspace = edge.parts().workspace
        record = workspace.load()
        found, wanted = replayed(workspace.journal.entries()), record.pilots
        assert {key: node for key, (node, _) in found.items()} == {k: p.id for k, p in wanted.items()}, number
        made = {key: timestamp(pilot.requested_at) for key, pilot in wanted.items()}
        assert {key: when for key, (_, when) in found.items()} == made, number
        seen.add(len(wanted))
    assert len(seen) > 4


def test_a_queue_without_a_workspace_has_no_history(edge: FakeEdge) -> None:
    assert history(edge.parts().workspace) == []
    assert history_table([]) == "nothing is recorded of that"


@pytest.mark.parametrize("text", ["yesterday", "12", "-3h", "2026-13-01", "9" * 30 + "d"])
def test_a_time_that_is_none_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["history", "cloud.example.org/long", f"--from={text}"])
    assert ended.value.code == 2 and "in UTC, or 90m, 12h, 2d ago" in capsys.readouterr().err


def test_what_an_operator_did_and_what_changed_is_told_in_words(edge: FakeEdge) -> None:
    fleet, workspace = edge.parts().fleet, edge.parts().workspace
    since = datetime(2026, 11, 27, 12, tzinfo=UTC)
    fleet.drain(Drain(since, deadline=since + timedelta(hours=1)))
    fleet.drain(None)
    workspace.journal.append("image", image="ami-2", name="debian", made="2026-11-27", was="ami-1")
    workspace.journal.append("image", image="ami-1", name="debian", made="", was="")
    workspace.journal.append("drain", since="never")
    drained, undone, changed, first, strange = [one.what for one in history(workspace)]
    assert drained == str(Drain(since, deadline=since + timedelta(hours=1)))
    assert undone == "pilots are started again"
    assert changed == "new pilots have ami-2 (debian, made 2026-11-27); before: ami-1"
    assert first == "new pilots have ami-1 (debian)"
    assert strange == "since never"


ODD: tuple[Any, ...] = (None, 7, "", "x", [], [1], {}, {"a": 1}, {"kind": "odd", "text": "t"}, 1e308, [[[]]])


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    inner = changed(value[path[0]], path[1:], new)
    return {**value, path[0]: inner} if isinstance(value, dict) else inner if not value else [inner, *value[1:]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, one in (
        value.items() if isinstance(value, dict) else enumerate(value[:1] if isinstance(value, list) else ())
    ):
        yield from places(one, (*path, key))


def test_no_reader_falls_over_whatever_a_line_says(edge: FakeEdge) -> None:
    edge.sky.at("create", Refused("InsufficientInstanceCapacity: no"))
    references = edge.parts().fleet.submit(WRAPPER, 3).references
    edge.parts().fleet.kill(references[:1])
    path = edge.parts().workspace.private / "journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    cases = [(n, place, odd) for n, line in enumerate(lines) for place in places(line) for odd in ODD]
    for number, place, odd in some(random.Random(11).sample(cases, 150)):
        told = [changed(line, place, odd) if n == number else line for n, line in enumerate(lines)]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in told))
        fleet = edge.parts().fleet
        assert fleet.log(references[0]).text()
        history(fleet.workspace, pilot=references[0])
        history_table(history(fleet.workspace))
        queue_report(fleet, fleet.workspace.load(), edge.sky.clock() - timedelta(days=7), edge.sky.clock())
