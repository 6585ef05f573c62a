"""The workspace: names, rights, what survives a crash, and what is bounded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.claims import every
from tests.unit.conftest import MINIMAL, MakeQueue
from tfce.config.options import parse
from tfce.model import redact
from tfce.model.endings import Cause, Ending
from tfce.model.errors import BusyError, ConfigError, WorkspaceError
from tfce.model.pilot import Pilot, scale_text
from tfce.model.reasons import Kind, Reason
from tfce.model.record import Operation, Record, Tombstone
from tfce.model.vm import State
from tfce.store.journal import Journal
from tfce.store.record_file import RecordFile
from tfce.store.review_copies import SCALE, SHAPE
from tfce.store.workspace import Workspace, slug
from tfce.terraform import variables

ALL = (*SHAPE, SCALE)
BORN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
A, B = Pilot("0000000A", BORN, "b1", "i-a"), Pilot("0000000B", BORN, "b1")
STONE = Tombstone("i-1", "0000000C", State.STOPPED, Ending(Cause.STOPPED), BORN, accepted=True)
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
    assert slug("a_b-1") == "a_b-1" and slug("run-0123abcd") == "run-0123abcd"


@pytest.mark.parametrize("name", NAMES)
def test_the_slug_of_a_name_is_no_other_names_folder(name: str) -> None:
    """A queue that is called like the folder of another one gets one of its own."""
    made = slug(name)
    assert made == name or len({name, made, slug(made), slug(slug(made))}) == 4


@pytest.mark.parametrize("name", ["..", "../../x", "a/b", "."])
def test_no_queue_leaves_its_root(make_queue: MakeQueue, tmp_path: Path, name: str) -> None:
    workspace = Workspace(make_queue(ce=name, name=name))
    assert workspace.private.resolve().is_relative_to(tmp_path / "root" / "queues")
    assert len(workspace.private.resolve().relative_to(tmp_path / "root" / "queues").parts) == 2
    assert every(
        workspace.review_copies.path(name).resolve().is_relative_to(tmp_path / "root/workspaces") for name in ALL
    )
    assert "/" not in workspace.name


def test_queues_whose_names_run_together_are_kept_apart(make_queue: MakeQueue) -> None:
    one, two = Workspace(make_queue(ce="a.b", name="c")), Workspace(make_queue(ce="a", name="b.c"))
    assert one.private != two.private and one.review_copies.shape != two.review_copies.shape


@contextmanager
def umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


@pytest.fixture
def workspace(make_queue: MakeQueue) -> Workspace:
    made = Workspace(make_queue(Workspace_LockTimeout="0"))
    made.prepare()
    return made


def filled(workspace: Workspace) -> Record:
    """The workspace's record with two pilots and a tombstone, saved."""
    return workspace.save(workspace.load().including([A, B]).with_tombstones([STONE]))


def test_everything_private_is_private_whatever_the_umask(make_queue: MakeQueue) -> None:
    with umask(0):
        workspace = Workspace(make_queue())
        with workspace.locked():
            workspace.prepare()
            variables.write(workspace)
            filled(workspace)
            filled(workspace)
            workspace.write_contexts({"0000000A": b"secret"})
            workspace.journal.append("submit")
    paths = [
        path for path in workspace.private.rglob("*") if not path.is_relative_to(workspace.review_copies.root)
    ]
    assert len(paths) == 9
    modes = {path.name: path.stat().st_mode & 0o777 for path in paths}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert workspace.private.stat().st_mode & 0o777 == workspace.root.stat().st_mode & 0o777 == 0o700


def contents(workspace: Workspace) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_ino, path.read_bytes()) for path in workspace.root.rglob("*") if path.is_file()}


def test_preparing_and_rendering_again_touches_nothing(workspace: Workspace) -> None:
    filled(workspace)
    variables.write(workspace)
    before = contents(workspace)
    workspace.prepare()
    variables.write(workspace)
    assert contents(workspace) == before


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


