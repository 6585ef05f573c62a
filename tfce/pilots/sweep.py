"""What a removal of VMs came to, for people, for DIRAC and for the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tfce.model.endings import Cause
from tfce.model.pilot import reference
from tfce.model.policy import Action
from tfce.model.reconcile import Case, Condition
from tfce.model.vm import State
from tfce.pilots import health
from tfce.pilots.execute import Outcome, Removal, removal
from tfce.pilots.services import Services, View
from tfce.store.workspace import Workspace


@dataclass
class Sweep:
    """What a reaping did: ``removed`` pilots with their reasons, refusals by reference, and how many of the
    queue's VMs stay. ``held`` are removals that the share of Workspace_ReapShare did not allow this time."""

    removed: list[Removal] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    held: list[Removal] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)  # references to kill whose VMs are gone already
    later: list[str] = field(default_factory=list)  # references to kill that are not listed yet: remembered
    kept: int = 0
    looked_only: bool = False  # nothing was removed: a dry run, or a host without the queue's workspace
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def sweep_of(
    services: Services, view: View, actions: Sequence[Action], held: Sequence[Action], outcome: Outcome
) -> Sweep:
    """What a look or a removal came to. ``held``: what was not allowed this time; ``outcome``: of ``actions``."""
    ends = [one for one in actions if one.cause not in (None, Cause.NEVER_CREATED)]
    done = [one for one in ends if one.case.id not in outcome.refused]
    going = {one.case.id for one in done}
    verdict = health.verdicts(services, view, outcome.consoles)
    return Sweep(
        removed=[removal(services, one, verdict=verdict(one)) for one in done],
        failed={reference(node_id): reason for node_id, reason in outcome.refused.items()},
        held=[removal(services, one) for one in held],
        adopted=outcome.adopted,
        kept=sum(1 for case in view.cases if stands(case) and case.id not in going),
    )


def write_down(workspace: Workspace, sweep: Sweep, outcome: Outcome) -> None:
    """Tell the journal what was removed, and what the cloud refused."""
    if sweep.removed or sweep.failed:
        vms = [one.line(outcome.consoles) for one in sweep.removed]
        workspace.journal.append("removed", vms=vms, failed=sweep.failed)


def stands(case: Case) -> bool:
    """Whether there is a VM of the queue's, as far as the cloud says."""
    return case.condition is not Condition.FOREIGN and case.vm is not None and case.vm.state is not State.DELETED


def cause_of(action: Action) -> str:
    """Why a VM goes, as the journal has it."""
    return action.cause.value if action.cause else action.verb.value
