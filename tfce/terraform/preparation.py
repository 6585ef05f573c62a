"""The workspace's folder as Terraform needs it: the root module put there and initialised."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from contextlib import nullcontext
from pathlib import Path

from tfce.model.errors import TerraformError
from tfce.model.record import Operation
from tfce.provider.settings import FOLDER_OF, FolderOf
from tfce.store import files, locks
from tfce.store.shared_document import note_of
from tfce.terraform import pins, settings_guard, state, torn, variables
from tfce.terraform.modules import strangers
from tfce.terraform.providers import PLATFORM
from tfce.terraform.remote import BACKEND, DAMAGED, DEFAULT
from tfce.terraform.runs import FLAG, QUICK
from tfce.terraform.state_reader import StateReader, damaged, own_backend_fault

ADOPTION = "adopt.tf"
_BEGUN = "0" * 64  # the digest of an init that did not end: another one follows
_DIGESTS = re.compile(r"[0-9a-f]{64}( [0-9a-f]{64})?")


class Prepared(StateReader):
    """The root module in the workspace."""

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
            _leave_local_states(self._folder)
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
                own_backend_fault(self._queue.label, said)
                if path is None or not path.exists()
                else damaged(self._queue.label, said)
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


def _lock_digest(folder: Path) -> str:
    """Of Terraform's own file of what it has chosen: without it, or with another one, no run begins."""
    text = files.believed(folder / ".terraform.lock.hcl")
    return hashlib.sha256(text.encode()).hexdigest() if text is not None else ""


def _leave_local_states(folder: Path) -> None:
    """What Terraform kept here before the record was shared: its init would want to move that once more."""
    for path in files.listed(folder, "terraform.tfstate.d/*/terraform.tfstate") if note_of(folder) else ():
        torn.aside(path, ".moved")
