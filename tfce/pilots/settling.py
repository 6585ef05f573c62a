"""What came of the VMs that a submission asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfce.model import policy
from tfce.model.errors import CloudError
from tfce.model.pilot import reference
from tfce.model.policy import Action, Verb
from tfce.model.reasons import Reason
from tfce.model.reconcile import Condition, Instance
from tfce.model.record import Operation, Record
from tfce.model.trace import phase
from tfce.pilots.execute import execute
from tfce.pilots.services import Services
from tfce.pilots.submission import Submission
from tfce.terraform.results import Applied


class Settler:
    """Reads what exists, finds out about the rest, and lets the record say so."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workspace, self._terraform = services.workspace, services.terraform

    @phase("find out what came of it")
    def settle(self, record: Record, keys: list[str], applied: Applied) -> tuple[Submission, Record]:
        """Read from the state what exists, find out about the rest, and let the record say so."""
        result = Submission(stopped=applied.stopped)
        state = self._state(keys, applied)
        created = {key: state[key].id for key in keys if key in state}
        doubtful = [key for key in keys if key not in state or state[key].tainted]
        settled = not doubtful
        record = record.placed({**applied.ids, **created})
        if doubtful:
            record, settled = self._resolve(record, doubtful, created, state, applied, result)
        result.stamps = {reference(created[key]): key for key in keys if key in created}
        unknown = [key for key in result.failed if key in record.pilots]
        self._workspace.journal.append(
            "submitted",
            created={key: created[key] for key in keys if key in created},
            failed={key: reason.to_json() for key, reason in result.failed.items()},
            **({"unknown": unknown} if unknown else {}),  # whether they have a VM; the next cycle finds out
        )
        if settled:
            self._workspace.forget_contexts()
            record = record.settled()
        return result, self._workspace.save(record)

    def _state(self, keys: Sequence[str], applied: Applied) -> Mapping[str, Instance]:
        """What the state says of the pilots ``keys``; it is not read where that is known already."""
        if applied.written:
            return {key: Instance(applied.ids[key]) for key in keys}
        return self._terraform.instances()

    def _resolve(
        self,
        record: Record,
        doubtful: Sequence[str],
        created: dict[str, str],
        state: Mapping[str, Instance],
        applied: Applied,
        result: Submission,
    ) -> tuple[Record, bool]:
        """Ask the cloud about pilots that Terraform did not bring up. A VM that lives is kept, one that failed is
        removed. Returns whether all is known."""
        why = {key: applied.failed.get(key) or applied.reason("Terraform did not create it") for key in doubtful}
        try:
            view = self._services.view(record, state, look_up=False)
        except CloudError as error:
            return self._unknown(record, doubtful, created, why, error, result), False
        cases = [case for case in view.cases if case.key in why]
        actions = policy.plan(cases, policy.settle, view.clocks)
        outcome = execute(self._services, view, actions, Operation.SUBMIT)
        for action in actions:
            self._note(action, why, created, result)
        unseen = [case.key for case in cases if case.condition is Condition.NOT_LISTED and not case.id]
        result.failed |= {key: _later(why[key]) for key in unseen}
        return outcome.record, not unseen

    def _note(
        self, action: Action, why: Mapping[str, Reason], created: dict[str, str], result: Submission
    ) -> None:
        key = action.case.key
        if action.verb is Verb.ADOPT:
            created[key] = action.case.id
        elif action.verb in (Verb.DESTROY, Verb.FORGET):
            created.pop(key, None)
            fault = action.case.vm.fault if action.case.vm else None
            result.failed[key] = fault or why[key]

    def _unknown(
        self,
        record: Record,
        doubtful: Sequence[str],
        created: Mapping[str, str],
        why: Mapping[str, Reason],
        error: CloudError,
        result: Submission,
    ) -> Record:
        """The cloud does not say what became of these. Those with an id exist; the others stay wanted, and the
        operation stays pending, until a later cycle finds out."""
        self._terraform.untaint([key for key in doubtful if key in created])
        for key in doubtful:
            if key not in created:
                result.failed[key] = _later(why[key], f": {error.problem}")
        return record


def _later(reason: Reason, why: str = "") -> Reason:
    """The reason of a pilot of which nobody knows yet whether it has a VM."""
    return reason.saying(f"{reason.text} (whether its VM exists is looked up later{why})")
