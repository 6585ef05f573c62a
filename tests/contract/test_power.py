"""Loss of power before every step of every verb: what was not fsynced is gone, the cloud goes on. The next cycle
knows every VM again. The cloud is the tests' own; the steps are found by an audit hook (``tests.crash.steps``)."""

from __future__ import annotations

import copy
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, Parts, assert_settled
from tests.crash.steps import Disk, Watch
from tests.fakes import Crash, Sky
from tfce.model.endings import Cause
from tfce.model.errors import TfceError
from tfce.model.vm import State

QUEUE = "root/queues/cloud.example.org/long"
SAMPLE = int(os.environ.get("TFCE_POWER", "5"))  # steps of each verb that are tried; 0: all


def parts(edge: FakeEdge) -> Parts:
    """No option names the installation: the host's file and the record do."""
    return edge.parts(Workspace_Installation="")


def nothing(edge: FakeEdge) -> None:
    """A host that never had the queue."""


def two(edge: FakeEdge) -> None:
    parts(edge).fleet.submit(WRAPPER, 2)


def an_ended_and_a_failed_one(edge: FakeEdge) -> None:
    references = parts(edge).fleet.submit(WRAPPER, 4).references
    edge.stop(references[0].removeprefix("cloud://"))
    edge.sky.set(references[1].removeprefix("cloud://"), State.FAILED, "no host")


def a_torn_record(edge: FakeEdge) -> None:
    two(edge)
    (edge.folder / QUEUE / "record.json").write_text("{")


def no_state(edge: FakeEdge) -> None:
    two(edge)
    parts(edge).terraform.state_file.write_text("torn")


def killed(edge: FakeEdge) -> None:
    first = next(iter(parts(edge).workspace.load().pilots.values()))
    parts(edge).fleet.kill([f"cloud://{first.id}"])


CASES: dict[str, tuple[Callable[[FakeEdge], None], Callable[[FakeEdge], object]]] = {
    "first submission": (nothing, lambda edge: parts(edge).fleet.submit(WRAPPER, 2)),
    "submit": (two, lambda edge: parts(edge).fleet.submit(WRAPPER, 2)),
    "reap": (an_ended_and_a_failed_one, lambda edge: parts(edge).fleet.reap()),
    "kill": (two, killed),
    "repair of the record": (a_torn_record, lambda edge: parts(edge).fleet.repair()),
    "repair of the state": (no_state, lambda edge: parts(edge).fleet.repair()),
}
NEXT: dict[str, Callable[[FakeEdge], object]] = {
    "submit": lambda edge: (parts(edge).fleet.submit(WRAPPER, 1), parts(edge).fleet.reap()),
    "reap": lambda edge: parts(edge).fleet.reap(),
}


class Ground:
    """A site before a verb, as often as it is wanted."""

    def __init__(self, place: Path, batch: int, arrange: Callable[[FakeEdge], None]) -> None:
        self.place, self._copy, self._batch = place / "site", place / "copy", batch
        self.place.mkdir()
        edge = FakeEdge(self.place, batch)
        arrange(edge)
        edge.add({"Name": "tfce-0000000A", "tfce:key": "0000000A", "tfce:installation": "other"})
        self._sky = edge.sky
        shutil.copytree(self.place, self._copy)

    def fresh(self) -> FakeEdge:
        shutil.rmtree(self.place)
        shutil.copytree(self._copy, self.place)
        edge = FakeEdge(self.place, self._batch)
        edge.sky = self.copied(self._sky)
        return edge

    @staticmethod
    def copied(sky: Sky) -> Sky:
        return copy.deepcopy(sky, {id(sky._lock): sky._lock})

    def after(self, place: Path, sky: Sky) -> FakeEdge:
        """The site as it is when the power is back."""
        shutil.rmtree(self.place)
        shutil.copytree(place, self.place, symlinks=True)
        edge = FakeEdge(self.place, self._batch)
        edge.sky = sky
        return edge


def steps_of(ground: Ground, verb: Callable[[FakeEdge], object]) -> list[str]:
    names: list[str] = []
    edge = ground.fresh()
    with Watch(lambda number, name: names.append(name)):
        verb(edge)
    return names


def died(ground: Ground, verb: Callable[[FakeEdge], object], step: int, names_too: bool, left: Path) -> FakeEdge:
    """The site after the power went before a step; ``left``: a folder to keep the disk in."""
    edge = ground.fresh()
    disk = Disk(ground.place)
    kept: list[Sky] = []

    def at(number: int, name: str) -> None:
        if number == step:
            kept.append(ground.copied(edge.sky))
            shutil.copytree(ground.place, left / "disk", symlinks=True)
        if number >= step:
            raise Crash(name)

    with Watch(at, disk), pytest.raises(Crash):
        verb(edge)
    moved = Disk(left / "disk")
    moved.names = {path.replace(str(ground.place), str(moved.root), 1): old for path, old in disk.names.items()}
    moved.data = {path.replace(str(ground.place), str(moved.root), 1): old for path, old in disk.data.items()}
    moved.lose(names_too)
    return ground.after(left / "disk", kept[0])


def wrong_after(edge: FakeEdge, verb: Callable[[FakeEdge], object], cycle: str) -> str:
    """What is wrong after the next cycle, "" for nothing."""
    before = {vm.id for vm in edge.sky.living() if vm.state in (State.BOOTING, State.RUNNING)}
    try:
        NEXT[cycle](edge)
    except TfceError as error:
        if "tfce repair" not in error.message or verb not in (
            CASES[name][1] for name in CASES if "repair" in name
        ):
            return f"the next cycle: {error.message}"
        parts(edge).fleet.repair()
        NEXT[cycle](edge)
    record = parts(edge).workspace.load()
    lost = before - {vm.id for vm in edge.sky.living()}
    if lost - {node for node, stone in record.tombstones.items() if stone.reason.cause is Cause.KILLED}:
        return f"the next cycle ended {lost}"
    try:
        assert_settled(parts(edge), edge)
    except (AssertionError, OSError, TfceError) as error:
        return f"not settled: {error}"
    return ""


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("name", CASES)
def test_the_power_goes(tmp_path: Path, name: str, batch: int) -> None:
    arrange, verb = CASES[name]
    ground = Ground(tmp_path, batch, arrange)
    steps = steps_of(ground, verb)
    seed = int(os.environ.get("TFCE_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    dice = random.Random(seed)
    numbers = range(1, len(steps) + 1)
    chosen = sorted(dice.sample(numbers, SAMPLE)) if 0 < SAMPLE < len(steps) else list(numbers)
    wrong = []
    for step in chosen:
        for names_too in (True, False):
            left = tmp_path / f"{step}-{names_too}"
            edge = died(ground, verb, step, names_too, left)
            cycle = "submit" if arrange is nothing else dice.choice(list(NEXT))  # a reap would only look
            said = wrong_after(edge, verb, cycle)
            shutil.rmtree(left)
            if said:
                wrong.append(f"before {step} ({steps[step - 1]}), names lost: {names_too}, then {cycle}: {said}")
    print(f"TFCE_SEED={seed}: {len(steps)} steps of {name}, {len(chosen) * 2} tried, {len(wrong)} lost")
    assert wrong == [], "\n".join(wrong)