@pytest.mark.parametrize("left", [None, "", "no name at all"])
def test_a_name_that_was_lost_is_known_by_the_other_queues(make_queue: MakeQueue, left: str | None) -> None:
    first = Workspace(make_queue(name="long"))
    record = first.prepare()
    path = first.root / "installation"
    path.unlink()
    if left is not None:
        path.write_text(left)
    second = Workspace(make_queue(name="short"))
    assert second.prepare().installation == record.installation == path.read_text().strip()


def test_two_names_are_asked_about(make_queue: MakeQueue) -> None:
    Workspace(make_queue(name="a", Workspace_Installation="one")).prepare()
    other = Workspace(make_queue(name="b", Workspace_Installation="two"))
    other.prepare()
    (other.root / "installation").unlink()
    with pytest.raises(ConfigError, match="one and two"):
        Workspace(make_queue(name="c")).prepare()


def test_a_lost_root_is_known_by_the_copies_of_any_queue(make_queue: MakeQueue) -> None:
    first = Workspace(make_queue(name="long"))
    name = first.prepare().installation
    first.variables.write_shape(f'installation = "{name}"\n')
    shutil.rmtree(first.root / "queues")
    (first.root / "installation").unlink()
    with pytest.raises(ConfigError, match=name):
        Workspace(make_queue(name="short")).prepare()


def test_queues_that_begin_on_a_new_host_at_once_have_one_installation(tmp_path: Path) -> None:
    queues = 8
    for attempt in range(10):
        meet = threading.Barrier(queues)

        def begin(number: int, root: Path = tmp_path / str(attempt), meet: threading.Barrier = meet) -> str:
            queue = parse("ce", f"q{number}", MINIMAL, tmp_path / "dirac", root)
            meet.wait()
            return Workspace(queue).owner().installation

        with ThreadPoolExecutor(queues) as pool:
            names = set(pool.map(begin, range(queues)))
        assert len(names) == 1


@pytest.mark.parametrize("text", ["two words", "a/b"])
def test_a_damaged_installation_name_is_never_made_anew(make_queue: MakeQueue, text: str) -> None:
    workspace = Workspace(make_queue())
    workspace.owner()
    (workspace.root / "installation").write_text(text)
    with pytest.raises(WorkspaceError, match="holds no installation name"):
        Workspace(make_queue(name="short")).owner()
    assert (workspace.root / "installation").read_text() == text


def test_a_queue_keeps_the_name_that_its_record_has(make_queue: MakeQueue, workspace: Workspace) -> None:
    before = workspace.owner()
    for text in ("", "two words", "another"):
        (workspace.root / "installation").write_text(text)
        assert Workspace(make_queue()).owner() == before == Workspace(make_queue()).owner_of(before.installation)
    (workspace.root / "installation").unlink()
    Workspace(make_queue()).prepare()
    assert (workspace.root / "installation").read_text() == f"{before.installation}\n"
    assert Workspace(make_queue(name="short")).owner().installation == before.installation


def test_a_lost_root_beside_reviewed_copies_makes_no_new_name(make_queue: MakeQueue, tmp_path: Path) -> None:
    review = str(tmp_path / "reviewed")
    old = Workspace(make_queue(Workspace_Files=review))
    old.prepare()
    variables.write(old)
    lost = {"Workspace_Files": review, "Workspace_Root": str(tmp_path / "empty")}
    fresh = Workspace(make_queue(**lost))
    with pytest.raises(ConfigError) as caught:
        fresh.prepare()
    name = old.owner().installation
    assert f"Workspace_Installation = {name}" in caught.value.message
    assert "tfce repair cloud.example.org/long" in caught.value.message
    assert not (tmp_path / "empty/installation").exists()
    again = Workspace(make_queue(**lost, Workspace_Installation=name))
    again.prepare()
    assert again.owner() == old.owner()


