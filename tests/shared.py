"""A backend for tests: texts in files, each replaced under a lock if its number is lower and its lineage the same,
as Terraform does it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfce.model.errors import BackendError
from tfce.model.lease import BackendId
from tfce.store.shared_document import RefusedError, Revision, SleptError


class FileDocumentStore:
    """One text in ``path``. ``down``: whether the backend does not answer; ``lost``: how many of the next answers
    to a push get lost, though it was carried out. ``pushes`` and ``pulls`` are counted. ``asleep``: what happens
    while the next push sleeps between its look and its write, as it may on S3."""

    def __init__(self, path: Path) -> None:
        self.path, self.backend_id = path, BackendId("file", f"{path.parent.parent.name}/{path.parent.name}")
        self.down, self.lost, self.pushes, self.pulls = False, 0, 0, 0
        self.before_push: Callable[[], object] = lambda: None
        self.asleep: Callable[[], None] | None = None

    def pull(self) -> Revision | None:
        """What is there now."""
        self.pulls += 1
        with self._locked():
            return self._held()

    def push(self, held: Revision) -> None:
        """Replace what is there."""
        self.before_push()
        self.pushes += 1
        if self.asleep is not None:
            self._slept(held)
        with self._locked():
            there = self._held()
            if there and (there.lineage != held.lineage or there.serial >= held.serial):
                raise RefusedError("cannot import state")
            number = held.serial + (1 if there else 0)  # as Terraform does
            self.path.write_text(json.dumps({"serial": number, "lineage": held.lineage, "text": held.text}))
        if self.lost:
            self.lost -= 1
            raise BackendError("the answer was lost")

    def _slept(self, held: Revision) -> None:
        meanwhile, self.asleep = self.asleep, None
        assert meanwhile is not None
        meanwhile()
        late = {"serial": held.serial + 1, "lineage": held.lineage, "text": held.text}
        self.path.write_text(json.dumps(late))
        raise SleptError("this host slept while it wrote")

    def _held(self) -> Revision | None:
        return Revision(**json.loads(self.path.read_text())) if self.path.exists() else None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self.down:
            raise BackendError(f"{self.backend_id} does not answer")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


class BootClock:
    """A machine's own clock that moves when told to."""

    def __init__(self) -> None:
        self.seconds, self.starts = 1000.0, 1

    def now(self) -> float:
        """Seconds since the start."""
        return self.seconds

    def boot(self) -> str:
        """Which start."""
        return f"start {self.starts}"
