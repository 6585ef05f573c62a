"""Why a queue has no pilots that match jobs, as far as it can be told: the first cause counts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from tfce.model.case import UNLISTED, Case, Condition
from tfce.model.console import Markers
from tfce.model.health import Health
from tfce.model.hold import Hold, HoldKind
from tfce.model.overview import Problem, unlisted
from tfce.model.reasons import Kind, Reason, with_cure


class Subject(Enum):
    """What a finding is about; the value is the word for programs."""

    CLOUD = "cloud"
    HELD = "held"
    FAILED = "failed VMs"
    START_UP = "start-up"
    ENDS = "pilots that ended"
    SUBMISSION = "last submission"
    BOOTING = "booting"
    PREFLIGHT = "preflight"
    DEMAND = "demand"
    REVIEW = "review"
    STUCK = "stuck"
    NOT_SWEPT = "not swept"


@dataclass(frozen=True)
class Finding:
    """One thing that keeps pilots from matching, and what to do about it."""

    subject: Subject
    text: str
    cure: str = ""

    def __str__(self) -> str:
        return with_cure(self.text, self.cure)


@dataclass(frozen=True)
class Facts:
    """What is known of a queue. ``label``: CE/QUEUE; ``held``: what keeps it from starting pilots; ``trouble``:
    why the cloud gave no list; ``markers``: of the consoles of pilots that run, by key; ``failed``: why pilots of
    the last submission did not start, ``created``: how many others did; ``error``: kind and words of why it asked
    nothing; ``faults``: what a preflight found wrong (subject, cure); ``review``: what people should know of its
    approval; ``demand``: what DIRAC says, where it is at hand; ``stuck``: what keeps every verb from the queue, or
    was left half done; ``unswept``: that nobody removes what has ended, or that it cannot be."""

    label: str
    held: Hold | None = None
    trouble: CloudTrouble | None = None
    cases: Collection[Case] = ()
    markers: Mapping[str, Markers] = field(default_factory=dict)
    health: Health = field(default_factory=Health)
    failed: Mapping[str, Reason] = field(default_factory=dict)
    submitted: datetime | None = None
    faults: Collection[tuple[str, str]] = ()
    review: Collection[str] = ()
    demand: Demand | None = None
    created: int = 0
    error: tuple[str, str] | None = None
    stuck: Collection[Problem] = ()
    unswept: Collection[Problem] = ()


@dataclass(frozen=True)
class Demand:
    """What DIRAC knows: how many jobs wait, and how many of these the queue's pilots may take."""

    waiting: int
    matching: int

    def __str__(self) -> str:
        return f"{self.matching} of DIRAC's {self.waiting} waiting jobs match the queue"


@dataclass(frozen=True)
class CloudTrouble:
    """Why the cloud gave no list, what to do, and the kind of the error."""

    text: str
    cure: str
    kind: str


def findings(facts: Facts) -> Iterator[Finding]:
    """All that may be the cause, the first cause first."""
    for one in facts.stuck:
        yield Finding(Subject.STUCK, one.text, one.cure)
    firm = facts.held is not None and facts.held.firm
    if facts.held is not None and firm:
        yield Finding(Subject.HELD, facts.held.text, facts.held.cure)
    if facts.trouble is not None:
        cure = facts.trouble.cure or f"`tfce doctor {facts.label}` looks at login, network and cloud"
        yield Finding(Subject.CLOUD, facts.trouble.text, cure)
    if facts.held is not None and not firm:
        yield Finding(Subject.HELD, facts.held.text, facts.held.cure)
    yield from _failed_vms(facts)
    yield from _start_ups(facts)
    if facts.health.row and (facts.held is None or facts.held.kind is not HoldKind.PROTECTED):
        last = facts.health.row[-1].id
        yield Finding(
            Subject.ENDS, str(facts.health), f"`tfce log {facts.label} cloud://{last}` shows the last one"
        )
    if facts.error and not (facts.trouble and facts.error[0] == facts.trouble.kind):
        kind, words = facts.error
        cure = f"`tfce doctor {facts.label}` looks at options, login and cloud"
        yield Finding(Subject.SUBMISSION, f"the last submit failed ({kind}): {words}", cure)
    elif facts.failed and not facts.created and not facts.error:
        yield of_submission(facts.failed, facts.label)
    yield from _absent(facts)
    for text, cure in facts.faults:
        yield Finding(Subject.PREFLIGHT, text, cure)
    for one in facts.unswept:
        yield Finding(Subject.NOT_SWEPT, one.text, one.cure)
    if facts.failed and facts.created:
        yield of_submission(facts.failed, facts.label, facts.created)
    yield from _demand(facts)
    for text in facts.review:
        yield Finding(Subject.REVIEW, text, f"`tfce propose {facts.label}` writes a branch to merge")


def _failed_vms(facts: Facts) -> Iterator[Finding]:
    faults = Counter(
        str(case.vm.fault or case.vm.raw_state)
        for case in facts.cases
        if case.condition in (Condition.FAILED, Condition.STUCK) and case.vm
    )
    for fault, number in faults.most_common(1):
        text = f"{number} VMs failed to start: {fault}"
        yield Finding(Subject.FAILED, text, f"`tfce reap {facts.label}` removes them")