def test_another_name_cannot_be_set_while_pilots_bear_the_old_one(
    make_queue: MakeQueue, workspace: Workspace
) -> None:
    record, before = filled(workspace), workspace.owner().installation
    named = Workspace(make_queue(Workspace_Installation="lz-prod"))
    with pytest.raises(ConfigError) as caught:
        named.prepare()
    assert "2 pilots" in caught.value.message and before in caught.value.message
    workspace.save(record.without(record.pilots))
    moved = named.prepare()
    assert (moved.installation, moved.tombstones) == ("lz-prod", record.tombstones)


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
    names = {process.communicate(timeout=30)[0] for process in started}
    assert len(names) == 1 and re.fullmatch(r"[0-9a-f]{12}\n", names.pop())


# -- the record --------------------------------------------------------------------------------------------


def test_what_was_saved_is_what_another_process_reads(make_queue: MakeQueue, workspace: Workspace) -> None:
    record = filled(workspace).begin(Operation.SUBMIT, ["B", "A"], BORN)
    saved = workspace.save(record.without_room(Reason(Kind.CAPACITY, "no room"), BORN, 60))
    another = Workspace(make_queue()).load()
    assert another == saved
    assert another.pending is not None and another.pending.keys == {"A", "B"}
    assert (another.pilots["0000000A"], another.tombstones["i-1"]) == (A, STONE)
    workspace.save(another.settled())
    assert Workspace(make_queue()).load().pending is None


def test_each_write_is_a_generation_and_the_one_before_is_kept(workspace: Workspace) -> None:
    first = filled(workspace)
    second = workspace.save(first.without(["0000000A"]))
    assert second.generation == first.generation + 1
    assert Record.load(workspace.file.previous.read_text()) == first


def test_options_that_are_not_about_the_cloud_may_change_while_pilots_run(
    make_queue: MakeQueue, workspace: Workspace
) -> None:
    record = filled(workspace)
    changed = Workspace(make_queue(Instance_Image="ami-2", Instance_Flavor="m5.large"))
    assert changed.prepare() == record
    variables.write(changed)
    assert changed.load() == record and "m5.large" in (changed.review_copies.shape / "queue.tfvars").read_text()


def test_a_missing_record_beside_a_state_is_an_error_not_an_empty_one(workspace: Workspace) -> None:
    state = workspace.private / "terraform.tfstate.d" / workspace.name / "terraform.tfstate"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    workspace.file.path.unlink()
    with pytest.raises(WorkspaceError, match="tfce repair"):
        workspace.prepare()
    assert not workspace.file.exists


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 1', "[]", '{"schema": 99}', "\x00\x00"])
def test_a_torn_record_stops_everything_and_stays(workspace: Workspace, text: str) -> None:
    filled(workspace)
    path = workspace.file.path
    path.write_text(text)
    for act in (workspace.load, workspace.prepare):
        with pytest.raises(WorkspaceError, match="tfce repair") as caught:
            act()
        assert str(path) in caught.value.message and "no pilot was touched" in caught.value.message
    assert path.read_text() == text


def test_the_generation_before_is_what_a_repair_starts_from(workspace: Workspace) -> None:
    first = filled(workspace)
    workspace.save(first.without(["0000000A"]))
    workspace.file.path.write_text("torn")
    assert workspace.file.salvaged() == first
    aside = workspace.file.put_aside()
    assert aside is not None and aside.read_text() == "torn" and not workspace.file.path.exists()
    assert workspace.file.put_aside() is None and workspace.file.exists
    workspace.file.previous.write_text("torn, too")
    assert workspace.file.salvaged() is None


def test_what_is_put_aside_is_not_read_by_terraform(workspace: Workspace) -> None:
    scale_file = workspace.private / "scale.auto.tfvars.json"
    scale_file.unlink()
    scale_file.mkdir()
    (scale_file / "keep").touch()
    workspace.prepare()
    assert scale_file.read_text() == scale_text({}, workspace.owner().installation)
    endings = (".auto.tfvars", ".auto.tfvars.json", ".tf", ".tf.json")
    read = [path.name for path in workspace.private.iterdir() if path.name.endswith(endings)]
    assert read == ["scale.auto.tfvars.json"]
    (aside,) = workspace.private.glob("scale*damaged*")
    assert (aside / "keep").exists()


