"""One base error; its children carry what they speak of. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tfce.model.reasons import Kind, Reason, with_cure


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the input: the option, its value, the problem and the cure."""

    option: str
    value: str
    problem: str
    cure: str

    @property
    def text(self) -> str:
        """What is wrong, without the cure."""
        shown = f" = {self.value}" if self.value else ""
        return f"{self.option}{shown}: {self.problem}"

    def __str__(self) -> str:
        return f"{self.text}; {self.cure}"


class TfceError(Exception):
    """Base of all errors tfce raises on purpose. ``problem`` says what is wrong, ``cure`` what to do, where that
    is known; ``message`` is both. ``exit_code`` is the command line's (see README); ``slip``: of whoever asked,
    which says nothing of the queue."""

    exit_code = 3
    kind = "error"
    slip = False

    def __init__(self, problem: str, cure: str = "") -> None:
        self.problem, self.cure = problem, cure
        self.message = with_cure(problem, cure)
        super().__init__(self.message)


class ConfigError(TfceError):
    """The configuration is wrong. ``faults`` holds every fault that was found, not only the first."""

    exit_code = 2
    kind = "configuration"

    def __init__(self, option: str, value: str, problem: str, cure: str) -> None:
        self._hold((Fault(option, value, problem, cure),))

    def _hold(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        lines = [str(fault) for fault in faults]
        TfceError.__init__(self, lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines))

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> ConfigError:
        """One error for all ``faults`` (at least one)."""
        error = cls.__new__(cls)
        error._hold(tuple(faults))
        return error


class WorkspaceError(TfceError):
    """A file of the workspace cannot be read, written or believed. Nothing was changed."""

    exit_code = 2
    kind = "workspace"


class BusyError(TfceError):
    """Somebody else holds the queue's workspace. Nothing was changed."""

    exit_code = 4
    kind = "busy"


class BackendError(TfceError):
    """The backend that hosts share a queue's record in could not be reached, or did not do what it was asked. That
    says nothing of the record: it is never taken for damage."""

    kind = "backend"


class TerraformError(TfceError):
    """Terraform is not to be had, or could not do what it was asked."""

    kind = "terraform"


class DamagedStateError(TerraformError):
    """Terraform's state of the pilots cannot be believed; it can be made again from the record and the cloud."""


class CloudError(TfceError):
    """The cloud refused or could not be reached; ``reason`` says why, ``kind`` is its word. ``said``: the cloud's
    own part of the message, "" where it said nothing."""

    def __init__(
        self, message: str, kind: str | Kind = Kind.UNCLASSIFIED, *, reason: Reason | None = None, said: str = ""
    ) -> None:
        self.reason, self.said = reason or Reason(Kind(kind), message), said
        super().__init__(message, self.reason.cure)
        self.kind = self.reason.kind.value


def shorten(text: str, limit: int = 400) -> str:
    """One line, cut in the middle: clouds echo whole requests in their errors."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit // 2]} … {line[-limit // 2 :]}"
