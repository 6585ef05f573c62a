"""What happens to the cases of a queue. Pure: each verb is a policy over the same cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tfce.model.drain import Drain
from tfce.model.endings import Cause, Ending
from tfce.model.reconcile import DELETING_LIMIT, LIVING, Case, Clocks, Condition
from tfce.model.record import Tombstone
from tfce.model.vm import VM, State

# A sweep may always end this many living VMs; above it, only the share that the queue allows.
FREE_REMOVALS = 10


class Verb(Enum):
    """What is done about a case."""

    KEEP = "keep"
    ADOPT = "adopt"  # into the record and the state, whichever lacks it
    LOOK_UP = "look up"  # ask the cloud for the VM by its id
    UNTAINT = "untaint"
    FORGET = "forget"  # take it out of the record and the state
    DESTROY = "destroy"  # and forget it


@dataclass(frozen=True)
class Action:
    """One thing to do about one case; ``cause`` of those that end something."""

    verb: Verb
    case: Case
    cause: Cause | None = None

    @property
    def ends_a_living_vm(self) -> bool:
        """Whether this may end a pilot that still runs, and was not decided before."""
        return self.verb is Verb.DESTROY and self.case.condition in _MAY_RUN

    @property
    def last_state(self) -> State:
        """The pilot's state after this, which later polls answer with."""
        if self.case.condition is Condition.VANISHED and self.case.vm is not None:
            return self.case.vm.came_to
        return _LAST.get(self.case.condition, State.DELETED)


_MAY_RUN = (Condition.OVERDUE, Condition.STUCK, Condition.DUPLICATE)
_LAST = {Condition.ENDED: State.STOPPED, Condition.FAILED: State.FAILED, Condition.STUCK: State.FAILED}

Decision = Callable[[Case, Clocks], tuple[Verb, Cause | None]]

_KEEP: tuple[Verb, Cause | None] = (Verb.KEEP, None)
_DESTROYS: Mapping[Condition, Cause] = {
    Condition.ENDED: Cause.STOPPED,
    Condition.FAILED: Cause.FAILED,
    Condition.STUCK: Cause.STUCK,
    Condition.OVERDUE: Cause.OVERDUE,
    Condition.DISMISSED: Cause.DISMISSED,
    Condition.DUPLICATE: Cause.DUPLICATE,
}
_FORGETS: Mapping[Condition, Cause] = {
    Condition.VANISHED: Cause.GONE,
    Condition.STALE: Cause.GONE,
    Condition.NEVER_CREATED: Cause.NEVER_CREATED,
}


def sweep(case: Case, clocks: Clocks) -> tuple[Verb, Cause | None]:
    """What ``reap`` does about a case."""
    if case.condition in _DESTROYS:
        return Verb.DESTROY, _DESTROYS[case.condition]
    if case.condition is Condition.DELETING:
        return _asked_again(case, clocks)
    return _taken_in(case)


def settle(case: Case, clocks: Clocks) -> tuple[Verb, Cause | None]:
    """What a submission does about what an earlier cycle left: it takes in what lives, forgets what is not there,
    and ends only what failed before anybody knew it. The rest is the sweep's."""
    complete = case.recorded and case.instance is not None and not case.instance.tainted
    if case.condition is Condition.FAILED and not complete:
        return Verb.DESTROY, Cause.FAILED
    if case.condition in (Condition.ENDED, Condition.STUCK, Condition.OVERDUE):
        return _adopted(case)
    return _taken_in(case)


def _taken_in(case: Case) -> tuple[Verb, Cause | None]:
    if case.condition in LIVING:
        return _adopted(case)
    if case.condition in _FORGETS:
        return Verb.FORGET, _FORGETS[case.condition]
    return (Verb.LOOK_UP, None) if case.condition is Condition.ABSENT else _KEEP


def _adopted(case: Case) -> tuple[Verb, Cause | None]:
    if case.vm is None or not _keyed(case):
        return _KEEP  # another computing element's, or renamed: it has no key to be adopted by
    in_record = case.pilot is not None and case.pilot.id == case.id
    if not in_record or case.instance is None or case.instance.id != case.id:
        return Verb.ADOPT, None
    return (Verb.UNTAINT, None) if case.instance.tainted else _KEEP


def _keyed(case: Case) -> bool:
    known = case.instance is not None or case.stone is not None or case.recorded
    return known or (case.vm is not None and case.vm.key is not None)


def _asked_again(case: Case, clocks: Clocks) -> tuple[Verb, Cause | None]:
    asked, ended = case.stone.when if case.stone else None, case.vm.ended if case.vm else None
    late = clocks.older(DELETING_LIMIT, asked, None if asked else ended)
    return (Verb.DESTROY, Cause.DISMISSED) if late else _KEEP


