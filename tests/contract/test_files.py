"""Every file of a workspace, all that may become of it, every verb: it works, or ends in one error whose cure
works then; and no VM is touched that should not be."""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, Parts
from tests.drawn import some
from tests.fakes import Sky
from tfce.model.errors import TfceError
from tfce.model.vm import State
from tfce.pilots.fleet import Fleet

QUEUE = "root/queues/cloud.example.org/long"
STATE = f"{QUEUE}/terraform.tfstate.d/cloud.example.org.long/terraform.tfstate"
FILES = {
    "record": f"{QUEUE}/record.json",
    "previous record": f"{QUEUE}/record.previous.json",
    "scale file": f"{QUEUE}/scale.auto.tfvars.json",
    "variables": f"{QUEUE}/queue.auto.tfvars",
    "local variables": f"{QUEUE}/here.auto.tfvars.json",
    "journal": f"{QUEUE}/journal.jsonl",
    "lock": f"{QUEUE}/lock",
    "user data": f"{QUEUE}/contexts",
    "consoles": f"{QUEUE}/consoles",
    "state": STATE,
    "installation": "root/installation",
    "reviewed variables": "root/workspaces/shape/cloud.example.org/long/queue.tfvars",
    "reviewed rest": "root/workspaces/shape/cloud.example.org/long/pilot.json",
    "rest of the shape": f"{QUEUE}/pilot.json",
    "reviewed scale file": "root/workspaces/scale/cloud.example.org/long/scale.tfvars.json",
}
OTHER_SHAPE = '{"schema": 1, "pilots": [], "version": 4, "resources": {"a": 1}}\n'
NEWER = '{"schema": 99, "version": 99, "pilots": {}, "resources": []}\n'


