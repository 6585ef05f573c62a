"""What is kept of a VM's console, of which VMs, and that no secret is in it."""

from __future__ import annotations

import random
import resource
import string
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.claims import every
from tests.contract.edges import WRAPPER, FakeEdge
from tests.fakes import START, Crash, FakeCloud, Sky
from tests.unit.conftest import MakeQueue
from tfce.cloud.pool import AT_ONCE
from tfce.model.endings import Cause
from tfce.model.errors import CloudError
from tfce.model.policy import Action, Verb, lived
from tfce.model.reconcile import Case, Condition
from tfce.model.redact import suspected
from tfce.model.vm import VM, State
from tfce.pilots import consoles
from tfce.pilots.consoles import BRIEF, CONSOLES, ConsoleStore, RemovalOrder, shown, suspicious
from tfce.store.workspace import Workspace

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


CONDITIONS = {State.FAILED: Condition.FAILED, State.STOPPED: Condition.ENDED, State.DELETED: Condition.VANISHED}


def going(
    state: State,
    age: int | None,
    since: int | None = None,
    condition: Condition | None = None,
    cause: Cause = Cause.KILLED,
) -> Action:
    """The end of a VM. ``since``: seconds since it ended, if the cloud tells."""
    created = None if age is None else NOW - timedelta(seconds=age)
    ended = None if since is None else NOW - timedelta(seconds=since)
    vm = VM("i-0", "n", state, "raw", created, {}, None, ended)
    return Action(
        Verb.DESTROY, Case("00000000", "i-0", condition or CONDITIONS.get(state, Condition.HEALTHY), vm=vm), cause
    )


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (going(State.FAILED, 5, cause=Cause.FAILED), True),
        (going(State.FAILED, 5, cause=Cause.KILLED), True),
        (going(State.RUNNING, 9, condition=Condition.OVERDUE, cause=Cause.OVERDUE), True),
        (going(State.BOOTING, 9, condition=Condition.STUCK, cause=Cause.STUCK), True),
        (going(State.RUNNING, 5, cause=Cause.KILLED), False),
        (going(State.RUNNING, 5, condition=Condition.DISMISSED, cause=Cause.DISMISSED), False),
        (going(State.STOPPED, 90, 30), True),
        (going(State.STOPPED, BRIEF + 99, 100), True),
        (going(State.STOPPED, BRIEF + 100, 100), False),
        # Where the cloud does not say when it stopped, that was since the sweep before.
        (going(State.STOPPED, BRIEF + 1100), True),
        (going(State.STOPPED, BRIEF + 1200), False),
        (going(State.STOPPED, None), False),
        (going(State.DELETED, 5, 1), False),
        (Action(Verb.FORGET, Case("0000000A", "", Condition.NEVER_CREATED), Cause.NEVER_CREATED), False),
    ],
)
def test_whose_console_is_worth_a_call(one: Action, wanted: bool) -> None:
    assert suspicious(one, NOW) is wanted


def test_how_long_a_vm_lived() -> None:
    asked = NOW - timedelta(seconds=50)
    vm = VM("i-1", "n", State.RUNNING, "r", NOW - timedelta(seconds=40), {})
    assert lived(vm, asked, NOW) == 40  # the VM's own creation goes first
    assert lived(VM("i-1", "n", State.RUNNING, "r", None), asked, NOW) == 50
    assert lived(VM("i-1", "n", State.RUNNING, "r", None), None, NOW) is None
    ended = NOW - timedelta(seconds=10)
    assert lived(VM("i-1", "n", State.STOPPED, "s", vm.created, {}, None, ended), asked, NOW) == 30
    assert lived(VM("i-1", "n", State.DELETED, "t", vm.created, {}, None, ended), asked, NOW) == 30
    assert lived(VM("i-1", "n", State.DELETED, "t", vm.created), asked, NOW) is None  # since when is not known
    assert lived(None, asked, NOW) is None
    assert lived(vm, None, NOW - timedelta(hours=1)) == 0  # a clock is wrong


# -- keeping -----------------------------------------------------------------------------------------------


@pytest.fixture
def workspace(make_queue: MakeQueue) -> Workspace:
    made = Workspace(make_queue())
    made.prepare()
    return made


def sky(count: int) -> Sky:
    made = Sky()
    for number in range(count):
        made.add(f"vm{number}", {})
    return made


def ends(made: Sky, state: State = State.FAILED) -> list[Action]:
    """All VMs came to ``state``; the first one lived longest."""
    for number, node_id in enumerate(made.vms):
        made.vms[node_id] = replace(made.vms[node_id], created=START - timedelta(seconds=60 - number))
        made.set(node_id, state)
    return [
        Action(Verb.DESTROY, Case(f"{number:08X}", vm.id, CONDITIONS[state], vm=vm), Cause.KILLED)
        for number, vm in enumerate(made.vms.values())
    ]


