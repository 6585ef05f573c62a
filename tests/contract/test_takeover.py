"""A workspace of version 0.1, with running pilots, met by today's verbs: nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.claims import every, subset
from tests.contract.edges import WRAPPER, FakeEdge, Parts, assert_settled
from tests.fakes import Clock
from tfce.model.endings import Cause, Ending
from tfce.model.errors import TfceError, WorkspaceError
from tfce.model.pilot import moment
from tfce.model.reasons import Kind, Reason
from tfce.model.record import SCHEMA, Backoff, Operation, Pending
from tfce.model.vm import State
from tfce.store import takeover

FIXTURE = Path(__file__).parents[1] / "fixtures/workspace-0.1"
QUEUE = Path("root/queues/cloud.example.org/long")
STATE = QUEUE / "terraform.tfstate.d/cloud.example.org.long/terraform.tfstate"
RUNNING = ["cloud://i-00000001", "cloud://i-00000002", "cloud://i-00000003"]
ENDED = "cloud://i-00000004"
KEYS = {"A78BB9F2", "9655FE00", "C7729E9B"}
INTERRUPTED = "7E2DEA48"  # its VM came to be, and Terraform's state does not know it


def templated(source: str, target: str) -> str:
    """Copy a file of the fixture: it was written below another folder."""
    text = Path(source).read_text().replace("/srv/tfce", str(Path(target).parents[-2]))
    Path(target).write_text(text)
    return target


@pytest.fixture
def old(tmp_path: Path) -> FakeEdge:
    """The site as version 0.1 left it; its cloud goes on."""
    shutil.copytree(FIXTURE / "root", tmp_path / "root", copy_function=templated)
    (tmp_path / STATE).parent.mkdir(parents=True)
    shutil.copy(FIXTURE / "state.json", tmp_path / STATE)
    edge, left = FakeEdge(tmp_path), json.loads((FIXTURE / "cloud.json").read_text())
    edge.sky.clock = Clock(moment(left["now"]))
    for vm in left["vms"]:
        state, created = State[vm["state"]], moment(vm["created"])
        edge.sky.add(vm["name"], vm["tags"], id=vm["id"], state=state, created=created)
    edge.sky._made = 100
    assert len(edge.sky.living()) == 4
    return edge


def parts(edge: FakeEdge) -> Parts:
    return edge.parts(Workspace_Installation="")


def remains(edge: FakeEdge) -> list[str]:
    return [name for name in takeover.REMAINS if (edge.folder / QUEUE / name).exists()]


def test_the_record_says_what_the_files_said(old: FakeEdge) -> None:
    record = parts(old).workspace.load()
    assert set(record.pilots) == {*KEYS, INTERRUPTED}
    assert {pilot.submission_id for key, pilot in record.pilots.items() if key in KEYS} == {
        "2026-01-01T00:00:00Z-A78BB9F2"
    }
    (stone,) = record.tombstones.values()
    assert (stone.id, stone.key, stone.state, stone.final) == ("i-00000004", "2C834539", State.STOPPED, True)
    assert record.pending is not None
    assert (record.pending.operation, record.pending.keys) == (Operation.SUBMIT, frozenset({INTERRUPTED}))
    since = moment("2026-01-01T00:12:00Z")
    reason = "InsufficientInstanceCapacity: no room for t3.micro"
    assert record.backoff == Backoff(2, Reason(Kind.UNCLASSIFIED, reason), since, 600)
    assert record.home is not None and record.home.place == "EC2 us-east-1"
    assert record.installation == (FIXTURE / "root/installation").read_text().strip()


def test_those_that_only_look_change_nothing(old: FakeEdge) -> None:
    before = {path: path.read_bytes() for path in old.folder.rglob("*") if path.is_file()}
    fleet = parts(old).fleet
    polled = fleet.poll([*RUNNING, ENDED])
    assert polled == {**dict.fromkeys(RUNNING, "Running"), ENDED: "Done"}
    assert fleet.count() == {"SubmittedJobs": 0, "WaitingJobs": 0, "RunningJobs": 4}
    assert {seen.vm.reference for seen in fleet.status() if seen.vm and seen.state == "Running"} >= set(RUNNING)
    assert {row.verdict for row in fleet.audit() if row.key in KEYS} == {"ok"}
    assert fleet.reap(dry_run=True).removed == []
    assert {path: path.read_bytes() for path in old.folder.rglob("*") if path.is_file()} == before


def submit(edge: FakeEdge) -> None:
    submission = parts(edge).fleet.submit(WRAPPER, 1, ignore_limits=True)
    assert len(submission.references) == 1


def wait(edge: FakeEdge) -> None:
    submission = parts(edge).fleet.submit(WRAPPER, 1)
    assert submission.references == [] and "cools down until 2026-01-01T00:22:00Z" in submission.limited


def reap(edge: FakeEdge) -> None:
    sweep = parts(edge).fleet.reap()
    assert sweep.removed == [] and sweep.kept == 4


def kill(edge: FakeEdge) -> None:
    sweep = parts(edge).fleet.kill([RUNNING[0], ENDED])
    assert [removal.reference for removal in sweep.removed] == [RUNNING[0]]
    assert RUNNING[0].removeprefix("cloud://") not in edge.living()


def repair(edge: FakeEdge) -> None:
    parts(edge).fleet.repair()


@pytest.mark.parametrize("act", [submit, wait, reap, kill, repair])
def test_the_first_writer_takes_over_and_nothing_is_lost(old: FakeEdge, act: Callable[[FakeEdge], None]) -> None:
    act(old)
    running = RUNNING[1:] if act is kill else RUNNING
    assert remains(old) == [] and (old.folder / QUEUE / "record.json").is_file()
    assert '"batch"' not in (old.folder / QUEUE / "scale.auto.tfvars.json").read_text()
    parts(old).fleet.reap()
    assert subset({reference.removeprefix("cloud://") for reference in running}, set(old.living()))
    assert "i-00000005" not in old.sky.vms or "i-00000005" in old.living()
    assert set(parts(old).fleet.poll(running).values()) == {"Running"}
    assert parts(old).fleet.poll([ENDED]) == {ENDED: "Done"}
    record = parts(old).workspace.load()
    assert INTERRUPTED in record.pilots and {pilot.id for pilot in record.pilots.values()} == set(old.living())
    assert parts(old).fleet.log(ENDED).state == "removed (Done)"
    assert_settled(parts(old), old)


def test_pilots_of_another_cloud_are_left_alone_though_no_record_names_their_ids(old: FakeEdge) -> None:
    moved = old.parts(Workspace_Installation="", Driver_region="eu-west-1")
    for act in (lambda: moved.fleet.submit(WRAPPER, 1), moved.fleet.reap, lambda: moved.fleet.kill(RUNNING)):
        with pytest.raises(TfceError, match="live in EC2 us-east-1"):
            act()
    assert moved.fleet.poll(RUNNING) == {} and len(old.living()) == 4


def test_a_queue_whose_pilots_had_all_ended(old: FakeEdge) -> None:
    """Nothing in its roster says which version wrote it."""
    for node_id in list(old.sky.vms):
        old.sky.vanish(node_id)
    (old.folder / QUEUE / "scale.auto.tfvars.json").write_text('{\n  "instance_count": 0,\n  "pilots": {}\n}\n')
    (old.folder / QUEUE / "intent.json").unlink()
    (old.folder / STATE).write_text('{"version": 4, "resources": []}')
    assert parts(old).fleet.poll([ENDED]) == {ENDED: "Done"}
    submit(old)
    assert parts(old).fleet.poll([ENDED]) == {ENDED: "Done"} and remains(old) == []
    assert_settled(parts(old), old)


def test_an_intent_that_cannot_be_read_is_as_old_as_the_look_at_it(old: FakeEdge) -> None:
    (old.folder / QUEUE / "intent.json").write_text('{"action": "paint"}')
    pending = parts(old).workspace.load().pending
    assert pending == Pending(Operation.REPAIR, frozenset(), old.now())


@pytest.mark.parametrize("text", ["", '{"instance_count": 4, "pil', "[]"])
def test_a_damaged_roster_is_rebuilt_and_the_ledger_stays(old: FakeEdge, text: str) -> None:
    (old.folder / QUEUE / "scale.auto.tfvars.json").write_text(text)
    for verb in (parts(old).fleet.reap, lambda: parts(old).fleet.submit(WRAPPER, 1)):
        with pytest.raises(WorkspaceError, match=r"tfce repair cloud\.example\.org/long"):
            verb()
    repair(old)
    assert len(old.living()) == 4 and remains(old) == []
    assert parts(old).fleet.poll([*RUNNING, ENDED]) == {**dict.fromkeys(RUNNING, "Running"), ENDED: "Done"}
    assert_settled(parts(old), old)


@pytest.mark.parametrize("name", takeover.REMAINS)
@pytest.mark.parametrize("text", ["", "{", "[]", '{"i-1": 3}', "\x00"])
def test_what_else_is_damaged_stops_nothing(old: FakeEdge, name: str, text: str) -> None:
    (old.folder / QUEUE / name).write_text(text)
    reap(old)
    assert set(parts(old).fleet.poll(RUNNING).values()) == {"Running"} and remains(old) == []
    assert_settled(parts(old), old)


RECORDS = sorted(FIXTURE.parent.glob("record-*.json"))


@pytest.mark.parametrize("left", RECORDS, ids=lambda path: path.stem)
def test_a_record_of_each_schema_is_read(left: Path, tmp_path: Path) -> None:
    edge = FakeEdge(tmp_path)
    workspace = edge.parts().workspace
    workspace.prepare()
    shutil.copy(left, workspace.private / "record.json")
    facts = json.loads(left.read_text())
    record = edge.parts().workspace.load()
    assert set(record.pilots) == set(facts["pilots"]) and len(record.pilots) == 2
    assert set(record.tombstones) == set(facts["tombstones"]) and len(record.tombstones) == 1
    assert [stone.reason for stone in record.tombstones.values()] == [Ending(Cause.STOPPED)]


def test_every_format_that_was_written_has_a_fixture_and_a_row_in_the_notes() -> None:
    notes = (FIXTURE.parents[2] / "docs/how-to/upgrade.md").read_text()
    assert [f"record-{n}.json" for n in range(1, SCHEMA + 1)] == [path.name for path in RECORDS]
    assert every(f"`{name}`" in notes for name in [FIXTURE.name, *(path.name for path in RECORDS)])
