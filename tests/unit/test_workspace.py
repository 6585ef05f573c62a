"""The workspace: names, rights, what survives a crash, and what is bounded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.conftest import MakeQueue
from tfce.model import redact
from tfce.model.errors import BusyError, ConfigError, TfceError, WorkspaceError
from tfce.model.pilot import Pilot, Roster
from tfce.model.verdict import Removal
from tfce.model.vm import VM, State
from tfce.store.workspace import Workspace, slug

BORN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
A, B = Pilot("0000000A", BORN, "b1"), Pilot("0000000B", BORN, "b1")
NAMES = [
    "cloud.example.org",
    "a/b",
    "a_b",
    "a b",
    "a:b",
    "..",
    ".",
    "...",
    "../../etc/passwd",
    "/etc/passwd",
    "-rf",
    "a\nb",
    "a\x00b",
    "ü",
    "u\u0308",
    "_",
    "__",
    "x" * 80,
    "x" * 81,
    "x" * 82,
    "x" * 300,
    "%2F",
    "$HOME",
    "~",
    "*",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_one_harmless_folder(name: str, tmp_path: Path) -> None:
    made = slug(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,80}", made) and made.strip(".")
    (tmp_path / made).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [made]


def test_different_names_get_different_folders_and_good_names_keep_theirs() -> None:
    assert len({slug(name) for name in NAMES}) == len(NAMES)
    assert slug("cloud.example.org") == "cloud.example.org" and slug("a_b") == "a_b"


@pytest.mark.parametrize("name", ["..", "../../x", "a/b", "."])
def test_no_queue_leaves_its_root(make_queue: MakeQueue, tmp_path: Path, name: str) -> None:
    workspace = Workspace(make_queue(ce=name, name=name))
    assert workspace.private.resolve().is_relative_to(tmp_path / "root" / "queues")
    assert len(workspace.private.resolve().relative_to(tmp_path / "root" / "queues").parts) == 2
    assert workspace.review.resolve().is_relative_to(tmp_path / "root" / "workspaces")
    assert "/" not in workspace.name


def test_queues_whose_names_run_together_are_kept_apart(make_queue: MakeQueue) -> None:
    one, two = Workspace(make_queue(ce="a.b", name="c")), Workspace(make_queue(ce="a", name="b.c"))
    assert one.private != two.private and one.review != two.review


@pytest.fixture
def workspace(make_queue: MakeQueue) -> Workspace:
    made = Workspace(make_queue(Workspace_LockTimeout="0"))
    made.prepare()
    return made


def test_everything_private_is_private_whatever_the_umask(make_queue: MakeQueue) -> None:
    old = os.umask(0)
    try:
        workspace = Workspace(make_queue())
        with workspace.locked():
            workspace.prepare()
            workspace.render()
            workspace.begin("submit", ["0000000A"])
            workspace.save_roster(Roster().including([A]))
            workspace.write_contexts({"0000000A": b"secret"})
            workspace.record("submit")
            workspace.dismiss([removal("0000000B", "i-1")])
            workspace.doubt_age(BORN)
    finally:
        os.umask(old)
    paths = [path for path in workspace.private.rglob("*") if not path.is_relative_to(workspace.review)]
    assert len(paths) > 8
    modes = {path.name: path.stat().st_mode & 0o777 for path in paths}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert workspace.private.stat().st_mode & 0o777 == workspace.root.stat().st_mode & 0o777 == 0o700


def test_preparing_twice_changes_nothing(workspace: Workspace) -> None:
    workspace.save_roster(Roster().including([A, B]))
    before = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    workspace.prepare()
    workspace.render()
    again = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    assert before.items() <= again.items()


def test_only_one_writes_and_the_lock_does_not_need_a_prepared_workspace(make_queue: MakeQueue) -> None:
    workspace = Workspace(make_queue(Workspace_LockTimeout="0"))
    with workspace.locked():
        with pytest.raises(BusyError, match=r"cloud\.example\.org/long is busy"), workspace.locked():
            pass
        with Workspace(make_queue(name="short", Workspace_LockTimeout="0")).locked():
            pass  # another queue is not held up


# -- whose -------------------------------------------------------------------------------------------------


def test_the_installations_name_is_made_once_and_shared_by_all_queues(make_queue: MakeQueue) -> None:
    first = Workspace(make_queue()).owner()
    second = Workspace(make_queue(ce="other", name="short")).owner()
    assert first.installation == second.installation and re.fullmatch(r"[0-9a-f]{12}", first.installation)
    assert (second.ce, second.queue) == ("other", "short")
    assert Workspace(make_queue(Workspace_Installation="lz-prod")).owner().installation == "lz-prod"


@pytest.mark.parametrize("text", ["", "\n", "two words", "a/b"])
def test_a_damaged_installation_name_is_never_made_anew(make_queue: MakeQueue, text: str) -> None:
    workspace = Workspace(make_queue())
    workspace.owner()
    (workspace.root / "installation").write_text(text)
    with pytest.raises(WorkspaceError, match="installation"):
        workspace.owner()
    assert (workspace.root / "installation").read_text() == text


def test_two_processes_that_start_together_agree_on_the_name(make_queue: MakeQueue) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tfce.config.options import parse\nfrom tfce.store.workspace import Workspace\n"
        "o = {'CloudType': 'EC2', 'Instance_Image': 'a', 'Instance_Flavor': 'b'}\n"
        "print(Workspace(parse('c', 'q', o, Path('/d'), Path(sys.argv[1]))).owner().installation)"
    )
    root = str(Workspace(make_queue()).root)
    started = [
        subprocess.Popen([sys.executable, "-c", code, root], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert len({process.communicate(timeout=30)[0] for process in started}) == 1


# -- another cloud -----------------------------------------------------------------------------------------


def test_a_queue_with_pilots_does_not_move_to_another_cloud(make_queue: MakeQueue, workspace: Workspace) -> None:
    workspace.save_roster(Roster().including([A]))
    moved = Workspace(make_queue(CloudType="EC2_EU_WEST"))
    with pytest.raises(ConfigError) as caught:
        moved.prepare()
    assert "1 pilots" in caught.value.message and "us-east-1" in caught.value.message
    assert "0000000A" in workspace.roster()
    workspace.save_roster(Roster())
    moved.prepare()
    with pytest.raises(ConfigError):
        moved.save_roster(Roster().including([A]))
        workspace.prepare()


def test_options_that_are_not_about_the_cloud_may_change_while_pilots_run(
    make_queue: MakeQueue, workspace: Workspace
) -> None:
    workspace.save_roster(Roster().including([A]))
    changed = Workspace(make_queue(Instance_Image="ami-2", Instance_Flavor="m5.large"))
    changed.prepare()
    changed.render()
    assert changed.roster() == Roster().including([A])


# -- roster ------------------------------------------------------------------------------------------------


def test_a_missing_roster_beside_a_state_is_an_error_not_an_empty_one(workspace: Workspace) -> None:
    state = workspace.private / "terraform.tfstate.d" / workspace.name / "terraform.tfstate"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    (workspace.private / "scale.auto.tfvars.json").unlink()
    with pytest.raises(WorkspaceError, match="tfce repair"):
        workspace.prepare()


@pytest.mark.parametrize("text", ["", "{}", '{"instance_count": 0'])
def test_a_torn_roster_stops_everything(workspace: Workspace, text: str) -> None:
    path = workspace.private / "scale.auto.tfvars.json"
    path.write_text(text)
    for act in (workspace.roster, workspace.publish):
        with pytest.raises(WorkspaceError, match="not a roster"):
            act()
    workspace.prepare()
    assert path.read_text() == text


def test_what_reviewers_do_to_their_copy_changes_no_pilot(workspace: Workspace) -> None:
    workspace.save_roster(Roster().including([A, B]))
    copy = workspace.review / "scale.tfvars.json"
    assert copy.read_text() == workspace.roster().dump()
    copy.write_text('{"instance_count": 0, "pilots": {}}')
    assert workspace.roster() == Roster().including([A, B])
    assert "0000000A" in workspace.outdated()
    assert workspace.publish() == [copy]
    assert workspace.outdated() == "" and workspace.publish() == []


def test_the_diff_reads_from_what_is_to_what_should_be(workspace: Workspace) -> None:
    workspace.publish()
    workspace.save_roster(Roster().including([A]))
    copy = workspace.review / "scale.tfvars.json"
    copy.write_text(Roster().dump())
    diff = workspace.outdated()
    assert '+    "0000000A"' in diff and str(copy) in diff and "queue.tfvars" not in diff


@pytest.mark.parametrize("link", ["queue.tfvars", "."])
def test_a_link_in_the_review_folder_is_not_followed(workspace: Workspace, tmp_path: Path, link: str) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "queue.tfvars").write_text("hush-hush\n")
    workspace.render()
    place = workspace.review / link if link != "." else workspace.review
    shutil.rmtree(place) if link == "." else place.unlink()
    place.symlink_to(hidden if link == "." else hidden / "queue.tfvars")
    for look in (workspace.outdated, workspace.publish):
        with pytest.raises(TfceError, match="is a link, which is not followed here") as caught:
            look()
        assert str(place) in caught.value.message and "hush" not in caught.value.message
    assert (hidden / "queue.tfvars").read_text() == "hush-hush\n"


def test_the_journal_holds_no_secret(workspace: Workspace) -> None:
    redact.learn("hush-hush")
    workspace.record("submitted", failed={"0000000A": "it was hush-hush", "0000000B": f"x {'Ab3' * 20}"}, n=1)
    (line,) = workspace.journal()
    assert line["failed"] == {"0000000A": "it was ****", "0000000B": "x ****"} and line["n"] == 1


def test_reviewed_files_are_open_and_hold_no_private_path(workspace: Workspace) -> None:
    workspace.render()
    for path in workspace.review.iterdir():
        assert path.stat().st_mode & 0o444 == 0o444
        assert str(workspace.private) not in path.read_text()


def test_rendering_again_touches_nothing(workspace: Workspace) -> None:
    workspace.render()
    before = {path: path.stat().st_ino for path in workspace.root.rglob("*") if path.is_file()}
    workspace.render()
    assert {path: path.stat().st_ino for path in workspace.root.rglob("*") if path.is_file()} == before


# -- intent, ledger, journal -------------------------------------------------------------------------------


def test_an_intent_is_on_disk_until_it_is_settled(make_queue: MakeQueue, workspace: Workspace) -> None:
    assert workspace.intent() == {}
    workspace.begin("submit", ["B", "A"])
    another = Workspace(make_queue())
    assert (another.intent()["action"], another.intent()["keys"]) == ("submit", ["A", "B"])
    workspace.settled()
    workspace.settled()
    assert another.intent() == {}


def removal(key: str, node_id: str, reason: str = "stopped", state: State = State.STOPPED) -> Removal:
    return Removal(key, VM(node_id, "n", state, "stopped", None), reason, state)


def test_the_ledger_remembers_the_first_reason_and_no_vm_that_never_was(workspace: Workspace) -> None:
    workspace.dismiss([removal("0000000A", "i-1"), Removal("0000000B", None, "gone", State.DELETED)])
    workspace.dismiss([removal("0000000A", "i-1", "killed", State.DELETED)])
    assert workspace.last_states() == {"i-1": State.STOPPED}
    assert workspace.ledger()["i-1"]["reason"] == "stopped"
    assert workspace.used_keys() == {"0000000A"}


def test_the_ledger_is_bounded_and_forgets_the_oldest(workspace: Workspace) -> None:
    old = {
        f"i-old{n}": {"key": f"{n:08X}", "reason": "x", "state": "Done", "when": "2020-01-01T00:00:00Z"}
        for n in range(5000)
    }
    old["i-oldest"] = {"key": "FFFFFFFF", "reason": "x", "state": "Done", "when": "2019-01-01T00:00:00Z"}
    (workspace.private / "ledger.json").write_text(json.dumps(old))
    workspace.dismiss([removal("0000000A", "i-new")])
    ledger = workspace.ledger()
    assert len(ledger) == 5000 and "i-new" in ledger and "i-oldest" not in ledger


def test_the_journal_is_one_json_map_a_line(workspace: Workspace) -> None:
    workspace.record("submit", keys=["A\nB"], why="ü ${x}")
    workspace.record("removed")
    lines = (workspace.private / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["submit", "removed"]
    assert json.loads(lines[0])["keys"] == ["A\nB"] and json.loads(lines[0])["time"].endswith("Z")


def test_the_journal_turns_over_and_one_old_one_is_kept(workspace: Workspace) -> None:
    journal = workspace.private / "journal.jsonl"
    for turn in ("first", "second"):
        with journal.open("a") as stream:
            stream.write(f"{turn}\n" + "x" * 4_000_000)
        workspace.record(turn)
        assert len(journal.read_text().splitlines()) == 1
    kept = [path.name for path in workspace.private.glob("journal*")]
    assert sorted(kept) == ["journal.jsonl", "journal.old.jsonl"]
    assert '"first"' in (workspace.private / "journal.old.jsonl").read_text()[:4000]
    assert journal.stat().st_mode & 0o077 == 0


# -- doubt and damage --------------------------------------------------------------------------------------


def test_doubt_counts_from_its_first_moment(make_queue: MakeQueue, workspace: Workspace) -> None:
    assert workspace.doubt_age(BORN) == 0
    assert Workspace(make_queue()).doubt_age(BORN + timedelta(seconds=30)) == 30
    workspace.forget_doubt()
    assert workspace.doubt_age(BORN + timedelta(seconds=60)) == 0


def test_damaged_files_are_put_aside_and_good_ones_stay(workspace: Workspace) -> None:
    workspace.save_roster(Roster().including([A]))
    workspace.dismiss([removal("0000000B", "i-1")])
    assert workspace.put_aside_damaged() == []
    (workspace.private / "scale.auto.tfvars.json").write_text("torn")
    (workspace.private / "intent.json").write_text("{")
    done = workspace.put_aside_damaged()
    assert len(done) == 2 and "scale.auto.tfvars.json" in done[0]
    assert workspace.roster() == Roster() and workspace.intent() == {} and "i-1" in workspace.ledger()
    aside = [path for path in workspace.private.iterdir() if "damaged" in path.name]
    assert sorted(path.read_text() for path in aside) == ["torn", "{"]


def test_what_is_put_aside_is_not_read_by_terraform(workspace: Workspace) -> None:
    (workspace.private / "scale.auto.tfvars.json").write_text("torn")
    workspace.put_aside_damaged()
    endings = (".auto.tfvars", ".auto.tfvars.json", ".tf", ".tf.json")
    read = [path.name for path in workspace.private.iterdir() if path.name.endswith(endings)]
    assert read == ["scale.auto.tfvars.json"]


# -- contexts ----------------------------------------------------------------------------------------------


def test_contexts_are_private_and_go_when_told(workspace: Workspace) -> None:
    workspace.write_contexts({"0000000A": b"a", "0000000B": b"\xff"})
    assert (workspace.contexts / "0000000B").read_bytes() == b"\xff"
    (workspace.contexts / ".0000000D.1234abcd").write_text("a proxy that a crash left half written")
    workspace.forget_contexts()
    assert list(workspace.contexts.iterdir()) == []
