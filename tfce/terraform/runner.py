"""The Terraform edge: what one queue's workspace can be asked, each as one bounded run.

python-terraform serves for putting commands together, which it does soundly; its way of running them
(no environment per call, no time-out, no stream, values in its log) is why ``process`` does that here.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import logging
import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged
from python_terraform import Terraform as Commands

from tfce.cloud.factory import explanations
from tfce.config.credentials import Credentials, base_environment, terraform_environment
from tfce.config.options import Queue
from tfce.model.errors import BusyError, TerraformError, shorten
from tfce.model.reasons import Kind, Reason
from tfce.model.reconcile import Instance
from tfce.model.record import Operation
from tfce.model.redact import redacted
from tfce.store import files, locks
from tfce.store.workspace import Workspace
from tfce.terraform import process, state, toolchain, variables
from tfce.terraform.calls import count_calls
from tfce.terraform.modules import Module, module_for, option_of, strangers
from tfce.terraform.variables import to_hcl

log = logging.getLogger("tfce")

_QUICK = 120.0  # seconds for runs that ask no cloud
_ADOPTION = "adopt.tf"
_ENDED = {"interrupted": Kind.STOPPED, "timed out": Kind.TIMED_OUT}
_ABOUT = {
    "Instance_Image": Kind.IMAGE,
    "Instance_Flavor": Kind.FLAVOR,
    "Instance_Networks": Kind.NETWORK,
    "Terraform_SecurityGroups": Kind.NETWORK,
}
_DIGESTS = re.compile(r"[0-9a-f]{64}( [0-9a-f]{64})?")


@dataclass
class Applied:
    """What an apply did: the ids of VMs that were made or taken over, as far as its provider told us (also where
    Terraform was killed before it could write them down); the reason of each pilot that failed, of the run as a
    whole (``trouble``, or "", and its ``cause``, where a diagnostic told it), and the provider's API calls."""

    ids: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Reason] = field(default_factory=dict)
    trouble: str = ""
    cause: Reason | None = None
    stopped: str = ""
    calls: Counter[str] = field(default_factory=Counter)

    def reason(self, otherwise: str) -> Reason:
        """Why pilots that nothing was said of do not exist; ``otherwise``: if nothing was said at all."""
        return self.cause or Reason(_ENDED.get(self.stopped, Kind.UNCLASSIFIED), self.trouble or otherwise)


@dataclass(frozen=True)
class Plan:
    """Terraform's plan as an operator reads it, and whether there is anything to do."""

    text: str
    empty: bool