# -- what is made from it ----------------------------------------------------------------------------------


def outdated(workspace: Workspace) -> str:
    record = workspace.load()
    texts = {"queue.tfvars": variables.render(workspace.queue)}
    return workspace.review_copies.difference(texts | {SCALE: scale_text(record.pilots, record.installation)})


def test_what_people_do_to_any_copy_changes_no_pilot(workspace: Workspace) -> None:
    record = filled(workspace)
    copy, private = workspace.review_copies.scale, workspace.private / "scale.auto.tfvars.json"
    good = scale_text(record.pilots, record.installation)
    assert copy.read_text() == private.read_text() == good
    for path in (copy, private):
        path.write_text('{"instance_count": 0, "pilots": {}}')
    assert "0000000A" in outdated(workspace)
    assert workspace.prepare() == record
    variables.write(workspace)
    assert copy.read_text() == private.read_text() == good
    assert outdated(workspace) == "" and workspace.variables.publish() == []
    copy.write_text("")
    assert workspace.variables.publish() == [copy]


def test_the_diff_reads_from_what_is_to_what_should_be(workspace: Workspace) -> None:
    variables.write(workspace)
    filled(workspace)
    copy = workspace.review_copies.scale
    copy.write_text(scale_text({}, "x"))
    diff = outdated(workspace)
    assert '+    "0000000A"' in diff and str(copy) in diff and "queue.tfvars" not in diff


@pytest.mark.parametrize("link", ["queue.tfvars", ".", "..", "../.."])
def test_a_link_in_the_review_folder_is_not_followed(workspace: Workspace, tmp_path: Path, link: str) -> None:
    hidden = tmp_path / "hidden"
    below = hidden / {"..": "long", "../..": "cloud.example.org/long"}.get(link, "")
    below.mkdir(parents=True)
    (below / "queue.tfvars").write_text("hush-hush\n")
    variables.write(workspace)
    folder = workspace.review_copies.shape
    place = {".": folder, "..": folder.parent, "../..": folder.parent.parent}.get(link, folder / link)
    place.unlink() if place.is_file() else shutil.rmtree(place)
    place.symlink_to(hidden / "queue.tfvars" if link == "queue.tfvars" else hidden)
    assert "hush" not in outdated(workspace)
    workspace.variables.publish()
    assert [path.read_text() for path in hidden.rglob("*") if path.is_file()] == ["hush-hush\n"]
    assert not place.is_symlink() and outdated(workspace) == ""


def test_copies_of_an_older_version_move_and_what_else_lies_there_stays(workspace: Workspace) -> None:
    old = workspace.review_copies.root / "cloud.example.org" / "long"
    old.mkdir(parents=True)
    for name in ("queue.tfvars", SCALE):
        (old / name).write_text("of an older version")
    (old.parent / "README").write_text("ours")
    variables.write(workspace)
    assert not old.exists() and (old.parent / "README").read_text() == "ours"
    assert sorted(path.name for path in workspace.review_copies.root.iterdir()) == [
        "cloud.example.org",
        "scale",
        "shape",
    ]


def test_what_is_in_the_way_of_moving_old_copies_stays(workspace: Workspace) -> None:
    old = workspace.review_copies.root / "cloud.example.org"
    old.write_text("ours")
    variables.write(workspace)
    assert old.read_text() == "ours"
    old.unlink()
    (old / "long" / "queue.tfvars").mkdir(parents=True)
    variables.write(workspace)
    assert (old / "long" / "queue.tfvars").is_dir() and outdated(workspace) == ""


def test_a_lost_root_beside_copies_of_an_older_version_makes_no_new_name(make_queue: MakeQueue) -> None:
    fresh = Workspace(make_queue())
    old = fresh.review_copies.root / "cloud.example.org" / "long" / "queue.tfvars"
    old.parent.mkdir(parents=True)
    old.write_text('# x\ninstallation      = "0123456789ab"\n')
    with pytest.raises(ConfigError, match="Workspace_Installation = 0123456789ab"):
        fresh.prepare()


