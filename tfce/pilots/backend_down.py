"""Removing VMs while the backend that hosts share is down: only what has ended, is overdue or was named goes, this
host remembers it, and the record learns of it later."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from tfce.model import policy
from tfce.model.errors import TfceError
from tfce.model.policy import Action, Verb
from tfce.model.reconcile import Condition
from tfce.model.record import Operation
from tfce.pilots.execute import Outcome, execute, why
from tfce.pilots.services import Services, View

log = logging.getLogger("tfce")

# Whoever looks at such a VM, and whenever, comes to the same end.
_CERTAIN = frozenset({Condition.ENDED, Condition.FAILED, Condition.OVERDUE, Condition.DISMISSED})


def swept(services: Services) -> tuple[View, list[Action], list[Action], Outcome]:
    """Remove what is certain; the view, what was done and what was held back. Starts no Terraform."""
    with services.workspace.locked(alone=True):
        record = services.workspace.load()
        view = services.view(services.check_home(record), None, look_up=False)
        certain = [one for one in policy.plan(view.cases, policy.sweep, view.clocks) if _is_certain(one)]
        share = services.queue.workspace.reap_share
        actions, held = policy.within_budget(certain, view.alive, share)
        if actions:
            services.workspace.journal.append("remove", pilots={one.case.key: one.verb.value for one in actions})
        outcome = execute(services, view, actions, Operation.REMOVE) if actions else Outcome(record)
        if actions and record.pending is not None:  # what another cycle began is still to be looked at
            outcome.record = services.workspace.save(replace(outcome.record, pending=record.pending))
    return view, actions, held, outcome


def _is_certain(action: Action) -> bool:
    return action.verb is Verb.DESTROY and action.case.condition in _CERTAIN


def remember(services: Services, actions: Sequence[Action]) -> None:
    """Let this host know of VMs that were named and are removed already."""
    if services.workspace.shared is None or not actions:
        return
    now = services.clock()
    with suppress(TfceError), services.workspace.locked(alone=True):
        stones = [policy.tombstone(one, why(services, one), now) for one in actions if one.case.id]
        record = services.workspace.load()
        services.workspace.save(record.with_tombstones(replace(stone, accepted=True) for stone in stones))
