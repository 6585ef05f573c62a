"""Why a pilot is removed, as one fact. Pure: standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tfce.model import fields
from tfce.model.reasons import Reason


class Cause(Enum):
    """Why a pilot is removed. The value is the word for people."""

    STOPPED = "stopped"
    FAILED = "failed"
    STUCK = "stuck"
    OVERDUE = "overdue"
    DISMISSED = "dismissed"
    DUPLICATE = "duplicate"
    KILLED = "killed"
    DRAINED = "drained"
    GONE = "gone"
    TAKEN_AWAY = "taken away"  # by the cloud
    NEVER_CREATED = "never created"


@dataclass(frozen=True)
class Ending:
    """Why a pilot is removed. ``fault``: the cloud's own reason; ``state``: the cloud's word for a VM that hung;
    ``seconds``: the time that was passed. ``cause`` is None where an older tfce left words only: ``fault`` has
    them."""

    cause: Cause | None
    fault: Reason | None = None
    state: str = ""
    seconds: int = 0

    def __str__(self) -> str:
        if self.cause is Cause.STUCK and self.seconds:
            return f"failed: still {self.state or '-'} after {self.seconds} s"
        if self.cause is Cause.OVERDUE and self.seconds:
            return f"overdue: older than {self.seconds} s"
        told = [self.cause.value] if self.cause else []
        return ": ".join([*told, *([str(self.fault)] if self.fault else [])]) or "-"

    def to_json(self) -> dict[str, Any]:
        """As it stands in the record: the cause, and what there is to say beside it."""
        more = {"state": self.state, "seconds": fields.bounded(self.seconds)}
        return {
            "cause": self.cause.value if self.cause else None,
            **({"fault": self.fault.to_json()} if self.fault else {}),
            **{name: value for name, value in more.items() if value},
        }

    @classmethod
    def from_json(cls, value: Any) -> Ending:
        """The reverse; a mere text is what tfce wrote up to version 0.1, and a newer one's cause is read as such.
        Raises ``ValueError`` for anything else."""
        if isinstance(value, str):
            known = next((cause for cause in Cause if cause.value == value), None)
            return cls(known) if known else cls(None, Reason.from_json(value))
        blank = {"fault": None, "state": "", "seconds": 0}
        entry = {**blank, **fields.mapping(value)}
        fields.exactly(entry, ("cause", *blank))
        told = cls(None) if entry["cause"] is None else cls.from_json(fields.text(entry["cause"]))
        return cls(
            told.cause,
            told.fault if entry["fault"] is None else Reason.from_json(entry["fault"]),
            fields.text(entry["state"]),
            fields.amount(entry["seconds"]),
        )
