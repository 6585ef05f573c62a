"""Removing VMs: what ended, failed or is overdue (``reap``), and what somebody named (``kill``)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from tfce.model import policy
from tfce.model.endings import Cause, Ending
from tfce.model.errors import BackendError, BusyError, CloudError, TerraformError, TfceError, WorkspaceError
from tfce.model.pilot import reference
from tfce.model.policy import Action, Verb
from tfce.model.reconcile import Case, Condition
from tfce.model.record import Operation, Record
from tfce.model.vm import OVER, State
from tfce.pilots import backend_down, health, naming, offering_choice
from tfce.pilots.execute import Outcome, Removal, execute, removal
from tfce.pilots.services import Services, View, no_room
from tfce.store.workspace import Workspace

log = logging.getLogger("tfce")


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


class Reaper:
    """The verbs ``reap`` and ``kill`` of one queue."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workspace, self._cloud, self._queue = services.workspace, services.cloud, services.queue

    def reap(self, dry_run: bool = False) -> Sweep:
        """Remove the queue's own VMs that stopped, failed, are overdue or were dismissed, and forget pilots
        whose VMs are gone. One VM's fault stops none of the others."""
        started, before = time.monotonic(), Counter(self._cloud.calls)
        if dry_run or not (self._workspace.exists or self._queue.workspace.adopt_prefix):
            sweep = self._looked()
        else:
            sweep = self._swept_anyhow()
        sweep.calls = self._cloud.calls - before
        sweep.seconds = time.monotonic() - started
        return sweep

    def _looked(self) -> Sweep:
        record = self._workspace.load() if self._workspace.exists else Record("")
        view = self._services.view(record, self._services.terraform.instances())
        actions, held = self._decided(view)
        return replace(self._told(view, actions, held, Outcome(record)), looked_only=True)

    def _swept_anyhow(self) -> Sweep:
        try:
            with self._workspace.locked():
                return self._swept()
        except BackendError as error:
            log.warning("only what has certainly ended is removed: %s", error.message)
            sweep, outcome = self._told(*(ended := backend_down.swept(self._services))), ended[-1]
            _write_down(self._workspace, sweep, outcome)
            return sweep

    def _swept(self) -> Sweep:
        services = self._services
        record = before = services.prepare()
        # hazard: the state waits for whatever is still at work; a list from before would miss its VMs
        state = services.terraform.instances()
        view = _doubted(services, record, services.view(record, state))
        actions, held = self._decided(view)
        if any(action.cause is not None for action in actions):
            self._workspace.journal.append("remove", pilots={one.case.key: _cause(one) for one in actions})
        learned = health.taught if actions else health.learned  # what is begun is written anyway
        record = learned(services, view, view.snapshot.record)
        view = replace(view, snapshot=replace(view.snapshot, record=record))
        outcome = execute(services, view, actions, Operation.REMOVE, learn=health.taught)
        sweep = self._told(view, actions, held, outcome)
        self._learn(view, outcome.record)
        _write_down(self._workspace, sweep, outcome)
        found = outcome.found(before)
        if found:
            self._workspace.journal.append("recovered", adopted=found)
        return sweep

    def _decided(self, view: View) -> tuple[list[Action], list[Action]]:
        actions = policy.due(view.cases, view.snapshot.record.drain, view.clocks)
        share = self._queue.workspace.reap_share
        return policy.within_budget([one for one in actions if one.verb is not Verb.LOOK_UP], view.alive, share)

    def _told(self, view: View, actions: Sequence[Action], held: Sequence[Action], outcome: Outcome) -> Sweep:
        ends = [one for one in actions if one.cause not in (None, Cause.NEVER_CREATED)]
        done = [one for one in ends if one.case.id not in outcome.refused]
        going = {one.case.id for one in done}
        verdict = health.verdicts(self._services, view, outcome.consoles)
        return Sweep(
            removed=[removal(self._services, one, verdict=verdict(one)) for one in done],
            failed={reference(node_id): reason for node_id, reason in outcome.refused.items()},
            held=[removal(self._services, one) for one in held],
            adopted=outcome.adopted,
            kept=sum(1 for case in view.cases if _stands(case) and case.id not in going),
        )

    def _learn(self, view: View, record: Record) -> None:
        """Begin or end the back-off by what became of the VMs: where an apply does not wait for them, the
        submission could not know whether there was room."""
        found, cases = offering_choice.found_full(
            self._workspace.network_zones.offerings, record, view.cases, self._services.clock()
        )
        record = self._workspace.save(found) if found != record else record
        failed = [one.vm for one in cases if one.failed and one.vm and no_room(one.vm)]
        since = min(
            (vm.created for vm in failed if vm.created), default=record.backoff.since if record.backoff else None
        )
        found_room = since is not None and any(_came_up(case, since) for case in view.cases)
        faults = [vm.fault for vm in failed if vm.fault]
        if faults and not found_room:
            now, cooldown = self._services.clock(), self._queue.workspace.cooldown
            self._workspace.save(record.without_room(faults[0], now, cooldown))
        elif found_room and not failed and record.backoff is not None:
            self._workspace.save(record.with_room())

    # -- kill ----------------------------------------------------------------------------------------------

    def kill(self, references: Iterable[str]) -> Sweep:
        """Remove these pilots' VMs, whatever their state; works without a workspace, too. VMs that are not
        this queue's are refused. Pilots may also be named by their stamp or their VM's name."""
        started, before = time.monotonic(), Counter(self._cloud.calls)
        wanted = naming.ids_of(self._services, references)
        try:
            if not self._workspace.exists:
                sweep = self._killed_without_workspace(wanted)
            else:
                with self._workspace.locked():
                    sweep = self._killed(wanted)
        except (BusyError, WorkspaceError, TerraformError, BackendError) as error:
            # A kill waits for no long apply and needs no Terraform; the next sweep tidies up.
            log.info("killed without the workspace: %s", error.message)
            sweep = self._killed_without_workspace(wanted)
        sweep.calls = self._cloud.calls - before
        sweep.seconds = time.monotonic() - started
        return sweep

    def _killed(self, wanted: Sequence[str]) -> Sweep:
        services = self._services
        record = services.prepare()
        view = services.view(record, services.terraform.instances(), look_up=False)
        sweep = Sweep()
        claimed = [one for node in wanted if (one := self._claimed(node, view, sweep))]
        view = self._remembered(view, [one for one in claimed if one.case.vm is None], sweep)
        actions = [one for one in claimed if one.case.vm is not None]
        if actions:
            self._workspace.journal.append("remove", pilots={one.case.key: _cause(one) for one in actions})
        outcome = execute(services, view, actions, Operation.REMOVE)
        told = self._told(view, actions, (), outcome)
        sweep.removed, sweep.kept = told.removed, told.kept
        sweep.failed |= told.failed
        if actions:
            _write_down(self._workspace, sweep, outcome)
        return sweep

    def _remembered(self, view: View, later: Sequence[Action], sweep: Sweep) -> View:
        """VMs that are not listed yet: their removal is remembered, and carried out when they appear."""
        if not later:
            return view
        now = self._services.clock()
        stones = [policy.tombstone(one, Ending(Cause.KILLED), now) for one in later]
        record = self._workspace.save(view.snapshot.record.with_tombstones(stones))
        sweep.later = [reference(one.case.id) for one in later]
        return replace(view, snapshot=replace(view.snapshot, record=record))

    def _claimed(self, node_id: str, view: View, sweep: Sweep) -> Action | None:
        case = next((case for case in view.cases if case.id == node_id), None)
        if case is None or case.vm is None:
            case = self._asked_for(node_id, case, view, sweep)
        elif case.vm.state in OVER:
            sweep.absent.append(reference(node_id))
            return None
        return Action(Verb.DESTROY, case, Cause.KILLED) if case is not None else None

    def _asked_for(self, node_id: str, case: Case | None, view: View, sweep: Sweep) -> Case | None:
        """The case of a VM that the list does not show."""
        try:
            vm = self._cloud.vm(node_id)
        except CloudError as error:
            sweep.failed[reference(node_id)] = error.message
            return None
        if vm is None or vm.state in OVER:
            if (
                case is not None
                and vm is None
                and (case.condition is Condition.NOT_LISTED or not view.snapshot.by_id)
            ):
                return case
            sweep.absent.append(reference(node_id))
            return None
        known = case is not None and not vm.claimed  # by its id, where the cloud took no tags
        if not known and not view.snapshot.owner.same_queue(vm):
            sweep.failed[reference(node_id)] = f"is no pilot of {self._queue.label}; it was not touched"
            return None
        return replace(case or Case(vm.key or vm.name, node_id, Condition.HEALTHY), vm=vm)

    def _killed_without_workspace(self, wanted: Sequence[str]) -> Sweep:
        """On a host that does not have the queue's workspace, or cannot use it now: the tags say whose they
        are."""
        services, sweep = self._services, Sweep()
        known = self._workspace.file.salvaged() if self._workspace.exists else None
        view = services.view(known or Record(""), None, look_up=False)
        claimed = [one.case for node in wanted if (one := self._claimed(node, view, sweep))]
        cases = [case for case in claimed if case.vm is not None]
        sweep.failed |= {reference(case.id): _LATER for case in claimed if case.vm is None}
        refused = self._cloud.destroy([case.id for case in cases])
        sweep.failed |= {reference(node_id): reason for node_id, reason in refused.items()}
        done = [Action(Verb.DESTROY, case, Cause.KILLED) for case in cases if case.id not in refused]
        sweep.removed = [removal(services, one) for one in done]
        backend_down.remember(services, done)
        alive = sum(1 for case in view.cases if case.vm and case.vm.state is not State.DELETED)
        sweep.kept = max(0, alive - len(done))
        if known is not None and done:
            self._noted(sweep)
        return sweep

    def _noted(self, sweep: Sweep) -> None:
        """Say in the journal what went past the record, which the next sweep tells of once more."""
        with suppress(TfceError):
            vms = [{"key": one.key, "reference": one.reference} for one in sweep.removed]
            self._workspace.journal.append("killed", vms=vms, failed=sweep.failed)


