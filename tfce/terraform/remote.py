"""States in a backend that hosts share, read and written by Terraform from a folder that holds nothing but the
backend's block."""

from __future__ import annotations

import copy
import json
import logging
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tfce.cloud import clean
from tfce.model.errors import BackendError, TfceError
from tfce.model.lease import MARGIN, BackendId, Sighting
from tfce.store import files, slots
from tfce.store.shared_document import BootClock, DamagedError, RefusedError, SleptError
from tfce.terraform import http_states, process, torn
from tfce.terraform.refusals import brief, is_foreign, refusal, trouble
from tfce.terraform.runs import FLAG, Runs

log = logging.getLogger("tfce")

BACKEND = "backend.tf.json"
# Terraform's init wants a workspace that is there; every other command makes its own.
DEFAULT = {"TF_WORKSPACE": "default"}
_REFUSED = re.compile(r"cannot import state|cannot overwrite existing state")
DAMAGED = re.compile(
    r"could not be (?:parsed as JSON|read:)|Unsupported state file format|unsupported state|state data in"
)
# Another host makes the same table, or a queue its state, at the same moment.
_MEANWHILE = re.compile(
    r"already exists|duplicate key|pq: .*\((?:42P06|42P07|23505)\)"
    r"|failed to lock (s3 )?state|Error acquiring the state lock"
)
_LOCKED = re.compile(r"(?:already locked:(?:\s|│|\\n)*ID=|Lock Info:(?:\s|│|\\n)+ID:\s+)([0-9a-zA-Z-]{8,64})")
_PATIENCE, _AGAIN = 15, 0.5  # seconds for another host's push, and between looks
_LOOKS = 3  # at what seems to be damaged, or is in a language that nobody here knows
_ANSWER, _PAUSE = 45.0, 20.0  # seconds for a backend's answer, and before the next try where there was none
# A push has ended by then, however it did; so its lock is nobody's.
_STALE = int(_ANSWER + process.INTERRUPT_GRACE + process.TERMINATE_GRACE) + MARGIN


def lock_in(ended: process.Ended) -> str:
    """The id of the lock that kept a run from its state, "" for none. An http backend's text names the holder's
    first, and then that of the run itself."""
    found = _LOCKED.search(clean.text(f"{ended.out}\n{ended.err}")) if ended.exit else None
    return found[1] if found else ""


