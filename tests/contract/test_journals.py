"""What several hosts wrote down of one queue is told as one, each line once; whose is not here is said."""

from __future__ import annotations

import json
import shutil
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.checking import history
from tests.contract.edges import WRAPPER
from tests.contract.hosts import Hosts
from tests.fakes import Crash
from tfce.cli import other_hosts
from tfce.cli.main import main
from tfce.cli.reporting import page
from tfce.model.journals import MissingJournal, merged, missing_journals
from tfce.model.lease import Document
from tfce.model.pilot import timestamp
from tfce.model.vm import State
from tfce.pilots import report
from tfce.pilots.accounting import book
from tfce.store.other_hosts import merged_journal
from tfce.store.shared_document import hosts_of
from tfce.store.workspace import Workspace


class Named(Hosts):
    """Hosts that are called ``tfce-a``, ``tfce-b``; all are one machine, which writes its own name."""

    def turn(self, host: str) -> Workspace:
        """Let all that this machine wrote meanwhile be ``host``'s."""
        mine, name = socket.gethostname(), f"tfce-{host}"
        for path in (self.folder / host).rglob("journal*.jsonl"):
            path.write_text(path.read_text().replace(f'"host": "{mine}"', f'"host": "{name}"'))
        for path in (self.folder / host).rglob("shared.json"):
            path.write_text(json.dumps(renamed(json.loads(path.read_text()), mine, name)))
        path = self.folder / "backend/long/record.json"
        held = json.loads(path.read_text())
        text = json.dumps(renamed(json.loads(held["text"]), mine, name))
        path.write_text(json.dumps({**held, "text": text}))
        return self.parts(host=host).workspace

    def copied(self, host: str) -> Path:
        """A copy of a host's folder, as rsync makes it."""
        place = self.folder / "copies" / host
        shutil.copytree(self.folder / host, place, dirs_exist_ok=True)
        return place.parent