def test_the_journal_holds_no_secret(workspace: Workspace) -> None:
    redact.learn("hush-hush")
    workspace.make_folders()
    workspace.journal.append(
        "submitted", failed={"0000000A": "it was hush-hush", "0000000B": f"x {'Ab3' * 20}"}, n=1
    )
    (line,) = workspace.journal.entries()
    assert line["failed"] == {"0000000A": "it was ****", "0000000B": "x ****"} and line["n"] == 1


def test_reviewed_files_are_open_and_hold_no_private_path(workspace: Workspace) -> None:
    variables.write(workspace)
    copies = [path for path in workspace.review_copies.root.rglob("*") if path.is_file()]
    assert sorted(path.name for path in copies) == ["queue.tfvars", "scale.tfvars.json"]
    for path in copies:
        assert path.stat().st_mode & 0o444 == 0o444
        assert str(workspace.private) not in path.read_text()


# -- tombstones, journal -----------------------------------------------------------------------------------


def test_tombstones_keep_their_first_reason_and_their_keys_are_not_used_again(workspace: Workspace) -> None:
    again = replace(STONE, reason=Ending(Cause.KILLED), state=State.DELETED, gone=True)
    record = workspace.save(filled(workspace).with_tombstones([again]))
    stone = workspace.load().tombstones["i-1"]
    assert (stone.state, stone.reason, stone.gone) == (State.STOPPED, Ending(Cause.STOPPED), True)
    assert record.used_keys == {"0000000A", "0000000B", "0000000C"}


def test_tombstones_are_bounded_and_the_oldest_go(workspace: Workspace) -> None:
    old = datetime(2020, 1, 1, tzinfo=UTC)
    many = [replace(STONE, id=f"i-old{n}", key=f"{n:08X}", when=old) for n in range(4999)]
    oldest = replace(STONE, id="i-oldest", when=datetime(2019, 1, 1, tzinfo=UTC))
    workspace.save(workspace.load().with_tombstones([*many, oldest]))
    workspace.save(workspace.load().with_tombstones([STONE]))
    kept = workspace.load().tombstones
    assert len(kept) == 5000 and "i-1" in kept and "i-oldest" not in kept


def test_the_journal_is_one_json_map_a_line_by_the_queues_clock(make_queue: MakeQueue) -> None:
    workspace = Workspace(make_queue(), clock=lambda: BORN)
    workspace.prepare()
    workspace.journal.append("submit", keys=["A\nB"], why="ü ${x}")
    workspace.journal.append("removed")
    lines = (workspace.private / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["submit", "removed"]
    assert json.loads(lines[0])["keys"] == ["A\nB"] and json.loads(lines[0])["time"] == "2026-01-31T12:00:00Z"


def test_a_torn_line_of_the_journal_costs_that_line_only(workspace: Workspace) -> None:
    workspace.journal.append("submit")
    with (workspace.private / "journal.jsonl").open("a") as stream:
        stream.write('{"event": "to\n[1]\n' + "[" * 100_000 + "\n")
    workspace.journal.append("removed")
    assert [entry["event"] for entry in workspace.journal.entries()] == ["submit", "removed"]


def test_a_line_that_was_cut_off_costs_not_the_next_one(workspace: Workspace) -> None:
    workspace.journal.append("submit")
    with (workspace.private / "journal.jsonl").open("a") as stream:
        stream.write('{"event": "remo')
    workspace.journal.append("removed")
    assert [entry["event"] for entry in workspace.journal.entries()] == ["submit", "removed"]


def test_what_is_found_again_is_told_once_but_for_its_numbers(workspace: Workspace) -> None:
    for left in ("3.5 are left", "3.4 are left", "none is left", "none is left"):
        workspace.journal.append_once("done", limited=left)
    workspace.journal.append("submit")
    workspace.journal.append_once("done", limited="none is left")
    told = [entry.get("limited") for entry in workspace.journal.entries()]
    assert told == ["3.5 are left", "none is left", None, "none is left"]


def test_the_journal_turns_over_by_age_and_keeps_the_month_before(make_queue: MakeQueue) -> None:
    now = [BORN]
    workspace = Workspace(make_queue(), clock=lambda: now[0])
    workspace.prepare()
    for day in range(200):
        now[0] = BORN + timedelta(days=day)
        workspace.journal.append(str(day))
        kept = [int(entry["event"]) for entry in workspace.journal.entries()]
        assert kept == list(range(kept[0], day + 1)) and kept[0] <= max(0, day - 62)
    assert kept[0] > 60  # days that are long past are gone


def test_a_clock_that_was_wrong_once_turns_nothing_over_again(make_queue: MakeQueue) -> None:
    now = [BORN]
    workspace = Workspace(make_queue(), clock=lambda: now[0])
    workspace.prepare()
    for days in (0, 4000, 1, 2, 3):
        now[0] = BORN + timedelta(days=days)
        workspace.journal.append(str(days))
    assert [entry["event"] for entry in workspace.journal.entries()] == ["0", "4000", "1", "2", "3"]


def test_two_that_write_while_the_journal_turns_over_lose_no_line(workspace: Workspace) -> None:
    journal = workspace.private / "journal.jsonl"
    journal.write_text("x" * 4_000_001 + "\n")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: workspace.journal.append(str(number)), range(40)))
    assert sorted(int(entry["event"]) for entry in workspace.journal.entries()) == list(range(40))
    assert (workspace.private / "journal.old.jsonl").stat().st_size == 4_000_002


