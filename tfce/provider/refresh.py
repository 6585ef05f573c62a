"""Refreshes the provider's pilots: judges them by ``reconcile``, and says what is odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tfce.cloud.api import Cloud
from tfce.cloud.lookups import inventory, look_up
from tfce.model.case import Case, Clocks, Condition, Instance
from tfce.model.pilot import Pilot, moment
from tfce.model.reconcile import Snapshot, reconcile
from tfce.model.record import Record
from tfce.model.vm import VM, Owner


@dataclass
class Refresh:
    """What a refresh saw: pilots whose VMs are gone, and notes on others, by key."""

    gone: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def judged(
    cloud: Cloud, owner: Owner, wanted: Mapping[str, str], known: Mapping[str, str], found: Sequence[VM]
) -> list[Case]:
    """The cases of pilots. ``wanted``: when each was asked for, by key; ``known``: the ids that the state has, by
    key; ``found``: the cloud's list. A VM that the list does not show is asked for by its id. Raises
    ``CloudError``."""
    now = datetime.now(UTC)
    seen = inventory(found)
    pilots = (Pilot(key, _time(text, now), "", known.get(key, "")) for key, text in wanted.items())
    state = {key: Instance(node_id) for key, node_id in known.items()}
    record = Record(owner.installation).including(pilots)
    by_id = cloud.capabilities.by_id
    snapshot = Snapshot(record, seen, Clocks(now, seen.cloud_time), owner, state=state, by_id=by_id)
    cases = reconcile(snapshot)
    absent = [case.id for case in cases if case.condition is Condition.ABSENT]
    return reconcile(replace(snapshot, looked_up=look_up(cloud, absent))) if absent else cases


def _time(text: str, now: datetime) -> datetime:
    try:
        return moment(text)
    except ValueError:
        return now  # somebody else's pilots: of no age that decides anything


def refresh(cloud: Cloud, owner: Owner, wanted: Mapping[str, str], known: Mapping[str, str]) -> Refresh:
    """What became of the ``known`` pilots, in one list call. Raises ``CloudError`` when it cannot be had; an
    empty list is not believed."""
    result = Refresh()
    if not known:
        return result
    found = cloud.vms(owner)
    listed = {vm.id for vm in found}
    if len(known) > 1 and listed.isdisjoint(known.values()):
        result.notes["*"] = f"the cloud lists none of {len(known)} pilots, which is not believed"
        return result
    born = {key: text for key, text in wanted.items() if key in known}
    for case in judged(cloud, owner, born, known, found):
        if case.instance is not None:
            _note(case, result)
    return result


def _note(case: Case, result: Refresh) -> None:
    word = case.vm.raw_state if case.vm else ""
    if case.condition in (Condition.VANISHED, Condition.STALE):
        result.gone.append(case.key)
        what = f"was removed ({word})" if word else "has vanished"
        result.notes[case.key] = f"its VM {case.id} {what}; `tfce reap` forgets it"
    elif case.condition is Condition.ENDED:
        result.notes[case.key] = f"its VM {case.id} has stopped; `tfce reap` removes it"
    elif case.condition is Condition.FAILED:
        fault = case.vm.fault if case.vm else None
        result.notes[case.key] = f"its VM {case.id} has failed: {fault or word}; `tfce reap` removes it"
    elif case.condition in (Condition.ABSENT, Condition.NOT_LISTED):
        result.notes[case.key] = (
            f"the list does not show its VM {case.id}, and the cloud did not say that it is gone"
        )
