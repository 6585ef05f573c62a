"""What one pilot or VM of a queue can be, and the clocks that judge its age. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from tfce.model.pilot import Pilot
from tfce.model.record import Tombstone
from tfce.model.vm import VM, State

_TRUSTED = timedelta(minutes=10)  # clocks further apart than this decide nothing by age
_WORTH_SAYING = timedelta(minutes=1)


@dataclass(frozen=True)
class Instance:
    """What Terraform's state holds of a pilot: the VM's id, and whether Terraform would replace it (tainted)."""

    id: str
    tainted: bool = False


@dataclass(frozen=True)
class Rules:
    """The ages that say what a VM is, in seconds: ``max_lifetime`` of a pilot, ``create_timeout`` of a VM that
    boots, ``grace`` in which a new VM need not be listed yet."""

    max_lifetime: int = 1209600
    create_timeout: int = 600
    grace: int = 600

    @property
    def longest(self) -> int:
        """After so many seconds a pilot that was asked for has ended, whatever becomes of it."""
        return self.max_lifetime + self.create_timeout


@dataclass(frozen=True)
class Clocks:
    """The host's time, and the cloud's at the same moment, as far as it tells."""

    host: datetime
    cloud: datetime | None = None

    @property
    def skew(self) -> timedelta:
        """How far the host is ahead of the cloud; zero where the cloud does not tell its time."""
        return self.host - self.cloud if self.cloud else timedelta(0)

    @property
    def trusted(self) -> bool:
        """Whether anything may be decided by age."""
        return abs(self.skew) <= _TRUSTED

    @property
    def worth_saying(self) -> bool:
        """Whether somebody should synchronise the host's clock."""
        return abs(self.skew) > _WORTH_SAYING

    def older(self, seconds: int, requested_at: datetime | None, created: datetime | None) -> bool:
        """Whether something is older than ``seconds`` by every clock that speaks of it, and these can be trusted:
        the host's since ``requested_at``, the cloud's since ``created``."""
        ages = [self.host - requested_at] if requested_at else []
        ages += [min(self.host, self.cloud or self.host) - created] if created else []
        return self.trusted and bool(ages) and all(age > timedelta(seconds=seconds) for age in ages)

    @property
    def confirmed(self) -> bool:
        """Whether the cloud's clock confirms the host's. One clock alone ends nothing that runs."""
        return self.cloud is not None and self.trusted


class Condition(Enum):
    """What a pilot or VM is. The value is the word for people."""

    BOOTING = "booting"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"  # in a state that says neither that the pilot lives nor that it ended
    STUCK = "stuck"  # boots for longer than it may
    OVERDUE = "overdue"
    ENDED = "ended"
    FAILED = "failed"
    DISMISSED = "dismissed"  # its removal was decided, and it still exists
    DELETING = "deleting"
    NOT_LISTED = "not listed yet"  # young, or the list cannot be trusted
    ABSENT = "absent"  # not listed though it should be: the cloud must be asked for it by its id
    VANISHED = "vanished"  # the cloud itself says that it is gone
    NEVER_CREATED = "never created"
    STALE = "stale"  # only the state knows it, and the cloud does not
    DUPLICATE = "duplicate"  # another id with the key of a VM that the state knows
    DOUBTFUL = "doubtful"  # has the key of another VM, and it is not known which one is the pilot's
    FOREIGN = "foreign"  # of this CE and queue, but of another installation: never touched


LIVING = frozenset((Condition.BOOTING, Condition.HEALTHY, Condition.UNKNOWN))
# The cloud's list lacks its VM.
UNLISTED = (Condition.ABSENT, Condition.VANISHED)
_NO_ROOM_TAKEN = frozenset((Condition.VANISHED, Condition.NEVER_CREATED, Condition.STALE, Condition.FOREIGN))
ALIVE = frozenset((State.BOOTING, State.RUNNING, State.UNKNOWN))  # what may run a pilot


@dataclass(frozen=True)
class Case:
    """One pilot, or one VM that no pilot claims, and what it is. ``key``: the pilot's, or the name of a VM that
    has none; ``id``: of its VM, "" where none is known. ``pilot`` and ``instance`` are there only where they mean
    this very VM: what ends the case ends them, and nothing else."""

    key: str
    id: str
    condition: Condition
    pilot: Pilot | None = None
    instance: Instance | None = None
    vm: VM | None = None
    stone: Tombstone | None = None

    @property
    def recorded(self) -> bool:
        """Whether the record wants this very pilot."""
        return self.pilot is not None

    @property
    def occupies(self) -> bool:
        """Whether a VM exists, or may exist, that counts against the queue's limits."""
        return self.condition not in _NO_ROOM_TAKEN

    @property
    def failed(self) -> bool:
        """Whether the VM failed, or the cloud itself ended it."""
        return (
            self.vm is not None
            and self.condition in (Condition.FAILED, Condition.VANISHED)
            and self.vm.came_to is State.FAILED
        )

    @property
    def requested_at(self) -> datetime | None:
        """When the pilot was asked for, by the host's clock."""
        return self.pilot.requested_at if self.pilot else None