def _start_ups(facts: Facts) -> Iterator[Finding]:
    """Pilots that run, and whose consoles tell how far they got."""
    for key, told in sorted(facts.markers.items()):
        cure = f"`tfce log {facts.label} {key}` shows the console"
        if told.exit_code:
            yield Finding(
                Subject.START_UP, f"the pilot wrapper of {key} ended with exit code {told.exit_code}", cure
            )
        elif not told.starts and (told.trouble or told.status not in ("", "start", "ok", "done")):
            stage = f" at {told.stage} ({told.status}, code {told.code})" if told.stage else ""
            yield Finding(Subject.START_UP, f"the start-up of {key} failed{stage}: {told.last}", cure)
        elif not told.starts and told.stage:
            yield Finding(Subject.START_UP, f"{key} has got as far as {told.stage} and no pilot has started", cure)


def _absent(facts: Facts) -> Iterator[Finding]:
    """Pilots whose VMs somebody removed, or that a list lacks."""
    number = sum(1 for case in facts.cases if case.condition in UNLISTED)
    if number:
        found = unlisted(facts.label, number)
        text = f"{found.text}: somebody removed them, or the list lacks them"
        yield Finding(Subject.ENDS, text, found.cure)


def _demand(facts: Facts) -> Iterator[Finding]:
    conditions = Counter(case.condition for case in facts.cases if case.occupies)
    running, booting = (
        conditions[Condition.HEALTHY],
        conditions[Condition.BOOTING] + conditions[Condition.NOT_LISTED],
    )
    told = f"; {facts.demand}" if facts.demand else ""
    if booting and not running:
        text, cure = f"{booting} VMs boot, none runs yet", "wait for Terraform_CreateTimeout"
        yield Finding(Subject.BOOTING, text + told, cure)
    elif not running and (facts.trouble or facts.error or facts.failed or facts.held or conditions):
        if facts.demand:  # that nobody asks is not known: what was found before keeps pilots from starting
            yield Finding(Subject.DEMAND, str(facts.demand), _unasked(facts.demand))
    elif not running:
        when = (
            f"the last submission was at {facts.submitted:%Y-%m-%d %H:%M:%S} UTC"
            if facts.submitted
            else "none ever"
        )
        text = f"no VM is there, and nobody asks for pilots ({when})"
        yield Finding(Subject.DEMAND, text + told, _unasked(facts.demand))
    else:
        text = f"{running} pilots run and nothing is wrong with them here"
        yield Finding(Subject.DEMAND, text + told, _REQUIREMENTS)


_REQUIREMENTS = (
    "look at the jobs' requirements (dirac-wms-job-parameters, matcher) beside the CE's tags and CPU time"
)


def _unasked(demand: Demand | None) -> str:
    """What to do where nobody asks for pilots."""
    if demand is None:
        return "look whether jobs wait that this site may run, and whether the site and the CE are in the mask"
    if demand.matching:
        return "look at SiteDirector's log, and whether the site and the CE are in the mask"
    return _REQUIREMENTS if demand.waiting else "wait for jobs"


def of_submission(failed: Mapping[str, Reason], label: str, created: int = 0) -> Finding:
    """Why pilots of a submission did not start, beside those that were ``created``, as the log of whoever asked
    for it says it, too."""
    main = Counter(failed.values()).most_common(1)[0][0]
    cure = "" if main.cure else _CURES.get(main.kind, f"`tfce doctor {label}` looks at options, login and cloud")
    return Finding(Subject.SUBMISSION, "; ".join(refusals(failed, created)), cure)


# What to do where the reason itself does not say it.
_CURES: Mapping[Kind, str] = {
    Kind.QUOTA: "ask for more quota, or lower MaxTotalJobs",
    Kind.SPOT_QUOTA: "ask for more quota of spot instances, or set Terraform_Spot = first",
    Kind.CAPACITY: "name further flavors or zones: Instance_Flavor, Terraform_AvailabilityZone",
    Kind.NOT_GRANTED: "name further flavors or zones: Instance_Flavor, Terraform_AvailabilityZone",
    Kind.THROTTLED: "ask for less at once: Terraform_Parallelism, MaxWaitingJobs",
    Kind.AUTHENTICATION: "renew the credentials in CloudAuth, or their rights",
    Kind.IMAGE: "correct Instance_Image",
    Kind.FLAVOR: "correct Instance_Flavor",
    Kind.NETWORK: "correct Instance_Networks or Terraform_SecurityGroups",
    Kind.KEY_PAIR: "correct Instance_SSHKey",
}


def refusals(failed: Mapping[str, Reason], created: int = 0) -> Iterable[str]:
    """Each reason once, with its kind and how many pilots it kept from starting."""
    for reason, number in Counter(failed.values()).most_common():
        yield f"{reason.kind.value}: {number} of {len(failed) + created} failed: {reason}"
