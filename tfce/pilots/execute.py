"""Does what a policy decided: writes the intent, asks the cloud, changes Terraform's state, writes what came
of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tfce.model import spending, usage_records
from tfce.model.endings import Cause, Ending
from tfce.model.pilot import Pilot, instance_id, reference
from tfce.model.policy import Action, Verb, lived, tombstone
from tfce.model.reasons import Kind
from tfce.model.reconcile import Condition
from tfce.model.record import Operation, Record
from tfce.model.usage import Stay
from tfce.model.vm import State
from tfce.model.vm_spec import VMSpec
from tfce.pilots.consoles import RemovalOrder
from tfce.pilots.services import Services, View

RECOVERED = "recovered"  # the submission id of a pilot that was found by its VM


@dataclass
class Outcome:
    """What came of some actions: the record after them, refusals by instance id, the pilots that were taken in,
    and the consoles that were kept, by instance id."""

    record: Record
    refused: dict[str, str] = field(default_factory=dict)
    adopted: list[str] = field(default_factory=list)
    consoles: set[str] = field(default_factory=set)

    def found(self, before: Record) -> dict[str, str]:
        """The VMs, by key, that the record knows now and did not know ``before``: for the journal."""
        known = {key for key, pilot in before.pilots.items() if pilot.id}
        return {key: pilot.id for key, pilot in self.record.pilots.items() if pilot.id and key not in known}


class Lesson(Protocol):
    """The record with what is learned from VMs that went, some of whose consoles were ``kept``."""

    def __call__(
        self, services: Services, view: View, record: Record, kept: Collection[str] = ..., /
    ) -> Record: ...


def _nothing(services: Services, view: View, record: Record, kept: Collection[str] = ()) -> Record:
    return record


def execute(
    services: Services,
    view: View,
    actions: Sequence[Action],
    operation: Operation,
    learn: Lesson = _nothing,
) -> Outcome:
    """Carry ``actions`` out; the record is settled afterwards, with what is to ``learn`` from them. What the cloud
    refuses stays for the next cycle."""
    record = view.snapshot.record
    if not actions:
        return Outcome(_settled(services, record))
    ending = [action for action in actions if action.verb is Verb.DESTROY]
    outcome = Outcome(_begun(services, view, actions, operation))
    if ending:
        _destroy(services, view, ending, outcome)
    _taint_off(services, actions)
    _forget(services, actions, outcome)
    _adopt(services, actions, outcome)
    outcome.record = _settled(services, learn(services, view, outcome.record, outcome.consoles))
    return outcome


def _begun(services: Services, view: View, actions: Sequence[Action], operation: Operation) -> Record:
    """The record as it is before the cloud is asked: what is to end, or is gone, gets a tombstone; what lives is
    wanted."""
    now = services.clock()
    over = [one for one in actions if one.verb in (Verb.DESTROY, Verb.FORGET) and one.case.id]
    record = view.snapshot.record.with_tombstones(tombstone(one, why(services, one), now) for one in over)
    record = record.without_tombstones(one.case.id for one in actions if one.verb is Verb.ADOPT)
    record = record.including(_pilots(services, actions))
    record = record.begin(operation, [action.case.key for action in actions], now)
    return services.workspace.save(record)


def _pilots(services: Services, actions: Iterable[Action]) -> Iterable[Pilot]:
    for action in actions:
        case = action.case
        if action.verb is Verb.ADOPT and case.vm is not None:
            born = (case.vm.created or services.clock()).replace(microsecond=0)
            pilot = case.pilot or Pilot(case.key, born, RECOVERED)
            yield replace(pilot, id=case.id)


def _destroy(services: Services, view: View, ending: Sequence[Action], outcome: Outcome) -> None:
    standing = [one for one in ending if one.case.vm is not None]
    known = view.snapshot.record.tombstones
    order = RemovalOrder(services.cloud, services.workspace, standing, services.clock(), known)
    outcome.refused = services.cloud.destroy(order)
    outcome.consoles = order.kept
    done = [one for one in ending if one.case.id not in outcome.refused]
    stones = [outcome.record.tombstones[one.case.id] for one in done if one.case.id in outcome.record.tombstones]
    outcome.record = outcome.record.with_tombstones(replace(stone, accepted=True) for stone in stones)


def _taint_off(services: Services, actions: Iterable[Action]) -> None:
    keys = [one.case.key for one in actions if one.verb is Verb.UNTAINT or _keeps_tainted(one)]
    if keys:
        services.terraform.untaint(keys)


def _keeps_tainted(action: Action) -> bool:
    case = action.case
    same = case.instance is not None and case.instance.id == case.id
    return action.verb is Verb.ADOPT and same and case.instance is not None and case.instance.tainted


def _forget(services: Services, actions: Iterable[Action], outcome: Outcome) -> None:
    """Take out of the state and the record what is over, unless the cloud refused to end it."""
    over = [one for one in actions if _ends(one, outcome) and _is_over(one)]
    replaced = [one.case.key for one in actions if one.verb is Verb.ADOPT and _has_another(one)]
    in_state = [one.case.key for one in over if one.case.instance is not None]
    if in_state or replaced:
        services.terraform.forget([*in_state, *replaced])
    others = [replace(one.case, pilot=None) for one in actions if _ends(one, outcome) and not _is_over(one)]
    gone = [*(one.case for one in over), *others]
    outcome.record = spending.without(outcome.record, gone, services.clock(), services.rules.longest)


def _ends(action: Action, outcome: Outcome) -> bool:
    return action.verb in (Verb.DESTROY, Verb.FORGET) and action.case.id not in outcome.refused


def _is_over(action: Action) -> bool:
    """Whether the pilot itself is over: a duplicate goes, and its pilot stays."""
    return action.case.condition not in (Condition.DUPLICATE, Condition.DOUBTFUL)


def _has_another(action: Action) -> bool:
    instance = action.case.instance
    return instance is not None and instance.id != action.case.id


def _adopt(services: Services, actions: Iterable[Action], outcome: Outcome) -> None:
    taken = [one.case for one in actions if one.verb is Verb.ADOPT]
    outcome.adopted = [case.key for case in taken if not case.recorded]
    ids = {
        case.key: case.id for case in taken
    }  # also where the state knows them: it says when they were asked for
    if ids:
        # hazard: an adoption writes all wanted pilots into the state: what failed must have left the record
        outcome.record = services.workspace.save(outcome.record)
        services.terraform.adopt(ids)


def _settled(services: Services, record: Record) -> Record:
    services.workspace.forget_contexts()  # also those of a submission that died before it was written down
    return services.workspace.save(record.settled()) if record.pending is not None else record


def why(services: Services, action: Action) -> Ending:
    """Why an action ends a pilot, with what is known of it."""
    vm, rules = action.case.vm, services.rules
    if vm is not None and (action.cause is Cause.FAILED or (action.cause is Cause.GONE and vm.fault)):
        taken = vm.fault is not None and vm.fault.kind is Kind.TAKEN_AWAY
        return Ending(Cause.TAKEN_AWAY if taken else Cause.FAILED, fault=vm.fault)
    if action.cause is Cause.GONE and action.last_state is State.STOPPED:
        return Ending(Cause.STOPPED)
    if action.cause is Cause.OVERDUE:
        return Ending(Cause.OVERDUE, seconds=rules.max_lifetime)
    if action.cause is Cause.STUCK:
        return Ending(Cause.STUCK, state=vm.raw_state if vm else "", seconds=rules.create_timeout)
    return Ending(action.cause)


@dataclass(frozen=True)
class Removal:
    """One pilot that was, or would be, removed, for people and programs. ``reference``: None where it had no
    VM."""

    key: str
    reference: str | None
    name: str
    reason: Ending
    state: State
    lived: int | None  # seconds
    stay: Stay | None = None
    spec: VMSpec = field(default_factory=VMSpec)
    verdict: str = ""

    def line(self, consoles: Collection[str] = ()) -> dict[str, object]:
        """What the journal says of it; ``consoles``: VMs whose consoles were kept."""
        return {
            "key": self.key,
            "reference": self.reference,
            "cause": self.reason.cause.value if self.reason.cause else None,
            "reason": str(self.reason),
            "lived_s": self.lived,
            "console_kept": bool(self.reference) and instance_id(self.reference or "") in consoles,
            **usage_records.line(self.stay, self.spec, self.verdict),
        }


def removal(services: Services, action: Action, verdict: str = "") -> Removal:
    """What ``action`` removes, and why."""
    case = action.case
    name = case.vm.name if case.vm else services.queue.workspace.name_prefix + case.key
    return Removal(
        key=case.key,
        reference=reference(case.id) if case.id else None,
        name=name,
        reason=why(services, action),
        state=action.last_state,
        lived=lived(case.vm, case.requested_at, services.clock()),
        stay=spending.stay(case, services.clock(), services.rules.longest),
        spec=spending.spec_of(case),
        verdict=verdict,
    )
