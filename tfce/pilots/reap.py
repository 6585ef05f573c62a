"""Removing VMs that ended, failed, are overdue or were dismissed."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime

from tfce.model import policy
from tfce.model.errors import BackendError
from tfce.model.policy import Action, Verb
from tfce.model.reconcile import Case, Condition
from tfce.model.record import Operation, Record
from tfce.pilots import backend_down, health, offering_choice
from tfce.pilots.execute import Outcome, execute
from tfce.pilots.services import Services, View, no_room
from tfce.pilots.sweep import Sweep, cause_of, stands, sweep_of, write_down

log = logging.getLogger("tfce")


class Reaper:
    """The verb ``reap`` of one queue."""

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
        return replace(sweep_of(self._services, view, actions, held, Outcome(record)), looked_only=True)

    def _swept_anyhow(self) -> Sweep:
        try:
            with self._workspace.locked():
                return self._swept()
        except BackendError as error:
            log.warning("only what has certainly ended is removed: %s", error.message)
            sweep, outcome = sweep_of(self._services, *(ended := backend_down.swept(self._services))), ended[-1]
            write_down(self._workspace, sweep, outcome)
            return sweep

    def _swept(self) -> Sweep:
        services = self._services
        record = before = services.prepare()
        # hazard: the state waits for whatever is still at work; a list from before would miss its VMs
        state = services.terraform.instances()
        view = _doubted(services, record, services.view(record, state))
        actions, held = self._decided(view)
        if any(action.cause is not None for action in actions):
            self._workspace.journal.append("remove", pilots={one.case.key: cause_of(one) for one in actions})
        learned = health.taught if actions else health.learned  # what is begun is written anyway
        record = learned(services, view, view.snapshot.record)
        view = replace(view, snapshot=replace(view.snapshot, record=record))
        outcome = execute(services, view, actions, Operation.REMOVE, learn=health.taught)
        sweep = sweep_of(self._services, view, actions, held, outcome)
        self._learn(view, outcome.record)
        write_down(self._workspace, sweep, outcome)
        found = outcome.found(before)
        if found:
            self._workspace.journal.append("recovered", adopted=found)
        return sweep

    def _decided(self, view: View) -> tuple[list[Action], list[Action]]:
        actions = policy.due(view.cases, view.snapshot.record.drain, view.clocks)
        share = self._queue.workspace.reap_share
        return policy.within_budget([one for one in actions if one.verb is not Verb.LOOK_UP], view.alive, share)

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


def _came_up(case: Case, since: datetime) -> bool:
    """Whether there was room for this VM at ``since`` or later."""
    up = case.condition in (Condition.BOOTING, Condition.HEALTHY)
    return up and case.vm is not None and case.vm.created is not None and case.vm.created >= since


def _doubted(services: Services, known: Record, view: View) -> View:
    """The view, its record knowing since when the list has shown none of the pilots; ``known``: what it was
    before."""
    record = view.snapshot.record
    seen = any(stands(case) for case in view.cases)
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
