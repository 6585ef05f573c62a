"""Which offerings a submission may try, and what is learned of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from tfce.config.offerings import Offering
from tfce.model import offering_backoffs
from tfce.model.pilot import timestamp
from tfce.model.reasons import Kind, Reason
from tfce.model.reconcile import Case
from tfce.model.record import Record

Offerings = Sequence[Offering]


def open_ones(every: Offerings, record: Record, now: datetime, by_hand: bool) -> list[Offering]:
    """The offerings to try, the preferred one first; an operator's own submission tries those that rest last."""
    tired = [
        one
        for one in every
        if len(every) > 1 and offering_backoffs.resting(record.offering_backoffs, one.label, now)
    ]
    return [one for one in every if one not in tired] + (tired if by_hand else [])


def all_rest(every: Offerings, record: Record, now: datetime) -> str:
    """Why none of several offerings is tried now; "" while one is."""
    if open_ones(every, record, now, by_hand=False):
        return ""
    label, first = min(record.offering_backoffs.items(), key=lambda rest: (rest[1].until, rest[0]))
    return f"all {len(every)} offerings rest, {label} until {timestamp(first.until)}: {first.reason}"


def lacking(failed: dict[str, Reason]) -> list[str]:
    """The pilots that another offering may have room for."""
    return [key for key, reason in failed.items() if offering_backoffs.another_helps(reason)]


def learned(
    every: Offerings, record: Record, offering: Offering, failed: Collection[Reason], now: datetime
) -> Record:
    """``record`` after an offering was tried, and pilots ``failed`` for lack of room in it."""
    if len(every) == 1:
        return record
    kept = offering_backoffs.only(
        record.offering_backoffs, {one.label for one in every} - (set() if failed else {offering.label})
    )
    for one in every if failed else ():
        if one == offering or hopeless(one, failed):
            kept = offering_backoffs.full(kept, one.label, next(iter(failed)), now)
    return replace(record, offering_backoffs=kept)


def hopeless(offering: Offering, failed: Collection[Reason]) -> bool:
    """Whether ``failed``, the reasons that another offering met, say that this one has no room either."""
    return bool(offering.market) and any(reason.kind is Kind.SPOT_QUOTA for reason in failed)


def found_full(
    every: Offerings, record: Record, cases: Iterable[Case], now: datetime
) -> tuple[Record, list[Case]]:
    """Some VMs are accepted by the cloud and fail later for lack of room. Returns ``record`` with their offerings
    backed off, and the other cases."""
    rest, known = [], record.offering_backoffs
    for case in cases:
        mine = _offering(every, case)
        if mine is None or case.vm is None or case.vm.fault is None:
            rest.append(case)
        elif mine.label not in known or (case.vm.created or now) > known[mine.label].since:
            known = offering_backoffs.full(known, mine.label, case.vm.fault, now)
    return replace(record, offering_backoffs=known), rest


def _offering(every: Collection[Offering], case: Case) -> Offering | None:
    fault = case.vm.fault if case.vm and case.failed else None
    if len(every) == 1 or fault is None or case.pilot is None or not offering_backoffs.another_helps(fault):
        return None
    spec = case.pilot.spec
    return next((one for one in every if one.matches(spec)), None)