class Remote(Runs):
    """One state in the backend: the queue's, or the ``suffix``'s beside it."""

    def __init__(self, *args: Any, suffix: str = "", ticks: BootClock | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._folder = self._workspace.private / "shared"
        self._state_name = f"{self._workspace.name}{suffix}"
        self._ticks = ticks or BootClock()
        self._silent: tuple[float, BackendError] | None = None

    @property
    def backend_id(self) -> BackendId:
        """Which backend it is in."""
        return self._backend.id

    def environment(self) -> dict[str, str]:
        """The backend's login, and no cloud's."""
        return {**self._own_environment(), **self._backend.environment}

    def _settings(self) -> dict[str, str]:
        """Runs so short would spend a quarter of their CPU on collecting Go's garbage."""
        return {**super()._settings(), "GOGC": "400"}

    def _slot(self) -> AbstractContextManager[slots.Rest]:
        """Short, and wanted by polls and by whoever holds a lease: no apply of another queue is waited for."""
        return nullcontext(nullcontext)

    def text(self) -> str:
        """The state; "" where there is none. A backend that does not answer is not asked again for a while."""
        if self._silent is not None and time.monotonic() < self._silent[0]:
            raise self._silent[1]
        try:
            self._ready()
            return self._asked("state pull").out
        except BackendError as error:
            self._silent = time.monotonic() + _PAUSE, error
            raise

    def write(self, text: str) -> None:
        """Put ``text`` there, if its number is higher than that of the state there and its lineage the same."""
        self._ready()
        path, began = self._folder / f"{self._state_name}.pushed", self._ticks.now()
        files.write(path, text, durable=False)
        try:
            self._asked("state push", path.name, lock_timeout="5s")
        finally:
            files.remove(path)
            if self._ticks.now() - began >= _STALE:  # hazard: S3 also takes what comes once the lock was broken
                problem = f"{self.backend_id}: this host slept while it wrote {self._state_name}"
                raise SleptError(f"{problem}, and another may have written meanwhile", "the next cycle goes on")

    def _ready(self) -> None:
        files.private_folder(self._folder)
        block = json.dumps(self._backend.block(), indent=2) + "\n"
        mark = self._folder / "initialised"
        known = f"{self.toolchain.program.argv} {self.toolchain.program.version} {block}"
        files.renew(self._folder / BACKEND, block)
        files.remove(self._folder / ".terraform.lock.hcl")  # of no provider: what lies there somebody else left
        if torn.forget(self._folder) or files.believed(mark) != known:
            files.remove(mark)  # one that is killed is followed by another
            self._asked("init", input=False, no_color=FLAG, reconfigure=FLAG, served=lambda: nullcontext(DEFAULT))
            files.write(mark, known)

    def _asked(
        self, command: str, *arguments: str, served: Callable[[], Any] = lambda: None, **options: Any
    ) -> process.Ended:
        """One run, again while another host is at it. What the backend refuses is told from a backend that does
        not answer, and what is damaged there from the half answer of a backend that dies meanwhile."""
        deadline, looks = time.monotonic() + _PATIENCE, _LOOKS
        while True:
            ended = self._run(command, *arguments, check=False, timeout=_ANSWER, served=served(), **options)
            if not ended.exit and not ended.stopped:
                return ended
            said = self._said(ended) or ended.how
            damaged = bool(DAMAGED.search(said))
            few = damaged or (is_foreign(said) and not _MEANWHILE.search(said))
            looks -= few
            passing = _MEANWHILE.search(said) and not refusal(said)
            again = looks > 0 if few else time.monotonic() < deadline and passing
            if not again:
                raise self._error(said)
            if self._is_stale(lock_in(ended)):
                self._break(lock_in(ended))
            time.sleep(_AGAIN)

    def _break(self, ident: str) -> None:
        """Take a lock away that is nobody's."""
        if self._backend.address and http_states.unlock(self._backend, self._state_name, ident):
            return
        ended = self._run("force-unlock", ident, force=FLAG, check=False)
        alone = self._backend.alone(self._state_name)
        if ended.exit and alone is not None:
            # hazard: on S3 Terraform first makes a state that is not there, and wants to lock it for that
            other = copy.copy(self)
            other._backend, other._folder = alone, self._folder / "alone"
            other._ready()
            other._run("force-unlock", ident, force=FLAG, check=False, served=nullcontext(DEFAULT))

    def _error(self, said: str) -> TfceError:
        if _REFUSED.search(said):
            return RefusedError(said)
        if DAMAGED.search(said):
            cure = f"restore {self._state_name} there from a copy, or remove it there and run `tfce repair"
            problem = f"{self.backend_id}: the state {self._state_name} is damaged ({said}); no pilot was touched"
            return DamagedError(problem, f"{cure} {self._queue.label}`")
        found = trouble(said)
        where = f"[{self._backend.name}] of Terraform_BackendFile = {self._queue.terraform.backend_file}"
        return BackendError(f"{self.backend_id} {found.problem}: {brief(said)}", found.cure.format(where=where))

    def _is_stale(self, ident: str) -> bool:
        """Whether a lock's holder is gone: this host has seen that lock for longer than a push may take."""
        if not ident:
            return False
        path, now = self._folder / f"{self._state_name}.locked", self._ticks.now()
        before, boot = _sighting(path), self._ticks.boot()
        if before is None or (before.mark, before.boot) != (ident, boot) or before.since > now:
            files.write_json(path, vars(before := Sighting(ident, boot, now)))
        return now - before.since >= _STALE


def _sighting(path: Path) -> Sighting | None:
    try:
        return Sighting(**files.believed_json(path))
    except TypeError:
        return None
