"""The workspace's folder as Terraform needs it: the root module put there and initialised, the state read."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tfce.model.errors import DamagedStateError, TerraformError
from tfce.model.reconcile import Instance
from tfce.model.record import Operation
from tfce.model.trace import phase
from tfce.provider.settings import FOLDER_OF, FolderOf
from tfce.store import files, locks
from tfce.store.shared_document import BootClock
from tfce.terraform import pins, settings_guard, state, torn, variables
from tfce.terraform.modules import strangers
from tfce.terraform.providers import PLATFORM
from tfce.terraform.remote import BACKEND, DAMAGED, DEFAULT, Remote
from tfce.terraform.runs import FLAG, QUICK, Runs

log = logging.getLogger("tfce")

ADOPTION = "adopt.tf"
_WRITING = frozenset(("apply", "import", "state push", "state rm", "untaint", "force-unlock"))
_BEGUN = "0" * 64  # the digest of an init that did not end: another one follows
_DIGESTS = re.compile(r"[0-9a-f]{64}( [0-9a-f]{64})?")


class Prepared(Runs):
    """The root module in the workspace, and what the state there says."""

    ticks: BootClock | None = None  # by which a lock in a shared backend gets old; None: the machine's

    # A state that hosts share, as it was read last: while this host has the turn nobody else writes it.
    _seen: state.State | None = None

    def prepare(self) -> None:
        """Put the root module into the workspace and initialise it, if that has not been done yet."""
        self._seen = None
        source = self._workspace.module_folder or self.module.folder
        texts = {path.name: files.read(path) or "" for path in sorted(source.glob("*.tf"))}
        if not texts:
            raise TerraformError(f"{source}: the root module is missing", "reinstall tfce")
        self._ready_state_files()
        was_torn = torn.forget(self._folder)
        texts[settings_guard.FILE] = settings_guard.guard(self._workspace.name, self._settings()["TF_WORKSPACE"])
        if self._is_shared:
            texts[BACKEND] = json.dumps(self._backend.block(), indent=2) + "\n"
        elif os.path.lexists(self._folder / BACKEND):  # it was shared once
            files.remove(torn.choice(self._folder))
            files.remove(self._folder / BACKEND)
        digest = hashlib.sha256(json.dumps([texts, self.toolchain.fingerprint]).encode()).hexdigest()
        mark = self._folder / ".terraform" / "tfce-initialised"
        files.remove(self._folder / ADOPTION)
        known, pilots, written = self._mark(mark)
        if known and pilots != self.module.resource:
            self._hand_over()
        for name in set(written) - set(texts):
            files.remove(self._folder / name)
        for name, text in texts.items():
            files.renew(self._folder / name, text)
        variables.write(self._workspace)  # for this module's
        self._write_environment()
        if was_torn or known != f"{digest} {_lock_digest(self._folder)}":
            files.private_folder(mark.parent)
            files.write(mark, "\n".join([_BEGUN, self.module.resource, *texts]))
            self._initialise(anew=was_torn)
            files.write(mark, "\n".join([f"{digest} {_lock_digest(self._folder)}", self.module.resource, *texts]))

    def _may(self, command: str) -> None:
        if command in _WRITING:
            self._seen = None
            self._workspace.check_lease()

    def _mark(self, path: Path) -> tuple[str, str, list[str]]:
        """What was initialised here: its digest, its resource, its files. Empty where that cannot be believed."""
        known, pilots, *written = [*(files.believed(path) or "").split("\n"), "", ""]
        written = [name for name in written if name.endswith((".tf", BACKEND)) and "/" not in name]
        return (known, pilots, written) if _DIGESTS.fullmatch(known) else ("", "", [])

    def _initialise(self, anew: bool) -> None:
        # Providers are linked or downloaded into a cache that does not take two writers.
        with locks.exclusive(self._queue.workspace.root / "terraform" / "init.lock", QUICK * 5, "terraform init"):
            provider, lock = self.toolchain.provider, self._folder / ".terraform.lock.hcl"
            pins.keep(lock, provider.source, provider.version, provider.folder, PLATFORM)
            # Terraform's init wants a workspace that is there; every other command makes its own.
            served = nullcontext(DEFAULT) if self._is_shared else None
            changes = {"reconfigure": FLAG} if self._is_shared or anew else {}
            how = {"input": False, "no_color": FLAG, "timeout": QUICK * 5, **changes}
            ended = self._run("init", check=False, served=served, **how)
            if ended.exit or ended.stopped:
                raise self._uninitialised(self._said(ended) or ended.how)
            lock.chmod(files.PRIVATE_FILE)
        self._begin()

    def _uninitialised(self, said: str) -> TerraformError:
        """Why an init failed. It reads the state, too."""
        if not self._is_shared and DAMAGED.search(said):
            path = state.file(self._folder, self._workspace.name)
            return (
                _own_backend(self._queue.label, said)
                if path is None or not path.exists()
                else _damaged(self._queue.label, said)
            )
        return TerraformError(f"terraform init: {said}")

    def _begin(self) -> None:
        """What a module needs once, after it was put into the workspace."""

    def _hand_over(self) -> None:
        """Another module served this queue: take its pilots out of the state. Their VMs stay; the intent lets
        the next cycle take them into the state again, as pilots of this module."""
        others = strangers(self._state(), self.module)
        if others:
            record = self._workspace.load()
            keys = [key for keys in others.values() for key in keys]
            self._workspace.save(record.begin(Operation.SWITCH, keys, self._workspace.clock()))
            self._run("state rm", *others, backup=str(self._folder / "before-switch.tfstate"), lock_timeout="10s")

    def _write_environment(self) -> None:
        lines = [
            "# For bare terraform in this folder: `. ./env.sh`. No secret in here; export your credentials.\n"
        ]
        lines += [f"export {name}={shlex.quote(value)}\n" for name, value in self._settings().items()]
        files.renew(self._folder / "env.sh", "".join(lines))
        whose = FolderOf(self._workspace.name, self._settings()["TF_WORKSPACE"])
        files.renew(self._folder / FOLDER_OF, whose.to_json())

    # -- the state ----

    @functools.cached_property
    def _remote(self) -> Remote:
        """The state where several hosts reach it."""
        ticks, backend = self.ticks, self._backend
        return Remote(self._workspace, self._credentials, self._announce, backend=backend, ticks=ticks)

    def instances(self) -> dict[str, Instance]:
        """The pilots in the Terraform state, by key."""
        if not self._folder.is_dir():
            return {}  # nothing was ever submitted from here
        self._ready_state_files()
        self._push_left_over()
        try:
            return self.module.instances(self._state())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(self._queue.label, str(error)) from None

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
            raise _own_backend(self._queue.label, self._said(ended) or ended.how)
        return ended.out


def _own_backend(label: str, said: str) -> TerraformError:
    cure = f"what is damaged there restore from a copy, or remove there and run `tfce repair {label}`"
    problem = f"{label}: the module's own backend of Terraform gives no state: {said}"
    return TerraformError(problem, f"see that this host reaches it; {cure}")


def _lock_digest(folder: Path) -> str:
    """Of Terraform's own file of what it has chosen: without it, or with another one, no run begins."""
    text = files.believed(folder / ".terraform.lock.hcl")
    return hashlib.sha256(text.encode()).hexdigest() if text is not None else ""


@contextmanager
def _believed(label: str) -> Iterator[None]:
    """Say what cannot be read as a damaged state of the queue ``label``."""
    try:
        yield
    except state.UnreadableStateError as error:
        raise _damaged(label, str(error)) from None


def _damaged(label: str, why: str) -> DamagedStateError:
    return DamagedStateError(
        f"{label}: the Terraform state is damaged ({why}); no pilot was touched",
        f"run `tfce repair {label}` to rebuild it from the record and the cloud",
    )
