"""The state of a queue's pilots as Terraform has it: read, checked, and brought to its place where it was left."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfce.model.errors import DamagedStateError, TerraformError
from tfce.model.reconcile import Instance
from tfce.model.trace import phase
from tfce.store import files
from tfce.store.shared_document import BootClock
from tfce.terraform import state, torn
from tfce.terraform.remote import Remote
from tfce.terraform.runs import Runs

log = logging.getLogger("tfce")

_WRITING = frozenset(("apply", "import", "state push", "state rm", "untaint", "force-unlock"))


class StateReader(Runs):
    """The state in the workspace, or in the backend that hosts share."""

    ticks: BootClock | None = None  # by which a lock in a shared backend gets old; None: the machine's

    # A state that hosts share, as it was read last: while this host has the turn nobody else writes it.
    _seen: state.State | None = None

    @functools.cached_property
    def _remote(self) -> Remote:
        """The state where several hosts reach it."""
        ticks, backend = self.ticks, self._backend
        return Remote(self._workspace, self._credentials, self._announce, backend=backend, ticks=ticks)

    def _may(self, command: str) -> None:
        if command in _WRITING:
            self._seen = None
            self._workspace.check_lease()

    def instances(self) -> dict[str, Instance]:
        """The pilots in the Terraform state, by key."""
        if not self._folder.is_dir():
            return {}  # nothing was ever submitted from here
        self._ready_state_files()
        self._push_left_over()
        try:
            return self.module.instances(self._state())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self._queue.label, str(error)) from None

    def whole(self) -> state.State:
        """The state as it is; empty where there is none."""
        return self._state()

    def _ready_state_files(self) -> None:
        """What Terraform could not read to its end, or write: it keeps the state before its last change, and who
        locks it, beside the state."""
        path = state.file(self._folder, self._workspace.name)
        if path is not None:
            torn.clear(path.with_name(f"{path.name}.backup"))
            torn.clear(path.with_name(f".{path.name}.lock.info"))
            with _believed(self._queue.label):
                state.check(path)

    @property
    def _left_over(self) -> Path:
        """Where Terraform puts a state that it cannot write to its place."""
        return self._folder / "errored.tfstate"

    def _push_left_over(self) -> None:
        """The state could not be written at the end of an apply: it is in a file of its own."""
        left = self._left_over
        if not os.path.lexists(left):
            return
        if self._is_shared:  # others went on meanwhile; the record and the VMs' tags say what it says
            torn.aside(left, ".aside")
            return
        try:
            whole = state.read(left)
        except state.UnreadableStateError:
            whole = {}
        if not whole:  # the disk was full for it, too
            log.warning("%s: %s is damaged and is put aside", self._queue.label, left)
            torn.aside(left, ".damaged")
        elif self._is_news(left, whole):
            self._run("state push", left.name)
            torn.aside(left, ".pushed")
        else:
            log.warning("%s: %s is older than the state and is put aside", self._queue.label, left)
            torn.aside(left, ".older")

    def _is_news(self, left: Path, whole: state.State) -> bool:
        """Whether what is ``left`` comes after the state. Where half of it had been written it has the state's
        serial, with which Terraform takes no other state."""
        known = self._state()
        if (
            known
            and whole["lineage"] == known["lineage"]
            and whole["serial"] == known["serial"]
            and whole != known
        ):
            files.write(left, json.dumps({**whole, "serial": known["serial"] + 1}))
            return True
        return not known or (whole["lineage"] == known["lineage"] and whole["serial"] >= known["serial"])

    @phase("read the state")
    def _state(self) -> state.State:
        """The state, while no Terraform is at work. Without a process where it is a file of the workspace."""
        path = None if self._is_shared else state.file(self._folder, self._workspace.name)
        with _believed(self._queue.label):
            if self._is_shared:
                with self._alone():
                    self._seen = state.parse(self._remote.text())
                    return self._seen
            if path is None:
                return state.parse(self._pulled())
            with self._alone():
                return state.read(path)

    def _pulled(self) -> str:
        """The state where the module itself says that it is. Whatever Terraform could not do has one cure."""
        with self._alone():  # while an init is at work it is half written, too
            if torn.is_torn(torn.choice(self._folder)):
                raise state.UnreadableStateError("which backend was chosen is written down in half")
        ended = self._run("state pull", check=False)
        if ended.exit or ended.stopped:
            raise own_backend_fault(self._queue.label, self._said(ended) or ended.how)
        return ended.out


def own_backend_fault(label: str, said: str) -> TerraformError:
    """The error of a module of one's own whose backend gives no state; ``said``: by Terraform."""
    cure = f"what is damaged there restore from a copy, or remove there and run `tfce repair {label}`"
    problem = f"{label}: the module's own backend of Terraform gives no state: {said}"
    return TerraformError(problem, f"see that this host reaches it; {cure}")


@contextmanager
def _believed(label: str) -> Iterator[None]:
    """Say what cannot be read as a damaged state of the queue ``label``."""
    try:
        yield
    except state.UnreadableStateError as error:
        raise damaged(label, str(error)) from None


def damaged(label: str, why: str) -> DamagedStateError:
    """The error of a state that cannot be read."""
    return DamagedStateError(
        f"{label}: the Terraform state is damaged ({why}); no pilot was touched",
        f"run `tfce repair {label}` to rebuild it from the record and the cloud",
    )
