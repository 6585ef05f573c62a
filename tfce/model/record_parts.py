"""What a queue's record is made of besides its pilots. Pure: standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from tfce.model import fields
from tfce.model.endings import Ending
from tfce.model.pilot import timestamp
from tfce.model.reasons import Reason
from tfce.model.vm import State


class Operation(Enum):
    """What was begun on a queue and is not settled yet."""

    SUBMIT = "submit"
    REMOVE = "remove"
    REPAIR = "repair"
    SWITCH = "switch"  # another Terraform module takes the pilots over


@dataclass(frozen=True)
class Pending:
    """An operation that was on disk before the cloud was asked: ``keys`` are the pilots that it is about."""

    operation: Operation
    keys: frozenset[str]
    since: datetime

    def to_json(self) -> dict[str, Any]:
        """As it stands in the record."""
        since = timestamp(self.since)
        return {"operation": self.operation.value, "keys": sorted(self.keys), "since": since}

    @classmethod
    def from_json(cls, entry: Any) -> Pending:
        """The reverse; an operation that only a newer tfce knows is to be repaired. Raises ``ValueError`` for
        anything else."""
        fields.exactly(entry, ("operation", "keys", "since"))
        keys = entry["keys"]
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ValueError("the keys of a pending operation are no list of texts")
        word = fields.text(entry["operation"])
        known = next((one for one in Operation if one.value == word), Operation.REPAIR)
        return cls(known, frozenset(keys), fields.time(entry["since"]))


@dataclass(frozen=True)
class Tombstone:
    """A VM that is no longer wanted. ``id``: its instance id; ``state``: the pilot's last state, which later polls
    answer with; ``reason``: why; ``accepted``: the cloud took the request to destroy it, or it was
    gone; ``gone``: the cloud itself said that it does not exist any more; ``dismissed``: somebody decided that it
    ends. One that was only found gone, and is seen again, is not destroyed for that."""

    id: str
    key: str
    state: State
    reason: Ending
    when: datetime
    accepted: bool = False
    gone: bool = False
    dismissed: bool = True

    @property
    def final(self) -> bool:
        """Whether a poll may answer with the state without a look at the cloud: the VM had ended, or is gone."""
        return self.gone or self.state in (State.STOPPED, State.FAILED)

    def merged(self, later: Tombstone) -> Tombstone:
        """This one, and what has come of it since; when and why it was made stay."""
        return replace(
            self,
            accepted=self.accepted or later.accepted,
            gone=self.gone or later.gone,
            dismissed=self.dismissed or later.dismissed,
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in the record, by its ``id``."""
        return {
            "key": self.key,
            "state": self.state.value,
            "reason": self.reason.to_json(),
            "when": timestamp(self.when),
            "accepted": self.accepted,
            "gone": self.gone,
            "dismissed": self.dismissed,
        }

    @classmethod
    def from_json(cls, node: str, entry: Any) -> Tombstone:
        """The reverse. Raises ``ValueError`` for anything else."""
        fields.exactly(entry, ("key", "state", "reason", "when", "accepted", "gone", "dismissed"))
        return cls(
            id=fields.text(node),
            key=fields.text(entry["key"]),
            state=State(entry["state"]),
            reason=Ending.from_json(entry["reason"]),
            when=fields.time(entry["when"]),
            accepted=fields.flag(entry["accepted"]),
            gone=fields.flag(entry["gone"]),
            dismissed=fields.flag(entry["dismissed"]),
        )


@dataclass(frozen=True)
class Backoff:
    """How often in a row a submission found no room, why, and how long none is tried. ``rest``: seconds from
    ``since`` on; a clock that was wrong can make it no longer than that."""

    failures: int
    reason: Reason
    since: datetime
    rest: int

    def resting(self, now: datetime) -> bool:
        """Whether nothing is to be tried at ``now``."""
        return timedelta(0) <= now - self.since < timedelta(seconds=self.rest)

    @property
    def until(self) -> datetime:
        """When the next submission may be tried."""
        return self.since + timedelta(seconds=self.rest)

    def to_json(self) -> dict[str, Any]:
        """As it stands in the record."""
        numbers = {"failures": fields.bounded(self.failures), "rest": fields.bounded(self.rest)}
        return {**numbers, "reason": self.reason.to_json(), "since": timestamp(self.since)}

    @classmethod
    def from_json(cls, entry: Any) -> Backoff:
        """The reverse. Raises ``ValueError`` for anything else."""
        fields.exactly(entry, ("failures", "reason", "since", "rest"))
        return cls(
            fields.amount(entry["failures"]),
            Reason.from_json(entry["reason"]),
            fields.time(entry["since"]),
            fields.amount(entry["rest"]),
        )


@dataclass(frozen=True)
class Home:
    """Where a queue's VMs live: ``place``: cloud, region, endpoint, project of the options; ``account``: the
    cloud's own id of the account or project, "" while nobody has seen it."""

    place: str
    account: str = ""

    def same(self, other: Home) -> bool:
        """Whether VMs of the one can be seen from the other, as far as is known."""
        known = not self.account or not other.account or self.account == other.account
        return self.place == other.place and known

    def __str__(self) -> str:
        return f"{self.place} ({self.account})" if self.account else self.place

    @classmethod
    def from_json(cls, entry: Any) -> Home:
        """A home that a record holds. Raises ``ValueError`` for anything else."""
        fields.exactly(entry, ("place", "account"))
        return cls(fields.text(entry["place"]), fields.text(entry["account"]))