def absent(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def filled_with(data: bytes) -> Callable[[Path], None]:
    def fill(path: Path) -> None:
        absent(path)
        path.write_bytes(data)

    return fill


def half(path: Path) -> None:
    data = path.read_bytes() if path.is_file() else b"half of"
    filled_with(data[: len(data) // 2])(path)


def folder(path: Path) -> None:
    absent(path)
    path.mkdir()
    (path / "keep").write_text("precious")


def link_to(target: str) -> Callable[[Path], None]:
    def link(path: Path) -> None:
        absent(path)
        path.symlink_to(target)

    return link


def unreadable(path: Path) -> None:
    path.chmod(0)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "absent": absent,
    "empty": filled_with(b""),
    "half": half,
    "random": filled_with(random.Random(5).randbytes(300)),
    "other shape": filled_with(OTHER_SHAPE.encode()),
    "newer": filled_with(NEWER.encode()),
    "folder": folder,
    "link": link_to("../precious"),
    "endless": link_to("/dev/zero"),
    "nowhere": link_to("nowhere"),
}
VERBS = ("status", "submit", "reap", "kill", "audit", "repair")
SHARE = 0.25  # of a file's cells in `make test`


class Ground:
    """A workspace with three running pilots, one that ended, one removed; as often as it is wanted."""

    def __init__(self, place: Path) -> None:
        self.place = place / "site"
        self.place.mkdir()
        edge = FakeEdge(self.place)
        fleet = self.parts(edge).fleet
        references = fleet.submit(WRAPPER, 5).references
        self.ids = [text.removeprefix("cloud://") for text in references]
        edge.sky.set(self.ids[3], State.FAILED, "no host")
        fleet.reap()
        edge.advance(5000)
        edge.stop(self.ids[4])
        for tags in ({"Name": "tfce-0000000A"}, {"tfce:key": "0000000A"}):
            edge.add(tags)
        edge.sky.look()
        (self.place / QUEUE / "journal.jsonl").touch()
        (self.place / "root/queues/cloud.example.org/precious").write_text("precious")
        (self.place / "root/precious").write_text("precious")
        self._sky, self._copy = edge.sky, place / "copy"
        shutil.copytree(self.place, self._copy)

    def parts(self, edge: FakeEdge) -> Parts:
        """No option names the installation: the host's file and the record do."""
        return edge.parts(Workspace_Installation="")

    def fresh(self) -> FakeEdge:
        for left in (self.place / FILES["user data"], self.place / FILES["consoles"]):
            if left.is_dir():
                left.chmod(0o700)
        shutil.rmtree(self.place)
        shutil.copytree(self._copy, self.place)
        edge = FakeEdge(self.place)
        edge.sky = copy.deepcopy(self._sky, {id(self._sky._lock): self._sky._lock})
        return edge

    def act(self, edge: FakeEdge, verb: str) -> str:
        """Do it; the VM that it may end."""
        fleet = self.parts(edge).fleet
        if verb == "submit":
            assert len(fleet.submit(WRAPPER, 1).references) == 1
        elif verb == "kill":
            assert fleet.kill([f"cloud://{self.ids[0]}"]).failed == {}
            return self.ids[0]
        else:
            getattr(fleet, verb)()
        return ""


def running(sky: Sky) -> set[str]:
    return {vm.id for vm in sky.living() if vm.state is State.RUNNING}


def cured(act: Callable[[], str], repair: Callable[[], object], verb: str, cure: str) -> tuple[str, str]:
    """What a verb gave, if need be after the cure that its error names; and what is wrong."""
    try:
        return act(), ""
    except TfceError as caught:
        error = caught.message
    if cure not in error or "\n" in error:
        return "", f"no cure named: {error}"
    if "move the file away" in error:  # a newer tfce's
        record = Path(error.partition(": ")[0])
        record.rename(record.with_name("newer.json"))
    elif verb == "repair":
        return "", f"repair cannot: {error}"
    repair()
    return act(), ""


def swept(fleet: Fleet) -> str:
    """A sweep; the damage that only it meets is mended as it says. "" or what is wrong."""

    def reap() -> str:
        fleet.reap()
        return ""

    return cured(reap, fleet.repair, "reap", "tfce repair")[1]


def cell(ground: Ground, name: str, damage: Callable[[Path], None], verb: str) -> str:
    """Try one; "" or what is wrong."""
    edge = ground.fresh()
    damage(ground.place / FILES[name])
    before = running(edge.sky)
    repair = lambda: ground.parts(edge).fleet.repair()  # noqa: E731
    doomed, wrong = cured(lambda: ground.act(edge, verb), repair, verb, "tfce repair cloud.example.org/long")
    if wrong:
        return wrong
    lost = before - running(edge.sky)
    if lost - {doomed}:
        return f"ended {lost}"
    if doomed and doomed not in lost:
        return "the kill did nothing"
    return unsettled(ground, edge)


def unsettled(ground: Ground, edge: FakeEdge) -> str:
    """Whether a sweep later record, state and cloud differ, or something precious is gone."""
    parts = ground.parts(edge)
    if parts.workspace.exists:
        wrong = swept(parts.fleet)
        if wrong:
            return wrong
    own = parts.workspace.owner()
    mine = {vm.id for vm in edge.sky.living() if own.owns(vm)}
    wanted = {pilot.id for pilot in parts.workspace.load().pilots.values()}
    known = {instance.id for instance in parts.terraform.instances().values()}
    if not (mine == wanted == known):
        return f"cloud {mine}, record {wanted}, state {known}"
    if len([vm for vm in edge.sky.living() if not own.owns(vm)]) != 2:
        return "a stranger was touched"
    kept = [path for path in ground.place.rglob("*precious*") if path.read_text() != "precious"]
    return f"{kept} changed" if kept else ""


def tried(ground: Ground, name: str, damages: dict[str, Callable[[Path], None]]) -> list[str]:
    wrong: list[str] = []
    cells = some(list(itertools.product(damages.items(), VERBS)), SHARE, name)
    for (what, damage), verb in cells:
        try:
            said = cell(ground, name, damage, verb)
        except BaseException as error:  # a traceback is the worst of all
            said = f"{type(error).__name__}: {error} {traceback.format_exc().splitlines()[-3:-1]}"
        if said:
            wrong.append(f"{name}, {what}, {verb}: {said}")
    print(f"{len(cells)} cells of {name}: {len(wrong)} wrong")
    return wrong


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_whatever_becomes_of_a_file(ground: Ground, name: str) -> None:
    assert tried(ground, name, DAMAGES) == []


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's are their owner's."""
    place = Path(tempfile.mkdtemp(prefix="tfce-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    for path in place.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(place)


NOBODY = 65534


def as_nobody(place: Path, run: Callable[[], list[str]]) -> list[str]:
    """What ``run`` returns in a child that no right is granted for being root."""
    if os.geteuid() != 0:
        return run()
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            found = run()
        except BaseException as error:
            found = [f"{type(error).__name__}: {error}"]
        os.write(write, json.dumps(found).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return [str(line) for line in json.loads(said)]


def test_a_file_that_may_not_be_read(open_place: Path) -> None:
    ground = Ground(open_place)
    ground.act(ground.fresh(), "repair")  # imports what comes late: the child may not read the host's Python

    def run() -> list[str]:
        return [line for name in FILES for line in tried(ground, name, {"unreadable": unreadable})]

    ground.fresh()
    assert as_nobody(open_place, run) == []