def kept(cloud: FakeCloud, workspace: Workspace, actions: Sequence[Action]) -> set[str]:
    """Whose consoles are kept when these VMs leave."""
    leaving = RemovalOrder(cloud, workspace, actions, START)
    assert sorted(leaving) == sorted(one.case.id for one in actions) and len(leaving) == len(actions)
    return leaving.kept


def test_a_vm_leaves_when_its_console_is_kept_and_others_do_not_wait(workspace: Workspace) -> None:
    made, turn = sky(4), threading.Semaphore(0)
    first, second, *others = ends(made)
    others = [replace(one, case=replace(one.case, condition=Condition.DISMISSED)) for one in others]
    made.at("console", turn.acquire, times=2)
    leaving = RemovalOrder(FakeCloud(made), workspace, [first, second, *others], START)
    ids = iter(leaving)
    assert [next(ids), next(ids)] == [one.case.id for one in others] and not leaving.kept
    for number in (1, 2):
        turn.release()
        assert next(ids) in leaving.kept and len(leaving.kept) == number
    assert list(ids) == []


def test_consoles_are_under_way_when_the_first_vm_leaves(workspace: Workspace) -> None:
    made, begun, turn = sky(3), threading.Semaphore(0), threading.Event()
    first, second, other = ends(made)
    made.at("console", lambda: (begun.release(), turn.wait(10)), times=2)
    other = replace(other, case=replace(other.case, condition=Condition.DISMISSED))
    ids = iter(RemovalOrder(FakeCloud(made), workspace, [first, second, other], START))
    assert next(ids) == other.case.id
    assert begun.acquire(timeout=10) and begun.acquire(timeout=10)
    turn.set()
    assert sorted(ids) == sorted([first.case.id, second.case.id])


def test_what_was_to_be_removed_before_is_not_asked_again(workspace: Workspace) -> None:
    made = sky(3)
    cloud = FakeCloud(made)
    one, *others = made.vms
    leaving = RemovalOrder(cloud, workspace, ends(made), START, known=others)
    assert len(list(leaving)) == 3 and leaving.kept == {one} and cloud.calls["GetConsoleOutput"] == 1


def test_vms_whose_removal_fails_again_and_again_hold_up_none_behind_them(workspace: Workspace) -> None:
    """A cloud that fails on some is not asked for all: whoever is always behind them would never go."""
    made = sky(2 * AT_ONCE)
    ids, actions = list(made.vms), ends(made)
    left = set(ids)
    failing = set(ids[:AT_ONCE])
    for _ in range(1000):
        leaving = [one for one in actions if one.case.id in left]
        order = list(RemovalOrder(FakeCloud(made), workspace, leaving, START, known=ids[:-1]))
        assert ids[-1] not in left or order[0] == ids[-1]  # what is new goes first
        failed = 0
        for node_id in order:
            failed += node_id in failing
            if failed == AT_ONCE:
                break
            left -= {node_id} - failing
        if left == failing:
            return
    raise AssertionError(f"still there: {sorted(left - failing)}")


def test_a_sweep_asks_for_a_few_whatever_the_number(workspace: Workspace) -> None:
    made = sky(3 * CONSOLES)
    cloud = FakeCloud(made)
    had = kept(cloud, workspace, ends(made))
    assert len(had) == cloud.calls["GetConsoleOutput"] == sum(cloud.calls.values()) == CONSOLES
    assert len(list((workspace.private / "consoles").iterdir())) == CONSOLES
    assert kept(cloud, workspace, []) == set() and sum(cloud.calls.values()) == CONSOLES


def test_what_failed_goes_before_what_ended_soon(workspace: Workspace) -> None:
    made = sky(CONSOLES + 1)
    failed, soon = ends(made)[-1], ends(made, State.STOPPED)
    chosen = kept(FakeCloud(made), workspace, [*soon[:-1], failed])
    assert chosen == {one.case.id for one in soon[1:]}  # the one that lived longest had to wait


def test_a_console_that_is_not_to_be_had_stops_nothing(workspace: Workspace) -> None:
    made = sky(4)
    removals = ends(made)
    made.consoles |= dict.fromkeys(list(made.vms)[:2], " \n")
    made.at("console", CloudError("no"))
    cloud = FakeCloud(made)
    assert len(kept(cloud, workspace, removals)) in (1, 2)  # whichever the error struck
    assert cloud.calls["GetConsoleOutput"] == 4


