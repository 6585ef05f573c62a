"""Runs of Terraform in one queue's workspace, each bounded.

python-terraform serves for putting commands together, which it does soundly; its way of running them
(no environment per call, no time-out, no stream, values in its log) is why ``process`` does that here.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from python_terraform import IsFlagged
from python_terraform import Terraform as Commands

from tfce.cloud import clean
from tfce.config.backends import LOCAL, Backend
from tfce.config.credentials import Credentials, base_environment, terraform_environment
from tfce.config.options import Queue
from tfce.model.errors import TerraformError, shorten
from tfce.model.reasons import Kind, Reason, Stopped
from tfce.model.redact import redacted
from tfce.model.trace import span
from tfce.store import slots
from tfce.store.workspace import Workspace
from tfce.terraform import process, settings_guard, toolchain
from tfce.terraform.modules import Module, module_for
from tfce.terraform.run_lock import run_lock, write_holder

log = logging.getLogger("tfce")

FLAG = IsFlagged  # an option without a value
QUICK = 120.0  # seconds for runs that ask no cloud
# Read from memory for the count, and kept nowhere: the log holds user data in clear.
_MEMORY = "120MiB"  # from which on Go collects garbage sooner: beside 10 000 pilots 50 MB less, and some CPU more
_COUNTING = {"TF_LOG": "DEBUG", "TF_LOG_CORE": "OFF", "TF_LOG_PROVIDER": "DEBUG", "OS_DEBUG": "1"}


class Runs:
    """Terraform's program, its settings and one run of it."""

    def __init__(
        self,
        workspace: Workspace,
        credentials: Credentials,
        announce: Callable[[str], None] = log.info,
        token: Callable[[], str] = str,
        backend: Backend | None = None,
    ) -> None:
        self._workspace = workspace
        self._queue: Queue = workspace.queue
        self._folder = workspace.private
        self._credentials = credentials
        self._announce = announce
        self._token = token
        self._backend = backend or Backend(LOCAL)
        self._state_name = workspace.name
        self._chosen: toolchain.Toolchain | None = None
        self.started: Counter[str] = Counter()  # runs of Terraform so far, by command
        self.module: Module = module_for(self._queue)

    @property
    def toolchain(self) -> toolchain.Toolchain:
        """The program and provider in use; chosen, and announced, at the first look."""
        if self._chosen is None:
            self._chosen, news = toolchain.decide(self._queue, self.module)
            for line in news:
                self._announce(line)
        return self._chosen

    def _settings(self) -> dict[str, str]:
        return {
            "TF_CLI_CONFIG_FILE": str(self.toolchain.cli_config),
            **self._backend.settings(self._state_name),
            settings_guard.SETTING: self._workspace.name,
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "GOMEMLIMIT": _MEMORY,
        }

    def environment(self) -> dict[str, str]:
        """The environment of a run: only what Terraform needs, and the credentials."""
        credentials = terraform_environment(self._queue, self._credentials, self._token)
        return {**self._own_environment(), **credentials, **self._backend.environment}

    def _own_environment(self) -> dict[str, str]:
        return {**base_environment(), **self._settings()}

    @property
    def _is_shared(self) -> bool:
        return self._backend.name != LOCAL

    def _run(
        self,
        command: str,
        *arguments: str,
        timeout: float = QUICK,
        grace: Callable[[], float] = process.interrupt_grace,
        on_line: Callable[[str], None] = lambda line: None,
        check: bool = True,
        count: bool = False,
        served: contextlib.AbstractContextManager[Mapping[str, str]] | None = None,
        on_slot: Callable[[slots.Rest], None] = lambda rest: None,
        **options: Any,
    ) -> process.Ended:
        """One run. ``served``: what goes on beside it, and what its environment gets of that; ``on_slot`` hears
        how the run's slot is given to others while it waits for the cloud."""
        self._may(command)
        with self._alone() as handle, self._slot() as rest, served or contextlib.nullcontext({}) as extra:
            on_slot(rest)
            self.started[command] += 1
            environment = {**self.environment(), **(_COUNTING if count else {}), **extra}
            line = self._command_line(command, *arguments, **options)
            with span("process", f"terraform {command}") as facts:
                ended = self._ended(
                    line, handle, environment=environment, timeout=timeout, grace=grace, on_line=on_line
                )
                facts["exit"] = ended.exit
        if ended.stopped is Stopped.INTERRUPTED and command != "apply":
            raise KeyboardInterrupt  # an apply's caller first finds out what it made
        if check and (ended.exit or ended.stopped):
            raise self._failure(command, ended, timeout)
        return ended

    def _failure(self, command: str, ended: process.Ended, timeout: float | None = None) -> TerraformError:
        reason = self._ending(command, ended, timeout)
        return TerraformError(f"terraform {command}: {reason.text}", reason.cure)

    def _ending(self, command: str, ended: process.Ended, timeout: float | None = None) -> Reason:
        """Why a run did not come to a good end; ``timeout`` None: the option's."""
        if ended.stopped is Stopped.INTERRUPTED:
            return Reason(Kind.STOPPED, "Terraform interrupted")
        if ended.stopped and timeout not in (None, self._queue.terraform.timeout):
            return Reason(Kind.TIMED_OUT, f"Terraform timed out after {timeout:g} s", cure="try again later")
        if ended.stopped:
            option = f"Terraform_Timeout = {self._queue.terraform.timeout:g}"
            cure = f"`tfce doctor {self._queue.label}` looks at network and cloud; or raise Terraform_Timeout"
            return Reason(Kind.TIMED_OUT, f"{option}: Terraform timed out", cure=cure)
        return Reason(Kind.UNCLASSIFIED, self._said(ended) or f"terraform {command} {ended.how}")

    def _may(self, command: str) -> None:
        """Raise ``BusyError`` where another host may be at work on what ``command`` changes."""

    def _command_line(self, command: str, *arguments: str, **options: Any) -> list[str]:
        program = self.toolchain.program.argv
        commands = Commands(terraform_bin_path=program[-1])
        return [*program[:-1], *commands.generate_cmd_string(command, *arguments, **options)]

    def _ended(self, line: list[str], handle: int, **how: Any) -> process.Ended:
        held = functools.partial(write_holder, handle)
        try:
            ended = process.run(line, folder=self._folder, keep_open=[handle], on_start=held, **how)
        except OSError as error:
            problem = f"terraform: {line[0]} cannot be run ({error.strerror})"
            raise TerraformError(problem, "install it again, or name another with Terraform_Binary") from None
        held(None)
        return ended

    def _alone(self) -> contextlib.AbstractContextManager[int]:
        return run_lock(self._folder, self._queue.label, self._queue.workspace.lock_timeout)

    def _slot(self) -> contextlib.AbstractContextManager[slots.Rest]:
        queue = self._queue
        folder, most = queue.workspace.root / "terraform", queue.terraform.max_processes
        return slots.slot(folder, queue.endpoint.api, most, queue.terraform.timeout)

    # -- words ----

    def _masked(self, text: str) -> str:
        """Terraform's text without secrets, colour codes and what else moves a terminal."""
        return redacted(clean.text(text), self._credentials.secrets())

    def _clean(self, text: str) -> str:
        return clean.line(shorten(self._masked(text)))

    def _said(self, ended: process.Ended) -> str:
        """The errors in a run's output, without frames and debug lines. A run that was killed could say none."""
        if ended.exit < 0:
            return ""
        lines = clean.text(ended.err).splitlines()
        if any(line[:4].isdigit() for line in lines):  # a log, whose records run over lines and hold user data
            lines = [line for line in lines if line.startswith(("Error", "│"))]
        lines = [line.strip("╷│╵ ") for line in lines]
        text = " ".join(filter(None, lines)) or " ".join(ended.out.split())
        return self._clean(text.partition("Error: ")[2] or text)
