"""Why a queue has no pilots that match jobs, as far as it can be told: the first cause counts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from tfce.model.case import Case
from tfce.model.case import Kind as State
from tfce.model.console import Markers
from tfce.model.health import Health
from tfce.model.hold import Hold
from tfce.model.hold import Kind as Held
from tfce.model.reasons import Reason, with_cure


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
    """What is known of a queue. ``held``: what keeps it from starting pilots; ``trouble``: why the cloud did not
    answer; ``markers``: of the consoles of pilots that run, by key; ``failed``: why the last submission's pilots
    did not start; ``faults``: what a preflight found wrong (subject, cure); ``review``: what people should know of
    its approval; ``label``: CE/QUEUE."""

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


@dataclass(frozen=True)
class CloudTrouble:
    """Why the cloud gave no list, and what to do."""

    text: str
    cure: str


def findings(facts: Facts) -> Iterator[Finding]:
    """All that may be the cause, the first cause first."""
    firm = facts.held is not None and facts.held.firm
    if facts.held is not None and firm:
        yield Finding(Subject.HELD, facts.held.text, facts.held.cure)
    if facts.trouble is not None:
        cure = facts.trouble.cure or f"`tfce doctor {facts.label}` looks at login, network and cloud"
        yield Finding(Subject.CLOUD, f"the cloud does not answer: {facts.trouble.text}", cure)
    if facts.held is not None and not firm:
        yield Finding(Subject.HELD, facts.held.text, facts.held.cure)
    yield from _failed_vms(facts)
    yield from _start_ups(facts)
    if facts.health.row and (facts.held is None or facts.held.kind is not Held.PROTECTED):
        last = facts.health.row[-1].id
        yield Finding(
            Subject.ENDS, str(facts.health), f"`tfce log {facts.label} cloud://{last}` shows the last one"
        )
    if facts.failed:
        text = f"the last submission failed: {'; '.join(refusals(facts.failed))}"
        yield Finding(Subject.SUBMISSION, text)
    for text, cure in facts.faults:
        yield Finding(Subject.PREFLIGHT, text, cure)
    yield from _demand(facts)
    for text in facts.review:
        yield Finding(Subject.REVIEW, text, f"`tfce propose {facts.label}` writes a branch to merge")


def _failed_vms(facts: Facts) -> Iterator[Finding]:
    faults = Counter(
        str(case.vm.fault or case.vm.raw_state)
        for case in facts.cases
        if case.kind in (State.FAILED, State.STUCK) and case.vm
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


def _demand(facts: Facts) -> Iterator[Finding]:
    kinds = Counter(case.kind for case in facts.cases if case.occupies)
    running, booting = kinds[State.HEALTHY], kinds[State.BOOTING] + kinds[State.NOT_LISTED]
    if booting and not running:
        yield Finding(Subject.BOOTING, f"{booting} VMs boot, none runs yet", "wait for Terraform_CreateTimeout")
    elif not running:
        when = (
            f"the last submission was at {facts.submitted:%Y-%m-%d %H:%M:%S} UTC"
            if facts.submitted
            else "none ever"
        )
        cure = "look whether jobs wait that this site may run, and whether the site and the CE are in the mask"
        yield Finding(Subject.DEMAND, f"no VM is there, and nobody asks for pilots ({when})", cure)
    else:
        cure = (
            "look at the jobs' requirements (dirac-wms-job-parameters, matcher) beside the CE's tags and CPU time"
        )
        yield Finding(Subject.DEMAND, f"{running} pilots run and nothing is wrong with them here", cure)


def refusals(failed: Mapping[str, Reason]) -> Iterable[str]:
    """Each reason once, with its kind and how many pilots it kept from starting."""
    for reason, number in Counter(failed.values()).most_common():
        yield f"{reason.kind.value}: {number} of {len(failed)} failed: {reason}"
