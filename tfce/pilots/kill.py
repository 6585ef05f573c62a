"""Removing the VMs of pilots that somebody named."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from tfce.model import policy
from tfce.model.endings import Cause, Ending
from tfce.model.errors import BackendError, BusyError, CloudError, TerraformError, TfceError, WorkspaceError
from tfce.model.pilot import reference
from tfce.model.policy import Action, Verb
from tfce.model.reconcile import Case, Condition
from tfce.model.record import Operation, Record
from tfce.model.vm import OVER, State
from tfce.pilots import backend_down, naming
from tfce.pilots.execute import execute, removal
from tfce.pilots.services import Services, View
from tfce.pilots.sweep import Sweep, cause_of, sweep_of, write_down

log = logging.getLogger("tfce")

_LATER = "is not listed yet, and its removal cannot be remembered now: ask again"


class Killer:
    """The verb ``kill`` of one queue."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workspace, self._cloud, self._queue = services.workspace, services.cloud, services.queue

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
            self._workspace.journal.append("remove", pilots={one.case.key: cause_of(one) for one in actions})
        outcome = execute(services, view, actions, Operation.REMOVE)
        went = sweep_of(services, view, actions, (), outcome)
        sweep.removed, sweep.kept = went.removed, went.kept
        sweep.failed |= went.failed
        if actions:
            write_down(self._workspace, sweep, outcome)
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
