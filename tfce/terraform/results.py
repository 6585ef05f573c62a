"""What a run of Terraform came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tfce.model.reasons import Kind, Reason, Stopped


@dataclass
class Applied:
    """What an apply did: the ids of VMs that were made or taken over, as far as its provider told us (also where
    Terraform was killed before it could write them down); the reason of each pilot that failed, of the run as a
    whole (``cause``), and the provider's API calls.
    ``written``: the run went well, so that the state says of all its pilots what ``ids`` says."""

    ids: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Reason] = field(default_factory=dict)
    cause: Reason | None = None
    stopped: Stopped = Stopped.NO
    calls: Counter[str] = field(default_factory=Counter)
    written: bool = False

    def reason(self, otherwise: str) -> Reason:
        """Why pilots that nothing was said of do not exist; ``otherwise``: if nothing was said at all."""
        return self.cause or Reason(Kind.UNCLASSIFIED, otherwise)

    @property
    def trouble(self) -> str:
        """What the run as a whole failed of, or ""."""
        return self.cause.text if self.cause else ""


@dataclass(frozen=True)
class Step:
    """What Terraform says while it works: a resource's address, and "start", "complete" or "errored"."""

    address: str
    event: str

    def of(self, who: str) -> str:
        """The line for people, about ``who``."""
        return f"{who}: {self.event}"


@dataclass(frozen=True)
class Plan:
    """Terraform's plan as an operator reads it, and whether there is anything to do."""

    text: str
    empty: bool
