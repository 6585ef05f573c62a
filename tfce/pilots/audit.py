"""Record, Terraform's state and cloud side by side, and rebuilding what is damaged of the first two."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from tfce.model import policy, usage_records
from tfce.model.endings import Cause
from tfce.model.errors import DamagedStateError
from tfce.model.pilot import instance_id, reference
from tfce.model.policy import Action, Verb
from tfce.model.reconcile import LIVING, Case, Condition, Instance
from tfce.model.record import Operation, Record
from tfce.model.usage import Usage
from tfce.pilots.execute import execute
from tfce.pilots.services import Services
from tfce.store import ce_queues, files, installation, takeover
from tfce.store.record_file import NewerRecordError
from tfce.store.whose import NotOursError

log = logging.getLogger("tfce")


@dataclass(frozen=True)
class Row:
    """One line of an audit. ``recorded`` and ``state``: whether they list the pilot; ``cloud``: the cloud's
    word for its VM, or "-"; ``cure``: the command that mends it, "" where nothing is to be done."""

    key: str
    reference: str
    recorded: bool
    state: bool
    cloud: str
    verdict: str
    cure: str

    @property
    def mismatch(self) -> bool:
        """Whether the three views disagree."""
        return self.verdict not in _WELL


_WELL = ("ok", "ended", "removed", "booting", "deleting", "not listed yet")
_REAP = "tfce reap {queue}"
_NEXT = "the next sweep (`tfce reap {queue}`) mends it"
_ABSENT = (
    "ask again: the cloud did not say what became of it; if it is gone for sure, `tfce kill {queue} REFERENCE` "
    "lets the queue forget it"
)
_OK = frozenset((*LIVING, Condition.UNKNOWN))
_VERDICTS: Mapping[Condition, tuple[str, str]] = {
    Condition.ENDED: ("ended", _REAP),
    Condition.FAILED: ("ended", _REAP),
    Condition.STUCK: ("stuck", _REAP),
    Condition.OVERDUE: ("overdue", _REAP),
    Condition.DISMISSED: ("dismissed", _REAP),
    Condition.DELETING: ("deleting", ""),
    Condition.NOT_LISTED: ("not listed yet", ""),
    Condition.ABSENT: ("not listed", _ABSENT),
    Condition.VANISHED: ("vanished", _REAP),
    Condition.NEVER_CREATED: ("never created", _NEXT),
    Condition.STALE: ("stale", _NEXT),
    Condition.DUPLICATE: ("duplicate", _REAP),
    Condition.DOUBTFUL: ("doubtful", "ask again: which of two VMs is the pilot's is not known yet"),
}


def audit(services: Services, known: Iterable[str] | None = None) -> list[Row]:
    """The cases that the next sweep would act on, and those that are well; with ``known``, the references that
    DIRAC has, a fourth column to the verdict."""
    workspace = services.workspace
    record = workspace.load() if workspace.exists else Record(workspace.owner().installation)
    services.check_home(record)
    view = services.view(record, services.terraform.instances())
    actions = {id(one.case): one for one in policy.due(view.cases, record.drain, view.clocks)}
    shown = [(case, actions.get(id(case))) for case in view.cases if case.condition is not Condition.FOREIGN]
    label = services.queue.label
    rows = [row_of(case, label, action) for case, action in shown if action or not _left_over(case)]
    return rows if known is None else against(rows, known, record.tombstones)


def _left_over(case: Case) -> bool:
    """Whether another computing element left the VM: it never was in record or state."""
    return case.vm is not None and not case.vm.claimed and case.pilot is None and case.instance is None


def row_of(case: Case, queue: str, action: Action | None = None) -> Row:
    """The row of a case of ``queue`` (CE/QUEUE); ``action``: what the next sweep does about it."""
    verdict, cure = _verdict(case, action)
    found = reference(case.id) if case.id else "-"
    in_state = case.instance is not None and (case.instance.id == case.id or case.vm is None)
    state = case.vm.raw_state if case.vm else "-"
    return Row(case.key, found, case.recorded, in_state, state, verdict, cure.format(queue=queue))


def _verdict(case: Case, action: Action | None) -> tuple[str, str]:
    """What a case is called, and the form of its cure."""
    if action is not None and action.cause is Cause.DRAINED:
        return "drained", _REAP
    if action is not None and case.condition is Condition.DELETING:
        return "deleting for too long", "tfce reap {queue} asks for it again"
    if case.condition not in _OK:
        return _VERDICTS[case.condition]
    if case.pilot is None:
        return ("orphan" if case.instance is None else "unlisted"), _NEXT
    if case.instance is None or not case.instance.id == case.pilot.id == case.id:
        return "unrecorded", _NEXT
    return ("tainted", _NEXT) if case.instance.tainted else ("ok", "")


def against(rows: Iterable[Row], known: Iterable[str], removed: Collection[str]) -> list[Row]:
    """``rows`` held against the references that DIRAC knows; ``removed``: instance ids tfce has removed."""
    references = dict.fromkeys(reference(instance_id(text)) for text in known if text.strip())
    compared: list[Row] = []
    for row in rows:
        strange = row.verdict in ("ok", "ended") and row.reference not in references
        cure = "DIRAC does not know this pilot; it registers when it matches a job"
        compared.append(replace(row, verdict="unknown to DIRAC", cure=cure) if strange else row)
    shown = {row.reference for row in compared}
    for text in references:
        if text not in shown:
            over = instance_id(text) in removed
            verdict, cure = ("removed", "") if over else ("no such VM", "DIRAC's next poll says Deleted")
            compared.append(Row("-", text, False, False, "-", verdict, cure))
    return compared


# -- repair ----------------------------------------------------------------------------------------------------


def repair(services: Services) -> list[str]:
    """Rebuild a damaged record or state from the other and the cloud; lines that say what was done."""
    workspace = services.workspace
    with workspace.locked(mending=True):
        ce_queues.join(workspace, mending=True)
        done = _mend_record(services)
        if workspace.shared is not None and workspace.shared.mended:
            done.insert(0, f"put what this host knows into {workspace.shared.backend_id}, where nothing good was")
        record, state = _mend_state(services, done)
        view = services.view(record, state)
        actions = [
            one for one in policy.plan(view.cases, policy.settle, view.clocks) if one.verb is not Verb.LOOK_UP
        ]
        outcome = execute(services, view, actions, Operation.REPAIR)
        found = outcome.found(record)
        if done or found:
            workspace.journal.append("repaired", done=done, adopted=found)
    return done + [f"took pilot {key} back into the record" for key in outcome.adopted]


def _mend_state(services: Services, done: list[str]) -> tuple[Record, Mapping[str, Instance]]:
    """The record and what the state says; a damaged state is put aside, and none is there then."""
    try:
        return services.prepare(), services.terraform.instances()
    except DamagedStateError:
        path = services.workspace.state_file
        if not os.path.lexists(path):  # it is in a backend: the error says what to do there
            raise
        done.append("put the damaged Terraform state aside")
        files.put_aside(path)
    return services.prepare(), services.terraform.instances()


def _mend_record(services: Services) -> list[str]:
    """Put a record that cannot be believed aside; what is known of it otherwise is the record then."""
    workspace = services.workspace
    try:
        record: Record | None = workspace.load() if workspace.exists else None
    except (NewerRecordError, NotOursError):
        raise
    except Exception as error:  # whatever else is wrong with it
        log.info("the record cannot be used: %s", error)
        record = None
    if record is not None and (record.pilots or record.tombstones):
        return []
    old = workspace.file.salvaged() if record is None else record
    aside = workspace.file.put_aside() if record is None else None
    name, done = _name(services, old)
    if aside is not None:
        done.insert(0, f"put {workspace.file.path.name} aside as {aside.name}")
    if record is None or record.installation != name:
        fresh = replace(old or _begun_anew(services, name), installation=name)
        workspace.save(fresh)
        installation.keep(workspace.root, name)
    return done


def _begun_anew(services: Services, name: str) -> Record:
    """A record of which nothing is known but what other files tell: removals, and the hours in the journal."""
    workspace = services.workspace
    stays = [used.stay(services.clock()) for used in usage_records.ended(workspace.journal.entries()).values()]
    usage = Usage().ended(stays, services.clock())
    return replace(takeover.rest(workspace.private, name, services.clock()), usage=usage)


def _name(services: Services, old: Record | None) -> tuple[str, list[str]]:
    """The installation's name, and what is to be said of it: the option's, the one that the queue's VMs have, the
    record's, the reviewers' copy's, the host's, in this order."""
    workspace = services.workspace
    named = workspace.queue.workspace.installation
    if named:
        return named, []
    bearers = services.cloud.vms(workspace.any_installation())
    names = sorted({vm.installation for vm in bearers if vm.installation})
    kept = old.installation if old else installation.known(workspace.root)
    if kept and (kept in names or not names):
        return kept, []
    found = names[0] if len(names) == 1 else installation.reviewed(workspace.review_copies.named())
    if found:
        return found, [f"took the installation's name {found} from the queue's VMs"]
    return kept or workspace.owner().installation, []