def test_one_that_does_not_come_is_not_waited_for_and_holds_up_no_other(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles, "PATIENCE", 1.0)
    made, never = sky(3), threading.Event()
    made.at("console", never.wait)
    cloud = FakeCloud(made)
    assert len(kept(cloud, workspace, ends(made))) == 2 and cloud.calls["GetConsoleOutput"] == 3
    never.set()


def test_they_are_asked_for_side_by_side(workspace: Workspace) -> None:
    """Each waits until all have been asked for: one after the other, none would ever come."""
    made, together = sky(CONSOLES), threading.Barrier(CONSOLES, timeout=20)
    made.at("console", together.wait, times=CONSOLES)
    assert len(kept(FakeCloud(made), workspace, ends(made))) == CONSOLES


def test_what_kills_a_worker_is_heard_of(workspace: Workspace) -> None:
    made = sky(3)
    made.at("console", Crash())
    with pytest.raises(Crash):
        kept(FakeCloud(made), workspace, ends(made))


@contextmanager
def full_disk() -> Iterator[None]:
    """No file takes another byte."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_disk_that_takes_nothing_keeps_no_console_and_stops_nothing(workspace: Workspace) -> None:
    made = sky(1)
    with full_disk():
        assert kept(FakeCloud(made), workspace, ends(made)) == set()


def test_a_folder_without_the_right_to_write_gets_it(workspace: Workspace) -> None:
    (workspace.private / "consoles").mkdir(0o500)
    made = sky(1)
    assert len(kept(FakeCloud(made), workspace, ends(made))) == 1


def test_a_file_in_the_folders_place_is_put_aside(workspace: Workspace) -> None:
    (workspace.private / "consoles").write_text("a file where the folder should be")
    made = sky(1)
    assert len(kept(FakeCloud(made), workspace, ends(made))) == 1
    (aside,) = workspace.private.glob("consoles.damaged-*")
    assert aside.read_text() == "a file where the folder should be"


def test_the_kept_ones_are_private_and_the_oldest_make_room(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles, "_FILES", 3)
    store = ConsoleStore(workspace)
    for number in range(5):
        store.keep(f"{number:08X}", f"{number}\n")
        time.sleep(0.01)
    store.keep("../../VMDIRAC3_x", "left over\n")
    folder = workspace.private / "consoles"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600] * 3
    assert [store.read(f"{number:08X}") for number in range(5)] == [None, None, None, "3\n", "4\n"]
    assert store.read("../../VMDIRAC3_x") == "left over\n"
    assert len(list(workspace.private.glob("**/*VMDIRAC3*"))) == 1


# -- in a sweep --------------------------------------------------------------------------------------------


@pytest.fixture
def edge(tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path)


def vms(edge: FakeEdge) -> list[dict[str, Any]]:
    """What the journal says of the VMs that were removed last."""
    found: list[dict[str, Any]] = [
        line for line in edge.parts().workspace.journal.entries() if line["event"] == "removed"
    ][-1]["vms"]
    return found


def test_the_journal_says_how_long_each_vm_lived_and_whose_console_is_kept(edge: FakeEdge) -> None:
    options = {"Context_MaxLifetime": "3600"}
    old = edge.parts(**options).fleet.submit(WRAPPER, 1).stamps
    edge.advance(3000)
    young = edge.parts(**options).fleet.submit(WRAPPER, 2).stamps
    (stopped, key), (failed, _) = young.items()
    edge.advance(602)
    edge.stop(stopped.removeprefix("cloud://"))
    edge.sky.set(failed.removeprefix("cloud://"), State.FAILED, "no host")
    edge.advance(50)
    edge.parts(**options).fleet.reap()
    said = {
        vm["reference"]: (vm["reason"].partition(":")[0], vm["lived_s"], vm["console_kept"]) for vm in vms(edge)
    }
    assert said == {
        next(iter(old)): ("overdue", 3652, True),
        stopped: ("stopped", 602, False),
        failed: ("failed", 602, True),
    }
    assert next(vm["key"] for vm in vms(edge) if vm["reference"] == stopped) == key


def test_a_kill_is_recorded_alike(edge: FakeEdge) -> None:
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    edge.advance(70)
    (removal,) = edge.parts().fleet.kill([reference]).removed
    assert removal.lived == vms(edge)[0]["lived_s"] == 70 and vms(edge)[0]["reason"] == "killed"
    assert ("console", reference.removeprefix("cloud://")) not in edge.sky.steps


def test_a_vm_that_cannot_be_removed_is_asked_for_its_console_once(edge: FakeEdge) -> None:
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    edge.stop(reference.removeprefix("cloud://"))
    edge.sky.at("destroy", CloudError("it is locked"), times=2)
    for _ in range(3):
        edge.parts().fleet.reap()
    assert [what for what, _ in edge.sky.steps].count("console") == 1 and not edge.sky.living()
    assert edge.parts().fleet.log(reference).source == "kept"


def test_a_dry_run_asks_for_no_console(edge: FakeEdge) -> None:
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    edge.stop(reference.removeprefix("cloud://"))
    (removal,) = edge.parts().fleet.reap(dry_run=True).removed
    assert removal.lived == 0 and "console" not in [what for what, _ in edge.sky.steps]


# -- masking -----------------------------------------------------------------------------------------------

B64 = "".join(random.Random(7).choices(string.ascii_letters + string.digits + "+/", k=64))
HIDDEN = {
    "a PEM block": f"before\n-----BEGIN RSA KEY-----\nMIIE\n{B64}\nshort==\n-----END RSA KEY-----\nafter",
    "in one line": f"before x='-----BEGIN X-----\\nMIIE{B64}\\nshort==\\n-----END X-----' after",
    "with a prefix": "before\n[ 3.1] init: -----BEGIN X-----\n[ 3.1] init: short==\n-----END X----- after",
    "without its end": "before after\n-----BEGIN CERTIFICATE-----\nMIIE\nshort==",
    "without its beginning": "MIIE\nshort==\n-----END CERTIFICATE-----\nbefore after",
    "base64": f"before {B64} after short==".replace(" short==", ""),
    "base64 of URLs": f"before {B64.replace('+', '-').replace('/', '_')}== after",
    "a JWT": f"before eyJhbGciOi.eyJzdWIi.{B64[:20]} after",
    "an AWS key": "before AKIAIOSFODNN7EXAMPLE after",
    "hexadecimal": "before 0123456789abcdef0123456789abcdef after",
    "token=": "before token=short== after",
    "TOKEN in quotes": 'before "X_AUTH_TOKEN": "short== and more" after',
    "password": "before password : short== after",
    "OS_PASSWORD": "before export OS_PASSWORD='short== and more' after",
    "api-key": "before x-api-key=short==; after",
    "a header": "before Authorization: Bearer short== after",
    "a bearer": f"before bearer {B64[:24]} after",
    "a login": "before https://user:short==@example.org/ after",
}


@pytest.mark.parametrize("case", HIDDEN)
def test_secrets_are_masked_and_what_surrounds_them_is_not(case: str) -> None:
    text = suspected(HIDDEN[case], strict=True)
    assert "****" in text and "before" in text and "after" in text
    for secret in ("short==", "MIIE", B64[:20], B64[8:16], "eyJhbGciOi", "AKIAIOS", "0123456789abcdef", "more"):
        assert secret not in text


def test_what_tells_why_a_pilot_ended_stays() -> None:
    text = """[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12)