def plan(cases: Iterable[Case], decide: Decision, clocks: Clocks) -> list[Action]:
    """What ``decide`` (``sweep`` or ``settle``) does about the cases; nothing about those that are well."""
    actions = [Action(verb, case, cause) for case in cases for verb, cause in (decide(case, clocks),)]
    return [action for action in actions if action.verb is not Verb.KEEP]


def due(cases: Collection[Case], drain: Drain | None, clocks: Clocks) -> list[Action]:
    """All that a sweep acts on, and an audit shows."""
    return plan(cases, sweep, clocks) + drained(cases, drain, clocks)


def drained(cases: Iterable[Case], drain: Drain | None, clocks: Clocks) -> list[Action]:
    """The removals that the deadline of ``drain`` asks for, once it has passed by a clock that can be trusted."""
    if drain is None or drain.deadline is None or not clocks.trusted or clocks.host < drain.deadline:
        return []
    return [Action(Verb.DESTROY, case, Cause.DRAINED) for case in cases if _meant(case, drain, clocks)]


def _meant(case: Case, drain: Drain, clocks: Clocks) -> bool:
    if case.condition not in LIVING or case.vm is None or not (case.recorded or case.instance):
        return False
    images = {case.vm.spec.image, case.pilot.spec.image if case.pilot else ""}
    old = not drain.older_than or clocks.older(drain.older_than, case.requested_at, case.vm.created)
    return old and (not drain.image or drain.image in images)


def within_budget(actions: Iterable[Action], alive: int, share: float) -> tuple[list[Action], list[Action]]:
    """Split ``actions`` into those that one sweep may do and those that it holds back.

    Only those that may end a running pilot are limited: a wrong lifetime must not end a whole queue in one sweep.
    ``alive``: how many VMs run; ``share`` (0 to 1): the part that one sweep may end.
    """
    limit = max(FREE_REMOVALS, math.floor(alive * share))
    done: list[Action] = []
    held: list[Action] = []
    ends = 0
    for action in actions:
        over = action.ends_a_living_vm and ends >= limit
        ends += action.ends_a_living_vm and not over
        (held if over else done).append(action)
    return done, held


# -- small policies: a poll's word, the room that is taken -----------------------------------------------------


def word(case: Case) -> str | None:
    """DIRAC's word for a pilot that is polled; None: nobody can tell now, it keeps its state."""
    if case.condition is Condition.VANISHED:
        came_to = case.vm.came_to if case.vm else State.DELETED
        return (case.stone.state if case.stone else came_to).value
    if case.condition in _GOES_ON:
        return (case.vm.state if case.vm else State.RUNNING).word
    return _WORDS.get(case.condition)


# Not ended yet, whatever was decided of it.
_GOES_ON = (
    Condition.HEALTHY,
    Condition.UNKNOWN,
    Condition.OVERDUE,
    Condition.DISMISSED,
    Condition.DELETING,
    Condition.DUPLICATE,
    Condition.DOUBTFUL,
)
_WORDS = {
    Condition.BOOTING: "Waiting",
    Condition.STUCK: "Failed",
    Condition.FAILED: "Failed",
    Condition.ENDED: "Done",
}


@dataclass(frozen=True)
class Occupancy:
    """How many VMs of a queue boot and run, as its limits count them."""

    waiting: int
    running: int

    @property
    def total(self) -> int:
        """What counts against MaxTotalJobs."""
        return self.waiting + self.running


_WAITING = (Condition.BOOTING, Condition.NOT_LISTED)
_OVER = (Condition.ENDED, Condition.FAILED, Condition.STUCK)


def occupancy(cases: Collection[Case]) -> Occupancy:
    """The room that the cases take."""
    present = [case for case in cases if case.occupies and case.condition not in _OVER]
    waiting = sum(1 for case in present if case.condition in _WAITING)
    return Occupancy(waiting, len(present) - waiting)


def lived(vm: VM | None, requested_at: datetime | None, now: datetime) -> int | None:
    """How many seconds a VM existed: from its creation (else its pilot's request) to its end, as the cloud tells,
    else to ``now``. None where nobody can tell."""
    born = (vm.created if vm else None) or requested_at
    gone = vm is None or vm.state is State.DELETED
    end = (vm.ended if vm else None) or (None if gone else now)
    return max(0, int((end - born).total_seconds())) if born and end else None


def tombstone(action: Action, reason: Ending, now: datetime) -> Tombstone:
    """What is remembered of a VM that ``action`` removes, or forgets because the cloud says that it is gone."""
    case, when = action.case, now.replace(microsecond=0)
    gone = action.verb is Verb.FORGET
    return Tombstone(case.id, case.key, action.last_state, reason, when, gone=gone, dismissed=not gone)
