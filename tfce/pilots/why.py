"""The verb ``why``: everything that is known of a queue, looked at once, for one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tfce.cloud.api import Requirements
from tfce.model.console import Markers, read
from tfce.model.entries import Entry
from tfce.model.errors import CloudError, TfceError
from tfce.model.overview import stuck, unswept
from tfce.model.reconcile import Case, Condition
from tfce.model.why import CloudTrouble, Demand, Facts, Finding, findings
from tfce.pilots import admission, holds, overview
from tfce.pilots.services import Services
from tfce.store import other_hosts

_CONSOLES = 3  # asked for, the newest pilots' first


def why(services: Services, demand: Demand | None = None) -> list[Finding]:
    """All that may keep pilots from matching, the first cause first. Takes no lock and writes nothing: one list,
    at most three consoles, and a preflight where nothing else is found."""
    workspace = services.workspace
    record = overview.record_of(services)
    seen = workspace.review_status
    review = seen.lines() if seen else ()
    hold = holds.held(services, record)
    known, now = overview.remembered(services, record), services.clock()
    facts = Facts(
        services.queue.label,
        hold,
        health=record.health,
        review=review,
        demand=demand,
        error=known.errors.get("submit"),
        stuck=[one for one in stuck(known, now) if one.person],
        unswept=[one for one in unswept(known, now) if one.person],
    )
    facts = _last_submission(facts, services)
    try:
        view = services.view(record, None, look_up=False)
    except CloudError as error:
        return list(findings(replace(facts, trouble=CloudTrouble(error.problem, error.cure, error.kind))))
    held = facts.held or admission.full(services.queue.limits, view.cases)
    facts = replace(facts, held=held, cases=view.cases, markers=_markers(services, view.cases))
    facts = replace(facts, unswept=[*facts.unswept, *overview.refused(known, view)])
    if held is None and (facts.created or not facts.failed) and not facts.error and not facts.health.row:
        facts = replace(facts, faults=_preflight(services))
    return list(findings(facts))


def _last_submission(facts: Facts, services: Services) -> Facts:
    """What came of the last submission that asked the cloud, unless a later one did not get as far."""
    told = other_hosts.merged_journal(services.workspace).entries
    last = next((entry for entry in reversed(told) if _tells(entry)), None)
    if last is None or last.event == "done":
        return facts
    error = None if last.reasons else facts.error  # it did ask, and each pilot's reason is known
    return replace(facts, error=error, failed=last.reasons, created=last.size("created"), submitted=last.time)


def _tells(entry: Entry) -> bool:
    """Whether an entry says what came of a submission, or why it asked nothing."""
    refused = entry.event == "done" and entry.word("verb") == "submit" and "error" in entry.facts
    return entry.event == "submitted" or (refused and entry.calls is None)


def _markers(services: Services, cases: Sequence[Case]) -> dict[str, Markers]:
    """What the consoles of the newest pilots say that have not lived long enough to have worked."""
    worked = services.queue.workspace.young
    running = [case for case in cases if case.condition is Condition.HEALTHY and case.pilot and case.vm]
    running.sort(key=lambda case: case.pilot.requested_at if case.pilot else services.clock(), reverse=True)
    found: dict[str, Markers] = {}
    for case in running[:_CONSOLES]:
        age = (services.clock() - case.pilot.requested_at).total_seconds() if case.pilot else 0
        try:
            text = services.cloud.console(case.id) if age <= worked else None
        except CloudError:
            continue
        if text:
            found[case.key] = read(text)
    return found


def _preflight(services: Services) -> list[tuple[str, str]]:
    try:
        checks = services.cloud.preflight(Requirements.of(services.queue))
    except TfceError as error:
        return [(error.problem, error.cure)]
    return [(f"{check.check}: {check.detail}", check.cure) for check in checks if not check.ok]