def test_of_a_journal_of_any_size_and_shape_the_last_lines_are_read(workspace: Workspace) -> None:
    path = workspace.private / "journal.jsonl"
    line = json.dumps({"event": "submit", "time": "2026-01-01T00:00:00Z", "more": "x" * 900}).encode() + b"\n"
    path.write_bytes(line * 30_000 + b"\xff\xfe no text\n" + line)
    workspace.prepare()
    entries = workspace.journal.entries()
    assert 5_000 < len(entries) < 10_000 and {entry["event"] for entry in entries} == {"submit"}


def test_the_journal_turns_over_and_one_old_one_is_kept(workspace: Workspace) -> None:
    journal = workspace.private / "journal.jsonl"
    for turn in ("first", "second"):
        with journal.open("a") as stream:
            stream.write(f"{turn}\n" + "x" * 4_000_000)
        workspace.journal.append(turn)
        assert len(journal.read_text().splitlines()) == 1
    kept = [path.name for path in workspace.private.glob("journal*")]
    assert sorted(kept) == ["journal.jsonl", "journal.old.jsonl"]
    assert '"first"' in (workspace.private / "journal.old.jsonl").read_text()[:4000]
    assert journal.stat().st_mode & 0o077 == 0


def test_a_folder_or_link_in_the_journals_place_is_put_aside(tmp_path: Path) -> None:
    journal, path = Journal(tmp_path, lambda: BORN), tmp_path / "journal.jsonl"
    path.mkdir()
    journal.append("submit")
    path.unlink()
    path.symlink_to("/dev/zero")
    assert journal.entries() == []
    journal.append("removed")
    assert [entry["event"] for entry in journal.entries()] == ["removed"]


# -- contexts ----------------------------------------------------------------------------------------------


def test_contexts_are_private_and_go_when_told(workspace: Workspace) -> None:
    workspace.write_contexts({"0000000A": b"a", "0000000B": b"\xff"})
    assert (workspace.contexts / "0000000B").read_bytes() == b"\xff"
    (workspace.contexts / ".0000000D.1234abcd").write_text("a proxy that a crash left half written")
    workspace.forget_contexts()
    assert list(workspace.contexts.iterdir()) == []


def test_what_was_written_here_is_not_parsed_again(tmp_path: Path) -> None:
    file = RecordFile(tmp_path, "ce/q", "ce/q")
    written = file.save(Record("vo"))
    assert file.load() is written
    other = RecordFile(tmp_path, "ce/q", "ce/q").save(replace(written, installation="another"))
    assert file.load() == other
