"""How many pilots a submission may start, and what keeps the others back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tfce.config.settings import Limits
from tfce.model.hold import Hold, HoldKind
from tfce.model.policy import occupancy
from tfce.model.reconcile import Case, Condition
from tfce.model.record import Record
from tfce.pilots import health, holds, offering_choice
from tfce.pilots.recovery import recover
from tfce.pilots.services import Services, View, no_room
from tfce.store import installation


def allowed(services: Services, record: Record, count: int, by_hand: bool) -> tuple[Record, int, str]:
    """How many of ``count`` pilots may be started now, and what keeps the others back."""
    limits, hold = services.queue.limits, holds.held(services, record, by_hand=by_hand)
    if hold is not None and not hold.most:
        return record, 0, str(hold)
    named, empty = bool(services.queue.workspace.installation), not record.pilots and not record.tombstones
    record = services.at_home(record) if empty else record
    is_new = not named and empty
    look = health.unproven(record, services.queue.workspace.protect_after) and not by_hand
    if limits.total is None and limits.waiting is None and not is_new and not look:
        return record, count, ""
    services.terraform.prefetch()
    view = services.view(record, None)
    record = view.snapshot.record
    _refuse_foreign(view, services.queue.label, is_new)
    if any(case.condition is not Condition.FOREIGN and not case.recorded and case.vm for case in view.cases):
        record = recover(services, record)
    record, cases = offering_choice.found_full(
        services.workspace.network_zones.offerings, record, view.cases, services.clock()
    )
    full = _without_room(cases)
    if full and not by_hand:
        return record, 0, f"{len(full)} VMs found no room ({full[0]}); the next sweep removes them"
    record = health.learned(services, view, record)
    hold = holds.held(services, record, by_hand=by_hand)
    if hold is not None and hold.most < count:
        within, why = within_limits(limits, view.cases, hold.most, by_hand)
        return record, within, why or str(hold)
    return record, *within_limits(limits, view.cases, count, by_hand)


def within_limits(limits: Limits, cases: Collection[Case], count: int, by_hand: bool = False) -> tuple[int, str]:
    """How many of ``count`` more pilots the options allow beside ``cases``, and what keeps the others back."""
    taken = occupancy(cases)
    # MaxWaitingJobs is a measure of the SiteDirector's demand, not of the cloud's room.
    bounds = (
        ("MaxTotalJobs", limits.total, taken.total),
        ("MaxWaitingJobs", None if by_hand else limits.waiting, taken.waiting),
    )
    why = ""
    for option, most, there in bounds:
        if most is not None and most - there < count:
            count, why = max(most - there, 0), f"{option} = {most}, {there} are there"
    return count, why


def full(limits: Limits, cases: Collection[Case]) -> Hold | None:
    """What keeps the queue from one more pilot where a limit is reached."""
    most, text = within_limits(limits, cases, 1)
    return None if most else Hold(HoldKind.LIMIT, text, "raise it, or wait until pilots have ended")


def _refuse_foreign(view: View, label: str, is_new: bool) -> None:
    """A queue that this host has never seen, and whose VMs run under another installation's name: the host
    lost its memory, or is a second one. Nothing is started beside them unless an option says so."""
    if not is_new:
        return
    names = {case.vm.installation for case in view.cases if case.condition is Condition.FOREIGN and case.vm}
    if names:
        number = sum(1 for case in view.cases if case.condition is Condition.FOREIGN)
        problem = f"{number} VMs of {label} have it, and this host has another name"
        raise installation.lost(sorted(names)[0], problem, label)


def _without_room(cases: Sequence[Case]) -> list[str]:
    """Why VMs of the queue failed for lack of room, those that no sweep has removed yet."""
    failed = (case.vm for case in cases if case.failed and case.vm)
    return [str(vm.fault) for vm in failed if no_room(vm)]
