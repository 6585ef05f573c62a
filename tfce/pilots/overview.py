"""One queue at a glance: what its record, its metrics and one list of VMs tell. No lock, no Terraform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from tfce.model.allocation import Balance
from tfce.model.errors import CloudError, ConfigError, TfceError
from tfce.model.metrics import Meters
from tfce.model.overview import LockHolder, Problem, QueueFacts, QueueStatus, assessed
from tfce.model.record import Record
from tfce.model.vm import OVER
from tfce.pilots import admission, allocations, holds
from tfce.pilots.services import Services, View


def status(services: Services, record: Record) -> QueueStatus:
    """The queue with this ``record`` as it is now. A silent cloud is one of its problems, no error."""
    seen = remembered(services, record)
    try:
        view = services.view(record, None, look_up=False)
    except (CloudError, ConfigError) as error:
        return assessed(replace(seen, error=_trouble(error, services)), services.clock())
    return assessed(_with(seen, services, view), services.clock())


def broken(label: str, error: TfceError, now: datetime) -> QueueStatus:
    """A queue of which nothing can be known."""
    return assessed(QueueFacts(label, error=Problem(error.problem, error.cure, kind=error.kind)), now)


def record_of(services: Services) -> Record:
    """What is remembered, also of a queue that has no workspace yet: nothing is made for it. Raises
    ``WorkspaceError``."""
    workspace = services.workspace
    workspace.refresh()
    return workspace.load() if workspace.exists else Record(services.queue.workspace.installation)


def _trouble(error: TfceError, services: Services) -> Problem:
    look = f"`tfce doctor {services.queue.label}` looks at login, network and cloud"
    cure = error.cure or (look if isinstance(error, CloudError) else "")
    return Problem(error.problem, cure, kind=error.kind)


def remembered(services: Services, record: Record) -> QueueFacts:
    """What is known of the queue without its cloud."""
    workspace, queue = services.workspace, services.queue
    meters, holder = workspace.meters.read(), workspace.holder
    spent, unknown = _spent(services, record)
    return QueueFacts(
        queue.label,
        queue.endpoint.home,
        wanted=len(record.pilots),
        oldest=min((one.requested_at for one in record.pilots.values()), default=None),
        total=queue.limits.total,
        waiting=queue.limits.waiting,
        hold=holds.held(services, record),
        backoff=record.backoff,
        protected=record.health.protected(queue.workspace.protect_after),
        drain=record.drain,
        pending=record.pending,
        holding=LockHolder(holder.who, holder.since) if holder else None,
        succeeded=_when(meters, "submit"),
        swept=_when(meters, "reap"),
        errors=meters.errors,
        spent=spent,
        cost=allocations.cost(services, record),
        review=workspace.review_status,
        more=(*_review(services), *unknown),
    )


def _spent(services: Services, record: Record) -> tuple[tuple[Balance, ...], tuple[Problem, ...]]:
    try:
        return tuple(allocations.balances(services, record)), ()
    except TfceError as error:  # another queue of the CE, whose hours count here
        return (), (Problem(f"what the CE has used is not known: {error.problem}", error.cure),)


def _review(services: Services) -> tuple[Problem, ...]:
    """What waits for approval goes on as it was: nobody has to come at night."""
    seen = services.workspace.review_status
    cure = f"`tfce propose {services.queue.label}` writes a branch to merge"
    return tuple(Problem(line, cure, person=False) for line in seen.lines()) if seen else ()


def _with(seen: QueueFacts, services: Services, view: View) -> QueueFacts:
    hold = seen.hold or admission.full(services.queue.limits, view.cases)
    conditions = Counter(case.condition.value for case in view.cases)
    more = (*seen.more, *refused(seen, view))
    return replace(seen, pilots=dict(conditions), hold=hold, skewed=not view.clocks.trusted, more=more)


def refused(seen: QueueFacts, view: View) -> Iterator[Problem]:
    """That the cloud did not take requests to remove VMs; while somebody works it may not have been asked yet."""
    stones = [case.stone for case in view.cases if case.stone and case.vm and case.vm.state not in OVER]
    number = sum(1 for stone in stones if stone.dismissed and not stone.accepted)
    if number and seen.holding is None:
        cure = f"`tfce reap {seen.label}` asks again and says why; the login may lack the right"
        yield Problem(f"the cloud refused to remove {number} VMs, which go on costing", cure)


def _when(meters: Meters, verb: str) -> datetime | None:
    when = meters.value("tfce_last_success_timestamp_seconds", verb)
    return None if when is None else datetime.fromtimestamp(int(when), UTC)