Cloud-init v. 22.4.2 running 'modules:final' at Sat, 31 Jan 2026 12:00:00 +0000. Up 21.05 seconds.
/usr/lib/python3/dist-packages/cloudinit/config/cc_write_files.py: Traceback (most recent call last)
Failed to start pilot: cloud://0a1b2c3d-0000-4000-8000-00000000000a: exit code 137
ERROR: mount /cvmfs/dirac.egi.eu: Input/output error, HTTP 503 from http://squid.example.org:3128
"""
    assert suspected(text, strict=True) == shown(text) == text


def test_a_large_hostile_console_is_shown_quickly_and_moves_no_cursor() -> None:
    noise = "a" * 50_000 + "token" * 9000 + "basic " * 5000 + "\x1b[2J\x1b]0;title\x07\x9b\x00\u202e\n"
    start = time.process_time()
    text = shown(noise * 9 + "\r\nthe last \x1b[31mred\x1b[0m line é\r\n\r\n", 9)
    for words in ("-----BEGIN ", "-----END ", "://", "eyJ", "token=", "A" * 39 + " ", "\x1b["):
        assert shown(words * 20_000)
    assert time.process_time() - start < 4
    assert text.endswith("\nthe last red line é\n")
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\x00", "\u202e", "\r"}
    assert every(len(line) <= 500 for line in text.splitlines())


def test_the_last_lines_are_shown() -> None:
    console = "".join(f"line {number}\r\n" for number in range(200))
    assert shown(console).splitlines() == [f"line {number}" for number in range(150, 200)]
    assert shown(console, 1) == "line 199\n"
    # Masked before it is cut: the block's beginning is out of sight.
    block = "-----BEGIN X-----\n" + "c2hvcnQ=\n" * 60 + "-----END X-----\nafter\n"
    assert "c2hvcnQ" not in shown(block)
