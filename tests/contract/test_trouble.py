"""A disk that fails: any touch of a file may (no space, no handle left, a server of files that went away), once or
from then on. One error, no traceback, no VM touched that should not be; the next cycle on a sound disk is well."""

from __future__ import annotations

import copy
import errno
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, Parts, assert_settled
from tfce.model.errors import TfceError
from tfce.model.vm import State

SAMPLE = 4  # touches of each verb that are tried; ALL=1: all
TROUBLE = [
    getattr(errno, name)
    for name in ["ENOSPC", "EMFILE", "ESTALE", "EROFS", "EIO", "EDQUOT", "EACCES", "ENFILE", "ENOMEM", "ETIMEDOUT"]
]
_EVENTS = frozenset(
    f"os.{name}" for name in ["remove", "mkdir", "rmdir", "chmod", "rename", "link", "listdir", "scandir"]
) | {"open"}


class Disk:
    """What is under ``root``: counts its touches, and lets the ``nth`` fail (``lasting``: all from then on)."""

    root, left, error, lasting, touches = "/nowhere", 0, 0, False, 0

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = arguments[0] if event in _EVENTS and arguments else None
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if not text.startswith(self.root):
            return
        self.touches, self.left = self.touches + 1, self.left - 1
        if self.left == 0 or (self.lasting and self.left < 0):
            raise OSError(self.error, os.strerror(self.error), text)

    @contextmanager
    def failing(self, root: Path, nth: int, error: int, lasting: bool) -> Iterator[None]:
        self.root, self.left, self.error, self.lasting, self.touches = str(root), nth, error, lasting, 0
        try:
            yield
        finally:
            self.root = "/nowhere"


DISK = Disk()
sys.addaudithook(DISK.hear)


class Ground:
    """Three running pilots, one that ended, one that was killed; as often as it is wanted."""

    def __init__(self, folder: Path) -> None:
        self.place, self._copy = folder / "site", folder / "copy"
        self.place.mkdir()
        edge = FakeEdge(self.place)
        references = self.parts(edge).fleet.submit(WRAPPER, 5).references
        self.references = references
        self.parts(edge).fleet.kill(references[2:3])
        edge.advance(3000)
        edge.stop(references[4].removeprefix("cloud://"))
        edge.sky.look()
        self._sky = edge.sky
        shutil.copytree(self.place, self._copy)

    def parts(self, edge: FakeEdge) -> Parts:
        return edge.parts(Workspace_Installation="")

    def fresh(self) -> FakeEdge:
        shutil.rmtree(self.place)
        shutil.copytree(self._copy, self.place)
        edge = FakeEdge(self.place)
        edge.sky = copy.deepcopy(self._sky, {id(self._sky._lock): self._sky._lock})
        return edge

    def running(self, edge: FakeEdge) -> set[str]:
        return {vm.id for vm in edge.sky.living() if vm.state is State.RUNNING}

    def tried(self, verb: str, nth: int, error: int, lasting: bool) -> None:
        """One verb on a disk that fails, then cycles on one that does not."""
        edge = self.fresh()
        before = self.running(edge)
        with DISK.failing(self.place, nth, error, lasting):
            try:
                VERBS[verb](self, edge)
            except TfceError as caught:
                assert "\n" not in caught.message
        for _ in range(2):
            self.parts(edge).fleet.reap()
        doomed = {self.references[0].removeprefix("cloud://")} if verb == "kill" else set()
        assert before - doomed <= self.running(edge)
        assert_settled(self.parts(edge), edge)


VERBS: dict[str, Callable[[Ground, FakeEdge], object]] = {
    "submit": lambda ground, edge: ground.parts(edge).fleet.submit(WRAPPER, 2),
    "reap": lambda ground, edge: ground.parts(edge).fleet.reap(),
    "kill": lambda ground, edge: ground.parts(edge).fleet.kill(ground.references[:1]),
    "repair": lambda ground, edge: ground.parts(edge).fleet.repair(),
    "poll": lambda ground, edge: ground.parts(edge).fleet.poll(ground.references),
    "status": lambda ground, edge: ground.parts(edge).fleet.status(),
    "audit": lambda ground, edge: ground.parts(edge).fleet.audit(),
    "log": lambda ground, edge: ground.parts(edge).fleet.log(ground.references[0]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_disk_that_fails_anywhere(tmp_path: Path, verb: str) -> None:
    ground = Ground(tmp_path)
    edge = ground.fresh()
    with DISK.failing(ground.place, 0, 0, False):
        VERBS[verb](ground, edge)
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    dice, every = random.Random(seed), range(1, DISK.touches + 1)
    chosen = every if os.environ.get("ALL") else dice.sample(every, min(SAMPLE, len(every)))
    print(f"SEED={seed}: {verb} touches {len(every)} files, {len(chosen)} tried")
    for nth in chosen:
        ground.tried(verb, nth, dice.choice(TROUBLE), dice.random() < 0.5)
