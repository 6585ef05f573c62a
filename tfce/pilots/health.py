"""Learning from what became of a queue's pilots, and saying so once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from tfce.model.console import Markers, read
from tfce.model.policy import Action
from tfce.model.record import Record
from tfce.model.verdicts import judged, verdict_of
from tfce.pilots.consoles import ConsoleStore
from tfce.pilots.services import Services, View

log = logging.getLogger("tfce")

_NOTHING = Markers()


def learned(services: Services, view: View, record: Record) -> Record:
    """``record`` with what ``view`` shows of its pilots' ends, written where that is news."""
    known = taught(services, view, record)
    return record if known is record else services.workspace.save(known)


def taught(services: Services, view: View, record: Record, kept: Collection[str] = ()) -> Record:
    """The same, to be written with what is written next; ``record`` itself where there is no news. ``kept``: VMs
    whose consoles were kept."""
    options = services.queue.workspace
    health = judged(record.health, view.cases, view.clocks, options.young, _told(services, view, kept))
    if health == record.health:
        return record
    before, after = (one.protected(options.protect_after) for one in (record.health, health))
    if before != after:
        said = str(health) if after else "a pilot worked"
        log.warning("%s: %s", "protected, one pilot at a time" if after else "protected no more", said)
        services.workspace.journal.append("protected" if after else "unprotected", why=said)
    return replace(record, health=health)


def verdicts(services: Services, view: View, kept: Collection[str] = ()) -> Callable[[Action], str]:
    """The word for how the pilot of an action ended, "" where nobody can tell."""
    young, told = services.queue.workspace.young, _told(services, view, kept)

    def verdict(action: Action) -> str:
        found = verdict_of(action.case, view.clocks, young, told)
        return found.value if found else ""

    return verdict


def unproven(record: Record, after: int) -> bool:
    """Whether ``after`` or more pilots since the last one that worked ended badly or are not judged yet: look at
    them before more are started."""
    worked = record.health.worked
    open_ = sum(1 for one in record.pilots.values() if worked is None or one.requested_at > worked)
    return 0 < after <= open_ + len(record.health.row)


def _told(services: Services, view: View, kept: Collection[str]) -> Callable[[str], Markers]:
    store = ConsoleStore(services.workspace)
    keys = {case.key for case in view.cases if case.id in kept}
    texts = {key: read(store.read(key) or "") for key in keys}
    return lambda key: texts.get(key, _NOTHING)
