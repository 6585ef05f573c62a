"""One base error; its children carry what they speak of. Pure: standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the input: the option, its value, the problem and the cure."""

    option: str
    value: str
    problem: str
    cure: str

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.option}{shown}: {self.problem}; {self.cure}"


class TfceError(Exception):
    """Base of all errors tfce raises on purpose. ``exit_code`` is the command line's (see README)."""

    exit_code = 3
    kind = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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


class TerraformError(TfceError):
    """Terraform is not to be had, or could not do what it was asked."""

    kind = "terraform"


class CloudError(TfceError):
    """The cloud refused or could not be reached; ``kind`` says which (see ``classify``)."""

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind or classify(message)


# What a cloud's words mean to the people who ask. First match wins: order from special to general.
_KINDS: tuple[tuple[str, str], ...] = (
    ("throttled", r"RequestLimitExceeded|Throttl|TooManyRequests|\b429\b|OverLimit|rate limit"),
    ("quota", r"quota|LimitExceeded|MaxSpotInstance|exceeded.*limit"),
    ("capacity", r"Insufficient\w*Capacity|No valid host|not enough hosts|capacity|Unsupported: .*zone"),
    (
        "authentication",
        r"AuthFailure|InvalidClientTokenId|SignatureDoesNotMatch|UnauthorizedOperation|InvalidCreds"
        r"|ExpiredToken|RequestExpired|\b401\b|Unauthorized|Authentication|credential",
    ),
    (
        "image",
        r"InvalidAMI|Instance_Image|requested image|Image .*(not found|could not)"
        r"|(?<![a-z])AMI(?![a-z])|imageRef|no results.*image|UnknownImage",
    ),
    ("flavor", r"Instance_Flavor|InvalidInstanceType|InvalidParameterValue.*instance.?type|flavor"),
    (
        "network",
        r"Instance_Networks|network information|InvalidSubnet|InvalidNetwork|InvalidGroup|subnet"
        r"|network .*not found",
    ),
    ("key pair", r"InvalidKeyPair|key ?pair|key_name"),
    ("context", r"user.?data"),
    (
        "unreachable",
        r"timed? ?out|timeout|refused|reset by peer|unreachable|resolve|connection|\bEOF\b|\b50[0234]\b"
        r"|InternalError|Unavailable",
    ),
)
_COMPILED = tuple((kind, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for kind, pattern in _KINDS)


# Kinds of failure that say the cloud has no room now; see Workspace_Cooldown.
NO_ROOM = ("quota", "capacity", "throttled")


def classify(text: str) -> str:
    """The kind of a cloud's error text: quota, throttled, capacity, authentication, image, flavor,
    network, key pair, context, unreachable, or "error" where the text tells nothing we know."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(text)), "error")


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret of four characters or more replaced by asterisks."""
    for secret in sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True):
        text = text.replace(secret, "****")
    return text


def shorten(text: str, limit: int = 400) -> str:
    """One line, cut in the middle: clouds echo whole requests in their errors."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit // 2]} … {line[-limit // 2 :]}"
