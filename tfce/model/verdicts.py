"""Judges from its case how a pilot ended, and keeps the queue's health. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tfce.model.case import Case, Clocks, Condition
from tfce.model.console import Markers
from tfce.model.health import BAD, End, Health, Verdict, verdict_of_end
from tfce.model.pilot import Pilot
from tfce.model.policy import lived
from tfce.model.reasons import Kind
from tfce.model.vm import VM, State

Told = Callable[[str], Markers]  # what the console of a pilot (by key) says, as far as it was kept
_WIDTH = 300


def judged(health: Health, cases: Iterable[Case], clocks: Clocks, young: int, told: Told) -> Health:
    """``health`` with what ``cases`` show. The same cases may come again: a bad end is kept once for each VM."""
    ends: list[End] = []
    good: list[Case] = []
    known = {end.id: end for end in health.row}
    for case in cases:
        verdict, markers = verdict_of(case, clocks, young, told), told(case.key)
        if case.id in known and not _better(case, verdict, markers):
            continue
        if verdict is Verdict.WORKED:
            good.append(case)
        elif verdict in BAD and case.pilot is not None and case.vm is not None:
            ends.append(_end(case, case.pilot, case.vm, verdict, clocks, markers))
    better = health.without(case.id for case in good)
    return better.learning(ends, [case.requested_at for case in good if case.requested_at])


def _better(case: Case, verdict: Verdict | None, markers: Markers) -> bool:
    """Whether a second look at an end knows more: where a cloud does not tell when a VM ended, each look finds it
    older."""
    return (_lives(case) or markers.job) if verdict is Verdict.WORKED else bool(markers.last)


def _lives(case: Case) -> bool:
    return case.condition in (Condition.HEALTHY, Condition.OVERDUE)


def verdict_of(case: Case, clocks: Clocks, young: int, told: Told) -> Verdict | None:
    """What became of a pilot; None while nobody can tell, or where it says nothing of the pilots to come."""
    if case.pilot is None or case.vm is None:
        return None
    if _lives(case):
        return Verdict.WORKED if clocks.older(young, case.requested_at, case.vm.created) else None
    if case.condition is Condition.STUCK or case.failed:
        return _failed(case)
    ended = case.condition is Condition.ENDED or (
        case.condition is Condition.VANISHED and case.vm.came_to is State.STOPPED
    )
    return _ended(case, clocks, young, told(case.key)) if ended and clocks.trusted else None


def _ended(case: Case, clocks: Clocks, young: int, markers: Markers) -> Verdict | None:
    """Of a pilot that ended by itself. Where the VM is gone and nobody says since when, it may have lived long."""
    age = lived(case.vm, case.requested_at, clocks.host)
    created = case.vm.created if case.vm else None
    if age is None and not markers.job and clocks.older(young, case.requested_at, created):
        return None
    return verdict_of_end(age, young, markers)


def _failed(case: Case) -> Verdict | None:
    fault = case.vm.fault if case.vm else None
    if fault is not None and fault.kind is Kind.TAKEN_AWAY:
        return Verdict.TAKEN_AWAY
    return None if fault is not None and fault.no_room else Verdict.BOOT_FAILED


def _end(case: Case, pilot: Pilot, vm: VM, verdict: Verdict, clocks: Clocks, markers: Markers) -> End:
    return End(
        id=case.id,
        verdict=verdict,
        requested_at=pilot.requested_at,
        lived=lived(vm, pilot.requested_at, clocks.host),
        spec=pilot.spec.corrected(vm.spec),
        exit_code=markers.exit_code,
        said=(str(vm.fault) if vm.fault else markers.last)[:_WIDTH],
    )
