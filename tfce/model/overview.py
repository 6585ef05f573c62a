"""One queue at a glance, and whether it needs a person. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from tfce.model.allocation import Balance
from tfce.model.case import UNLISTED
from tfce.model.drain import Drain
from tfce.model.hold import Hold, HoldKind
from tfce.model.reasons import with_cure
from tfce.model.record_parts import Backoff, Pending
from tfce.model.review import ReviewStatus

_SWEEPS = timedelta(hours=24)  # a SiteDirector sweeps every few minutes
_UNSETTLED = timedelta(hours=1)
_HELD = timedelta(hours=3)  # no verb takes that long
_FAILURES = 5  # submissions in a row without room
# Why a submission fails, and the next one need not: everything else wants a person.
_PASSING = frozenset(("quota", "capacity", "throttled", "not granted", "unreachable", "busy", "timed out"))


class Urgency(Enum):
    """How urgent a queue is, the worst first. The value is the word for people and programs."""

    PERSON = "needs you"
    HELD = "held"  # starts no pilots: a rest, a limit or an operator; it goes on by itself, or somebody wanted it
    NOTE = "note"  # something is worth knowing; it starts pilots, and nobody has to do anything
    WELL = "ok"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Urgency).index(self)


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be; ``person``: it does not pass by itself; ``kind``: of the error that
    says so, "" where none does."""

    text: str
    cure: str = ""
    person: bool = True
    kind: str = ""

    def __str__(self) -> str:
        return with_cure(self.text, self.cure)


@dataclass(frozen=True)
class LockHolder:
    """Who holds the queue's lock: in words, and since when."""

    who: str
    since: datetime


@dataclass(frozen=True)
class QueueFacts:
    """What is known of a queue. ``pilots``: how many are what; ``error``: why no more is known; ``errors``: by
    verb, kind and words of why it failed last; ``succeeded`` and ``swept``: when pilots were last submitted and
    removed as they should; ``oldest``: when the first of its pilots was asked for; ``spent``: how each allocation
    stands; ``cost``: of this month, where prices are known; ``review``: how a reviewed queue stands; ``more``:
    what other parts find."""

    label: str
    cloud: str = ""
    pilots: Mapping[str, int] = field(default_factory=dict)
    wanted: int = 0
    oldest: datetime | None = None
    total: int | None = None
    waiting: int | None = None
    hold: Hold | None = None
    backoff: Backoff | None = None
    protected: bool = False
    drain: Drain | None = None
    pending: Pending | None = None
    holding: LockHolder | None = None
    skewed: bool = False
    succeeded: datetime | None = None
    swept: datetime | None = None
    error: Problem | None = None
    errors: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    spent: tuple[Balance, ...] = ()
    cost: Balance | None = None
    review: ReviewStatus | None = None
    more: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class QueueStatus:
    """A queue with its troubles, the worst first."""

    facts: QueueFacts
    problems: tuple[Problem, ...]

    @property
    def urgency(self) -> Urgency:
        """How urgent it is."""
        if any(one.person for one in self.problems):
            return Urgency.PERSON
        if self.facts.hold is not None:
            return Urgency.HELD
        return Urgency.NOTE if self.problems else Urgency.WELL

    @property
    def order(self) -> tuple[int, str]:
        """Where it stands among the others."""
        return self.urgency.rank, self.facts.label


def assessed(facts: QueueFacts, now: datetime) -> QueueStatus:
    """What a person should know of a queue."""
    found = [
        *_errors(facts),
        *_holds(facts, now),
        *stuck(facts, now),
        *unswept(facts, now),
        *_unlisted(facts),
        *facts.more,
    ]
    return QueueStatus(facts, tuple(sorted(found, key=lambda one: not one.person)))


def _errors(facts: QueueFacts) -> Iterator[Problem]:
    if facts.error is not None:
        yield facts.error
    if facts.skewed:
        yield Problem(
            "the host's clock and the cloud's disagree: nothing is removed for its age", "synchronise it"
        )
    for verb, (kind, words) in sorted(facts.errors.items()):
        if facts.error is not None and kind == facts.error.kind:
            continue  # it is the same thing, which goes on
        if verb == "submit" or (facts.error is None and verb in ("reap", "kill")):
            yield Problem(f"the last {verb} failed ({kind}): {words}", person=kind not in _PASSING)


def _holds(facts: QueueFacts, now: datetime) -> Iterator[Problem]:
    label, hold, drain = facts.label, facts.hold, facts.drain
    if hold is not None:
        endless = facts.backoff is not None and facts.backoff.failures >= _FAILURES
        person = hold.kind in (HoldKind.PROTECTED, HoldKind.UNAPPROVED) or (
            hold.kind is HoldKind.RESTING and endless
        )
        yield Problem(hold.text, hold.cure, person)
    left = sum(number for kind, number in facts.pilots.items() if kind in ("healthy", "booting"))
    if drain and drain.deadline and drain.deadline + _UNSETTLED < now and left and not drain.image:
        yield Problem(f"{left} VMs outlived the drain's deadline", f"`tfce reap {label}` removes them")


def stuck(facts: QueueFacts, now: datetime) -> Iterator[Problem]:
    """What keeps every verb from the queue, or was left half done."""
    label, pending, holding = facts.label, facts.pending, facts.holding
    if holding is not None and holding.since + _HELD < now:
        yield Problem(f"{holding.who} holds the queue's lock", "look whether that process is stuck")
    elif pending is not None and holding is None and pending.since + _UNSETTLED < now:
        what = f"a {pending.operation.value} of {len(pending.keys)} pilots was begun and never settled"
        yield Problem(what, f"`tfce reap {label}` settles it")
    elif pending is not None and holding is None:
        text = f"a {pending.operation.value} of {len(pending.keys)} pilots is not settled yet"
        yield Problem(text, "the next cycle does it", person=False)


def _unlisted(facts: QueueFacts) -> Iterator[Problem]:
    """Pilots whose VMs somebody removed, or that the list lacks."""
    gone = sum(facts.pilots.get(condition.value, 0) for condition in UNLISTED)
    if gone:
        yield unlisted(facts.label, gone)


def unlisted(label: str, number: int) -> Problem:
    """That ``number`` pilots of the queue have no VM in the cloud's list."""
    cure = f"`tfce reap {label}` asks for each, and forgets those that are gone"
    return Problem(f"{number} pilots' VMs are not listed any more", cure, person=False)


def unswept(facts: QueueFacts, now: datetime) -> Iterator[Problem]:
    """That nobody removes what has ended. A queue that was never swept is new while its oldest pilot is."""
    since = facts.swept or facts.oldest
    if not facts.wanted or facts.error is not None or since is None:
        return
    if since + (_SWEEPS if facts.swept else _UNSETTLED) < now:
        when = "was never swept" if facts.swept is None else "was not swept for a day"
        cure = f"look whether SiteDirector runs; `tfce reap {facts.label}` does it now"
        yield Problem(f"{when}: VMs that ended stay", cure, person=since + _SWEEPS < now)
