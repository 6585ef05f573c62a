"""Finishing what an earlier cycle began."""

from __future__ import annotations

import logging

from tfce.model import policy
from tfce.model.policy import Verb
from tfce.model.record import Operation, Record
from tfce.model.trace import phase
from tfce.pilots.execute import execute, removal
from tfce.pilots.services import Services

log = logging.getLogger("tfce")


@phase("finish an earlier cycle's work")
def recover(services: Services, record: Record) -> Record:
    """Finish what an earlier cycle began and could not settle; the record afterwards."""
    log.warning("an earlier cycle did not settle: comparing record, state and cloud")
    # hazard: this waits for a Terraform or provider that is still at work; a list from before would miss its VMs
    state = services.terraform.instances()
    view = services.view(record, state)
    actions = [one for one in policy.plan(view.cases, policy.settle, view.clocks) if one.verb is not Verb.LOOK_UP]
    outcome = execute(services, view, actions, Operation.REPAIR)
    over = [one for one in actions if one.verb in (Verb.FORGET, Verb.DESTROY) and one.case.pilot]
    never = [one.case.key for one in over if one.verb is Verb.FORGET]
    vms = [removal(services, one).line() for one in over if one.case.id and one.case.id not in outcome.refused]
    more = {"vms": vms} if vms else {}
    services.workspace.journal.append("recovered", adopted=outcome.found(record), never_created=never, **more)
    return outcome.record
