"""Slots: how many Terraform runs share a host, and how many of one cloud.

A slot of the host is held for work: who waits for a cloud gives it to others meanwhile. A slot of the cloud is
held for the whole run, so that a cloud that hangs keeps back its own queues only, and so many processes at most.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tfce.model import fork
from tfce.model.errors import BusyError, TfceError
from tfce.model.trace import span
from tfce.store import locks

PATIENCE = 15.0  # seconds in which a Terraform run ends that waits for no cloud
_RETURN = 1 / 3  # of the patience, for a slot for who is back from a cloud; then its run goes on without
_MOST = 4  # times the number that is allowed
_LOOK, _LOOK_FIRST = 0.1, 0.02  # seconds between looks; who has begun comes first

Rest = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Slots:
    """``count`` slots for Terraform runs, in the files of ``folder`` that begin with ``name``.

    hazard: a ready-made provider asks the cloud where we cannot see it, and holds its slot while that hangs. So
    who has waited for ``patience`` seconds finds as many slots more, and so on, up to four times ``count``.
    """

    folder: Path
    count: int
    name: str = "slot"
    whose: str = ""
    patience: float = PATIENCE

    def take(self, deadline: float) -> locks.Release:
        """Hold a slot, and return what gives it back; waits until ``deadline``, then raises ``BusyError``."""
        began = time.monotonic()
        while (release := self.free(time.monotonic() - began)) is None:
            if time.monotonic() > deadline:
                waited = f"{time.monotonic() - began:.3g} s"
                raise BusyError(
                    f"{self.count} Terraform runs{self.whose} were under way for {waited}",
                    "nothing was changed, try again later or raise Terraform_MaxProcesses",
                )
            with span("pause", f"other queues' Terraforms{self.whose} are at work"):
                time.sleep(_LOOK)
        return release

    def free(self, waited: float) -> locks.Release | None:
        """Hold the first slot that nobody holds, for somebody who has ``waited`` so many seconds."""
        for number in range(self.count * min(1 + int(waited // self.patience), _MOST)):
            release = locks.free(self.folder / f"{self.name}-{number}.lock")
            if release is not None:
                return release
        return None


@dataclass
class _Held:
    """A slot of the host, as one run has it."""

    slots: Slots
    release: locks.Release | None
    over: bool = False
    resting: int = 0
    guard: fork.Lock = field(default_factory=fork.Lock)

    @contextmanager
    def rest(self) -> Iterator[None]:
        """The run only waits for its cloud: others may work. Threads of the run may rest at the same time."""
        with self.guard:
            self.resting += 1
            self._release()
        try:
            yield
        finally:
            with self.guard:
                self.resting -= 1
            self._back()

    def end(self) -> None:
        """The run is over."""
        with self.guard:
            self.over = True
            self._release()

    def _release(self) -> None:
        release, self.release = self.release, None
        if release is not None:
            release()

    def _back(self) -> None:
        # hazard: what the cloud was asked for must be written down, whatever becomes of the slots
        with suppress(OSError, TfceError):
            began = time.monotonic()
            while not self._taken(time.monotonic() - began):
                if time.monotonic() - began > self.slots.patience * _RETURN:
                    return
                time.sleep(_LOOK_FIRST)

    def _taken(self, waited: float) -> bool:
        with self.guard:
            if not (self.over or self.resting or self.release):
                self.release = self.slots.free(waited)
            return bool(self.over or self.resting or self.release)


@contextmanager
def slot(folder: Path, cloud: str, count: int, timeout: float, patience: float = PATIENCE) -> Iterator[Rest]:
    """Hold a slot of ``cloud`` and one of the host, ``count`` there are of each in ``folder``; yields what gives
    the latter to others while it lasts. Raises ``BusyError`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    digest = hashlib.sha256(cloud.encode()).hexdigest()[:12]
    own = Slots(folder, count, f"cloud-{digest}", " of this cloud", patience).take(deadline)
    try:
        host = Slots(folder, count, patience=patience)
        held = _Held(host, host.take(deadline))
        try:
            yield held.rest
        finally:
            held.end()
    finally:
        own()