_LATER = "is not listed yet, and its removal cannot be remembered now: ask again"


def _write_down(workspace: Workspace, sweep: Sweep, outcome: Outcome) -> None:
    if sweep.removed or sweep.failed:
        vms = [one.line(outcome.consoles) for one in sweep.removed]
        workspace.journal.append("removed", vms=vms, failed=sweep.failed)


def _came_up(case: Case, since: datetime) -> bool:
    """Whether there was room for this VM at ``since`` or later."""
    up = case.condition in (Condition.BOOTING, Condition.HEALTHY)
    return up and case.vm is not None and case.vm.created is not None and case.vm.created >= since


def _stands(case: Case) -> bool:
    return case.condition is not Condition.FOREIGN and case.vm is not None and case.vm.state is not State.DELETED


def _doubted(services: Services, known: Record, view: View) -> View:
    """The view, its record knowing since when the list has shown none of the pilots; ``known``: what it was
    before."""
    record = view.snapshot.record
    seen = any(_stands(case) for case in view.cases)
    placed = sum(1 for pilot in record.pilots.values() if pilot.id)
    now = view.clocks.host.replace(microsecond=0)
    if record != known:  # whose account it is, ids, times that were ahead of the clock
        record = services.workspace.save(record)
    if not seen and placed > 1:
        if view.clocks.trusted and (record.unseen_since is None or record.unseen_since > now):
            log.warning("the cloud lists none of %d pilots; nothing is declared gone yet", placed)
            record = services.workspace.save(replace(record, unseen_since=now))
    elif record.unseen_since is not None:
        record = services.workspace.save(replace(record, unseen_since=None))
    return replace(view, snapshot=replace(view.snapshot, record=_known_better(view, record)))


def _known_better(view: View, record: Record) -> Record:
    """``record`` with what the cloud itself says its pilots are made of; written with whatever is written next."""
    pilots = ((case.pilot, case.vm) for case in view.cases)
    return record.including(replace(one, spec=one.spec.completed(vm.spec)) for one, vm in pilots if one and vm)


def _cause(action: Action) -> str:
    return action.cause.value if action.cause else action.verb.value