def renamed(value: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """``value``, in which a host has another name."""
    hosts = {key.replace(f"{old} ", f"{new} "): time for key, time in value["hosts"].items()}
    lease = value.get("lease")
    return {**value, "hosts": hosts, **({"lease": {**lease, "host": new}} if lease else {})}


@pytest.fixture
def hosts(tmp_path: Path) -> Named:
    return Named(tmp_path)


def life(hosts: Named) -> list[str]:
    """Host a starts two pilots; b removes one, whose console it keeps; references, the removed one first."""
    references = hosts.parts(host="a").fleet.submit(WRAPPER, 2).references
    hosts.turn("a")
    hosts.advance(60)
    node = references[0].removeprefix("cloud://")
    hosts.sky.consoles[node] = "no CVMFS here\n"
    hosts.sky.set(node, State.FAILED, "no disk")
    hosts.parts(host="b").fleet.reap()
    hosts.turn("b")
    return references


def test_what_two_hosts_did_is_one_history_and_the_missing_one_is_named(hosts: Named) -> None:
    life(hosts)
    alone = hosts.parts(host="a").workspace
    assert [one.event for one in history(alone)] == ["submit", "submitted", "done"]
    alone.refresh()
    wrote = timestamp(hosts.now())
    assert merged_journal(alone).missing_journals == (MissingJournal("tfce-b", wrote),)
    both = hosts.parts(host="a", Workspace_Journals=str(hosts.copied("b"))).workspace
    events = ["submit", "submitted", "done", "remove", "removed", "done"]
    assert [one.event for one in history(both)] == events and merged_journal(both).missing_journals == ()
    assert {one.who.partition("@")[2].split()[0] for one in history(both)} == {"tfce-a", "tfce-b"}
    assert [one.event for one in history(alone)] == events[:3]


def test_a_copy_of_ones_own_lines_counts_once(hosts: Named) -> None:
    life(hosts)
    places = f"{hosts.copied('a')}, {hosts.copied('b')}, {hosts.folder / 'b'}, {hosts.folder}"
    lines = merged_journal(hosts.parts(host="a", Workspace_Journals=places).workspace).lines
    assert [line["event"] for line in lines] == ["submit", "submitted", "done", "remove", "removed", "done"]


def test_a_copy_that_is_older_than_what_its_host_did_is_told(hosts: Named) -> None:
    life(hosts)
    place, before = hosts.copied("b"), timestamp(hosts.now())
    hosts.advance(3600)
    hosts.parts(host="b").fleet.submit(WRAPPER, 1)
    hosts.turn("b")
    workspace = hosts.parts(host="a", Workspace_Journals=str(place)).workspace
    workspace.refresh()
    assert merged_journal(workspace).missing_journals == (
        MissingJournal("tfce-b", timestamp(hosts.now()), before),
    )
    later = hosts.now() + timedelta(seconds=1)
    assert merged_journal(workspace, later).missing_journals == ()  # nobody asks for that time


def test_a_host_that_died_at_its_first_work_is_missed(hosts: Named) -> None:
    hosts.sky.at("create", Crash())
    with pytest.raises(Crash):
        hosts.parts(host="a").fleet.submit(WRAPPER, 1)
    hosts.turn("a")
    fresh = hosts.parts(host="c").workspace
    fresh.refresh()
    assert merged_journal(fresh).missing_journals == (MissingJournal("tfce-a", ""),)


def test_a_console_is_found_where_it_was_kept(hosts: Named) -> None:
    gone = life(hosts)[0]
    near = hosts.parts(host="a").fleet.log(gone)
    assert near.console is None and [one.host for one in near.missing_journals] == ["tfce-b"]
    assert "tfce-b" in near.text()
    place = hosts.copied("b")
    far = hosts.parts(host="a", Workspace_Journals=str(place)).fleet.log(gone)
    assert (far.console, far.source, far.kept_on, far.missing_journals) == ("no CVMFS here\n", "kept", "", ())
    shutil.rmtree(next(place.rglob("consoles")))
    named = hosts.parts(host="a", Workspace_Journals=str(place)).fleet.log(gone)
    assert named.console is None and named.kept_on == "tfce-b"
    assert "its console was kept on tfce-b" in named.text()


def test_reports_and_accounts_count_a_vm_once(hosts: Named) -> None:
    life(hosts)
    hosts.down = {"a"}  # it removes what b finds gone later
    node = next(iter(hosts.living()))
    hosts.stop(node)
    hosts.parts(host="a").fleet.reap()
    hosts.turn("a")
    hosts.advance(7200)  # the cloud forgets it
    hosts.parts(host="b").fleet.reap()
    hosts.turn("b")
    hosts.down = set()
    start, end = hosts.now() - timedelta(days=1), hosts.now()
    for options in ({}, {"Workspace_Journals": f"{hosts.copied('a')}, {hosts.copied('b')}"}):
        fleet = hosts.parts(host="a", **options).fleet
        written = report.queue_report(fleet, fleet.announce(), start, end)
        assert [one.host for one in written.missing_journals] == ([] if options else ["tfce-b"])
        text = page([written], end, 1)
        assert ("the journal of tfce-b is not here" in text) == (not options)
    assert sorted(fact.word for fact in written.timeline.ends) == ["failed", "stopped"]
    assert len(written.timeline.started) == 2 and len(book(fleet.workspace, start, end).records) == 2


def test_the_last_submission_is_the_queues_whichever_host_made_it(hosts: Named) -> None:
    life(hosts)
    place = hosts.copied("b")
    there = place / "b/queues/cloud.example.org/long/journal.jsonl"
    line = {"time": timestamp(hosts.now()), "event": "submitted", "created": {}}
    line["failed"] = {"0A0B0C0D": {"kind": "quota", "text": "quota exceeded: cores"}}
    there.write_text(there.read_text() + json.dumps(line) + "\n")
    found = hosts.parts(host="a", Workspace_Journals=str(place)).fleet.why()
    assert any("quota exceeded" in str(one) for one in found)


def test_whatever_lies_in_a_named_folder_is_no_trouble(hosts: Named) -> None:
    life(hosts)
    hosts.parts(host="a").workspace.refresh()
    place = hosts.copied("b")
    folder = place / "b/queues/cloud.example.org/long"
    for odd in ("\x00\xff", "[]\n7\n{}\n", '{"time": 7, "by": {"host": 3}}\n{"by": 1, "time": "x"}\n'):
        (folder / "journal.jsonl").write_text(odd)
        workspace = hosts.parts(host="a", Workspace_Journals=str(place)).workspace
        assert [one.event for one in history(workspace)] == ["submit", "submitted", "done"]
        assert [one.host for one in merged_journal(workspace).missing_journals] == ["tfce-b"]
    (folder / "journal.jsonl").unlink()
    (folder / "journal.jsonl").symlink_to("/etc/passwd")
    assert len(merged_journal(workspace).lines) == 3
    shutil.rmtree(place)
    assert len(merged_journal(workspace).lines) == 3


def test_a_move_takes_the_hosts_along(hosts: Named) -> None:
    life(hosts)
    held = json.loads((hosts.folder / "backend/long/record.json").read_text())
    known = Document.load(held["text"]).hosts
    assert {one.split()[0] for one in known} == {"tfce-a", "tfce-b"}
    assert known == hosts_of(hosts.parts(host="b").workspace.private)


def test_lines_are_merged_by_time_and_a_journal_keeps_its_order() -> None:
    def line(time: object, text: str) -> dict[str, object]:
        return {"time": time, "event": text}

    one = [line("1", "a"), line("4", "b"), line("2", "back"), line(None, "odd"), line("5", "c")]
    two = [line("1", "a"), line("3", "d"), line("3", "d"), line("9", "e")]
    assert [x["event"] for x in merged([one, two])] == ["a", "d", "d", "b", "back", "odd", "c", "e"]
    assert merged([one, one, one]) == one and merged([]) == []
    assert missing_journals({"x": "5"}, [{"by": {"host": "x"}, "time": "4"}]) == (MissingJournal("x", "5", "4"),)


def test_hosts_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """As two containers, or two machines called ``localhost``, are."""
    hosts = Hosts(tmp_path)
    references = hosts.parts(host="a").fleet.submit(WRAPPER, 2).references
    hosts.advance(60)
    hosts.stop(references[0].removeprefix("cloud://"))
    hosts.parts(host="b").fleet.reap()
    near, far = (hosts.parts(host=name).workspace for name in "ab")
    near.refresh()
    mark = json.loads((far.private / "shared.json").read_text())["holder"][:8]
    (missing,) = merged_journal(near).missing_journals
    assert (missing.host, missing.folder) == (socket.gethostname(), mark)
    assert f"{missing.host} (folder {mark}) is not here" in str(missing)
    assert json.loads((far.private / "journal.jsonl").read_text().splitlines()[-1])["by"]["folder"] == mark
    both = hosts.parts(host="a", Workspace_Journals=str(tmp_path / "b")).workspace
    assert (
        merged_journal(both).missing_journals
        == ()
        == missing_journals({"x 1": "5"}, [{"by": {"host": "x"}, "time": "5"}])
    )


def test_a_folder_that_is_not_there_is_a_slip(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, hosts: Named
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["history", "cloud.example.org/long", "--journals", str(tmp_path / "nowhere")])
    assert ended.value.code == 2 and "is no folder" in capsys.readouterr().err
    other_hosts.say("c/q", [MissingJournal("tfce-b", "2026-11-27T12:00:00Z")])
    assert "the journal of tfce-b is not here, and it wrote at 2026-11-27T12:00:00Z" in capsys.readouterr().err
