"""What was done to a queue's pilots, by whom, when and why, is one command."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.claims import every
from tests.contract.edges import WRAPPER, FakeEdge
from tfce.cli.main import main
from tfce.cli.tables import history_table
from tfce.pilots.chronicle import chronicle


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path)


def test_why_there_were_three_vms_is_told_with_who_and_when(edge: FakeEdge) -> None:
    submission = edge.parts().fleet.submit(WRAPPER, 3)
    edge.stop(submission.references[0].removeprefix("cloud://"))
    edge.advance(3600)
    edge.parts().fleet.reap()
    told = chronicle(edge.parts().workspace)
    assert [(one.event, one.pilots) for one in told] == [
        ("submit", 3),
        ("submitted", 3),
        ("remove", 1),
        ("removed", 1),
    ]
    assert told[0].what == "3 asked for; 3 wanted in all" and told[1].what == "3 created"
    assert told[3].what == "1 stopped"
    assert every(re.fullmatch(rf"\S+@\S+ \(\S+, {os.getpid()}\)", one.who) for one in told)
    table = history_table(told)
    assert table.splitlines()[0].split() == ["TIME", "EVENT", "PILOTS", "WHAT", "BY"] and "3 created" in table


def test_a_span_of_time_and_one_pilot_by_any_of_its_names(edge: FakeEdge) -> None:
    first = edge.parts().fleet.submit(WRAPPER, 1)
    edge.advance(3600)
    edge.parts().fleet.submit(WRAPPER, 2)
    workspace = edge.parts().workspace
    start = chronicle(workspace)[0].time
    assert [one.pilots for one in chronicle(workspace, since=start + timedelta(minutes=1))] == [2, 2]
    assert [one.pilots for one in chronicle(workspace, until=start + timedelta(minutes=1))] == [1, 1]
    (reference,) = first.references
    stamp = first.stamps[reference]
    by_name = [chronicle(workspace, pilot=name) for name in (reference, stamp, f"tfce-{stamp}")]
    assert [[(one.event, one.what) for one in told] for told in by_name] == [
        [("submit", "1 asked for"), ("submitted", "1 created")]
    ] * 3


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
    told = chronicle(edge.parts().workspace)
    assert (told[0].who, told[0].what) == ("", "1 asked for; 1 wanted in all")
    assert [one.event for one in told] == ["submit", "removed", "submit", "submitted"]


def test_a_queue_without_a_workspace_has_no_history(edge: FakeEdge) -> None:
    assert chronicle(edge.parts().workspace) == []
    assert history_table([]) == "nothing is recorded of that"


@pytest.mark.parametrize("text", ["yesterday", "12", "-3h", "2026-13-01", "9" * 30 + "d"])
def test_a_time_that_is_none_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["history", "cloud.example.org/long", f"--from={text}"])
    assert ended.value.code == 2 and "in UTC, or 90m, 12h, 2d ago" in capsys.readouterr().err