class Terraform:
    """Terraform in one queue's workspace. All methods but ``plan`` want the workspace's lock held."""

    def __init__(
        self,
        workspace: Workspace,
        credentials: Credentials,
        announce: Callable[[str], None] = log.info,
        token: Callable[[], str] = str,
    ) -> None:
        self._workspace = workspace
        self._queue: Queue = workspace.queue
        self._folder = workspace.private
        self._credentials = credentials
        self._announce = announce
        self._token = token
        self._chosen: toolchain.Toolchain | None = None
        self.started: Counter[str] = Counter()  # runs of Terraform so far, by command
        self.module: Module = module_for(self._queue)
        self._explain = explanations(self._queue.endpoint)

    @property
    def batch_limit(self) -> int:
        """How many VMs one API call may start: 1 where each has its own."""
        return 1

    @property
    def waits(self) -> bool:
        """Whether an apply ends only when its VMs run, or failed."""
        return True

    # -- preparation ---------------------------------------------------------------------------------------

    @property
    def toolchain(self) -> toolchain.Toolchain:
        """The program and provider in use; chosen, and announced, at the first look."""
        if self._chosen is None:
            self._chosen, news = toolchain.decide(self._queue, self.module)
            for line in news:
                self._announce(line)
        return self._chosen

    def prepare(self) -> None:
        """Put the root module into the workspace and initialise it, if that has not been done yet."""
        source = self.module.folder
        texts = {path.name: files.read(path) or "" for path in sorted(source.glob("*.tf"))}
        if not texts:
            raise TerraformError(f"{source}: the root module is missing; reinstall tfce")
        digest = hashlib.sha256(json.dumps([texts, self.toolchain.fingerprint]).encode()).hexdigest()
        mark = self._folder / ".terraform" / "tfce-initialised"
        files.remove(self._folder / _ADOPTION)
        known, pilots, written = self._mark(mark)
        if known and pilots != self.module.resource:
            self._hand_over()
        for name in set(written) - set(texts):
            files.remove(self._folder / name)
        for name, text in texts.items():
            files.renew(self._folder / name, text)
        variables.write(self._workspace)  # for this module's
        self._write_environment()
        if known != f"{digest} {self._lock_digest()}":
            self._initialise()
            files.write(mark, "\n".join([f"{digest} {self._lock_digest()}", self.module.resource, *texts]))

    def _mark(self, path: Path) -> tuple[str, str, list[str]]:
        """What was initialised here: its digest, its resource, its files. Empty where that cannot be believed."""
        known, pilots, *written = [*(files.believed(path) or "").split("\n"), "", ""]
        written = [name for name in written if name.endswith(".tf") and "/" not in name]
        return (known, pilots, written) if _DIGESTS.fullmatch(known) else ("", "", [])

    def _lock_digest(self) -> str:
        """Of Terraform's own file of what it has chosen: without it, or with another one, no run begins."""
        text = files.believed(self._folder / ".terraform.lock.hcl")
        return hashlib.sha256(text.encode()).hexdigest() if text is not None else ""

    def _initialise(self) -> None:
        files.private_folder(self._folder / ".terraform")
        # Providers are linked or downloaded into a cache that does not bear two writers.
        with locks.exclusive(self._queue.workspace.root / "terraform" / "init.lock", _QUICK * 5, "terraform init"):
            files.remove(self._folder / ".terraform.lock.hcl")
            self._run("init", input=False, no_color=IsFlagged, timeout=_QUICK * 5)
            (self._folder / ".terraform.lock.hcl").chmod(files.PRIVATE_FILE)
        self._begin()

    def _begin(self) -> None:
        """What a module needs once, after it was put into the workspace."""

    def _hand_over(self) -> None:
        """Another module served this queue: take its pilots out of the state. Their VMs stay; the intent lets
        the next cycle take them into the state again, as pilots of this module."""
        others = strangers(self._state(), self.module)
        if others:
            record = self._workspace.load()
            keys = [key for keys in others.values() for key in keys]
            self._workspace.save(record.begin(Operation.SWITCH, keys, datetime.now(UTC)))
            self._run("state rm", *others, backup=str(self._folder / "before-switch.tfstate"), lock_timeout="10s")

    def _write_environment(self) -> None:
        lines = [
            "# For bare terraform in this folder: `. ./env.sh`. No secret in here; export your credentials.\n"
        ]
        lines += [f"export {name}={shlex.quote(value)}\n" for name, value in self._settings().items()]
        files.renew(self._folder / "env.sh", "".join(lines))

    def _settings(self) -> dict[str, str]:
        return {
            "TF_CLI_CONFIG_FILE": str(self.toolchain.cli_config),
            "TF_WORKSPACE": self._workspace.name,
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    def environment(self) -> dict[str, str]:
        """The environment of a run: only what Terraform needs, and the credentials."""
        credentials = terraform_environment(self._queue, self._credentials, self._token)
        return {**base_environment(), **self._settings(), **credentials}

    # -- verbs ---------------------------------------------------------------------------------------------

    def apply(self, keys: Collection[str], progress: Callable[[str], None] = lambda text: None) -> Applied:
        """Create the VMs of ``keys``, which the record lists. Nothing else is looked at or touched: no
        refresh, no work that grows with the pilots that already run."""
        applied = Applied()

        def on_line(line: str) -> None:
            self._take(line, applied, progress)

        ended = self._apply(keys, on_line=on_line, count=True)
        applied.calls = count_calls(ended.err.splitlines())
        return self._judged(applied, ended)

    def _judged(self, applied: Applied, ended: process.Ended) -> Applied:
        """``applied`` with what the end of its run says."""
        applied.stopped = ended.stopped
        if ended.stopped:
            applied.trouble = f"Terraform {ended.stopped}"
        elif ended.exit < 0 or (ended.exit and not applied.failed and not applied.trouble):
            applied.trouble = self._said(ended) or f"terraform apply {ended.how}"
        return applied

    def _apply(self, keys: Collection[str], **how: Any) -> process.Ended:
        return self._run(
            "apply",
            json=IsFlagged,
            auto_approve=IsFlagged,
            input=False,
            refresh=False,
            lock_timeout="10s",
            parallelism=self._queue.terraform.parallelism,
            target=self.module.targets(keys),
            timeout=self._queue.terraform.timeout,
            check=False,
            **how,
        )

    def _take(
        self, line: str, applied: Applied, progress: Callable[[str], None], known: Collection[str] = ()
    ) -> None:
        """One line of an apply. ``known``: summaries of diagnostics that say nothing new."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        if event.get("type") == "diagnostic":
            diagnostic = event.get("diagnostic") or {}
            if diagnostic.get("summary") in known:
                return
            text = self._clean(self.module.reason(diagnostic))
            key = self.module.culprit(diagnostic)
            if key:
                applied.failed.setdefault(key, self._explain(text))
            elif event.get("@level") == "error" and not applied.trouble:
                applied.trouble, applied.cause = text, self._explain(text)
                self._look_up(diagnostic, applied)
        elif event.get("type") in ("apply_start", "apply_complete", "apply_errored"):
            address = ((event.get("hook") or {}).get("resource") or {}).get("addr", "")
            with contextlib.suppress(OSError):  # a closed terminal must not leave Terraform alone at work
                progress(f"{self.module.key(address) or address}: {event['type'].partition('_')[2]}")

    def _look_up(self, diagnostic: Mapping[str, Any], applied: Applied) -> None:
        """Say what an error is about that came of looking a name up."""
        option = option_of(diagnostic.get("address") or "")
        if option is None or applied.cause is None or applied.cause.kind is not Kind.UNCLASSIFIED:
            return
        value = self._queue.values()[option]
        shown = ", ".join(value) if isinstance(value, tuple) else value
        applied.trouble = f"{option} = {shown}: {applied.trouble}"
        applied.cause = Reason(_ABOUT[option], applied.trouble)

    def instances(self) -> dict[str, Instance]:
        """The pilots in the Terraform state, by key."""
        if not self._folder.is_dir():
            return {}  # nothing was ever submitted from here
        self._push_left_over()
        try:
            return self.module.instances(self._state())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(str(error)) from None

    def _push_left_over(self) -> None:
        """The state could not be written at the end of an apply: it is in a file of its own."""
        left = self._folder / "errored.tfstate"
        if not left.exists():
            return
        try:
            whole = state.read(left)
        except state.DamagedStateError:
            whole = {}
        if whole:
            self._run("state push", left.name)
        else:  # the disk was full for it, too
            log.warning("%s: %s is damaged and is put aside", self._queue.label, left)
        left.rename(left.with_suffix(".pushed" if whole else ".damaged"))

    def _state(self) -> state.State:
        """The state, while no Terraform is at work. Without a process where it is a file of the workspace."""
        path = state.file(self._folder, self._workspace.name)
        try:
            if path is None:
                return state.parse(self._run("state pull").out)
            with self._alone():
                return state.read(path)
        except state.DamagedStateError as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, why: str) -> TerraformError:
        return TerraformError(f"{self._queue.label}: the Terraform state is damaged ({why}); {self._mend}")

    def adopt(self, ids: Mapping[str, str]) -> None:
        """Take VMs that exist into the state, all in one run: ``{key: instance id}``, keys in the record."""
        if not ids:
            return
        blocks = [
            f"import {{\n  to = {self.module.address(key)}\n  id = {to_hcl(node_id)}\n}}\n"
            for key, node_id in sorted(ids.items())
        ]
        files.write(self._folder / _ADOPTION, "\n".join(blocks))
        try:
            self._run(
                "apply",
                auto_approve=IsFlagged,
                input=False,
                no_color=IsFlagged,
                lock_timeout="10s",
                target=[self.module.address(key) for key in ids],
                timeout=self._queue.terraform.timeout,
            )
        finally:
            files.remove(self._folder / _ADOPTION)

    def forget(self, keys: Collection[str]) -> None:
        """Take pilots out of the state, in one run and without asking the cloud. Unknown keys are no error."""
        known = self.instances()
        addresses = [self.module.address(key) for key in keys if key in known]
        if addresses:
            self._run("state rm", *addresses, backup=str(self._folder / "before-rm.tfstate"), lock_timeout="10s")

    def untaint(self, keys: Collection[str]) -> None:
        """Say that these pilots are well: Terraform would else want to replace them."""
        for key in keys:
            self._run("untaint", self.module.address(key), lock_timeout="10s")

    def plan(self, refresh: bool = True) -> Plan:
        """The plan of the whole workspace, as bare ``terraform plan`` shows it. Writes nothing."""
        return self._plan(refresh)

    def _plan(self, refresh: bool, **how: Any) -> Plan:
        ended = self._run(
            "plan",
            input=False,
            no_color=IsFlagged,
            detailed_exitcode=IsFlagged,
            refresh=refresh,
            lock=False,
            timeout=self._queue.terraform.timeout,
            check=False,
            **how,
        )
        if ended.exit not in (0, 2):
            raise TerraformError(f"terraform plan: {self._said(ended) or ended.how}")
        return Plan(self._masked(ended.out), ended.exit == 0)

    # -- running -------------------------------------------------------------------------------------------

    def _run(
        self,
        command: str,
        *arguments: str,
        timeout: float = _QUICK,
        on_line: Callable[[str], None] = lambda line: None,
        check: bool = True,
        count: bool = False,
        served: contextlib.AbstractContextManager[Mapping[str, str]] | None = None,
        **options: Any,
    ) -> process.Ended:
        """One run. ``served``: what goes on beside it, and what its environment gets of that."""
        program = self.toolchain.program.argv
        line: list[str] = Commands(terraform_bin_path=program[-1]).generate_cmd_string(
            command, *arguments, **options
        )
        # Read from memory for the count, and kept nowhere: the log holds user data in clear.
        counting = {"TF_LOG": "DEBUG", "TF_LOG_CORE": "OFF", "TF_LOG_PROVIDER": "DEBUG", "OS_DEBUG": "1"}
        more = served or contextlib.nullcontext({})
        with self._alone() as handle, self._slot(), more as extra:
            self.started[command] += 1
            try:
                ended = process.run(
                    [*program[:-1], *line],
                    folder=self._folder,
                    environment={**self.environment(), **(counting if count else {}), **extra},
                    timeout=timeout,
                    keep_open=[handle],
                    on_start=functools.partial(_write_down, handle),
                    on_line=on_line,
                )
                _write_down(handle, None)
            except OSError as error:
                raise TerraformError(
                    f"terraform {command}: {program[0]} cannot be run ({error.strerror}); install it again, or "
                    "name another with Terraform_Binary"
                ) from None
        if ended.stopped == "interrupted" and command != "apply":
            raise KeyboardInterrupt  # an apply's caller first finds out what it made
        if check and (ended.exit or ended.stopped):
            raise TerraformError(f"terraform {command}: {self._said(ended) or ended.how}")
        return ended

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """Hold the file that every Terraform of this queue holds, also one whose tfce was killed: the lock
        lives as long as the last process that has the file open."""
        path = self._folder / "terraform.lock"
        files.clear(path)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, files.PRIVATE_FILE)
        try:
            # A ready-made provider whose Terraform is gone would hold the lock for ever.
            if not _locked(handle, self._queue.workspace.lock_timeout) and not (
                _end_left_over(handle) and _locked(handle, process.TERMINATE_GRACE)
            ):
                raise BusyError(
                    f"{self._queue.label} is busy: a Terraform of an earlier cycle is still at work "
                    f"(it holds {path}); nothing was changed, try again later"
                )
            yield handle
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        folder = self._queue.workspace.root / "terraform"
        with locks.slot(folder, self._queue.terraform.max_processes, self._queue.terraform.timeout):
            yield

    # -- words ---------------------------------------------------------------------------------------------

    @property
    def _mend(self) -> str:
        label = self._queue.label
        return f"no pilot was touched; run `tfce repair {label}` to rebuild it from the record and the cloud"

    def _masked(self, text: str) -> str:
        return redacted(text, self._credentials.secrets())

    def _clean(self, text: str) -> str:
        return shorten(self._masked(text))

    def _said(self, ended: process.Ended) -> str:
        """The errors in a run's output, without frames and debug lines. A run that was killed could say none."""
        if ended.exit < 0:
            return ""
        lines = ended.err.splitlines()
        if any(line[:4].isdigit() for line in lines):  # a log, whose records run over lines and hold user data
            lines = [line for line in lines if line.startswith(("Error", "│"))]
        lines = [line.strip("╷│╵ ") for line in lines]
        text = " ".join(filter(None, lines)) or " ".join(ended.out.split())
        return self._clean(text.partition("Error: ")[2] or text)


def _locked(handle: int, patience: float) -> bool:
    """Whether the file could be locked within ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _write_down(handle: int, pid: int | None) -> None:
    """Say in the lock's file which Terraform holds it. A full disk is no reason to stop."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(pid or "").encode(), 0)


def _end_left_over(handle: int) -> bool:
    """Where the Terraform that took the lock is gone, and only what it started still holds it: kill that."""
    text = os.pread(handle, 20, 0)
    pid = int(text) if text.isdigit() else 0
    if pid <= 1 or process.at_work(pid):
        return False
    process.end_group(pid)  # its number stays taken as long as one of its group lives
    return True
