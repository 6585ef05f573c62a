"""What DIRAC asks in between: the states of pilots, how many there are, and what an operator sees of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypedDict

from tfce.model import policy
from tfce.model.errors import ConfigError
from tfce.model.pilot import Pilot, instance_id
from tfce.model.reconcile import Case, Condition, reconcile
from tfce.model.record import Record, Tombstone
from tfce.model.vm import VM, State
from tfce.model.vm_spec import VMSpec
from tfce.pilots.services import Services, View
from tfce.store.whose import NotOursError

_GONE = frozenset((Condition.VANISHED, Condition.ABSENT, Condition.DELETING, Condition.NEVER_CREATED))

log = logging.getLogger("tfce")


@dataclass(frozen=True)
class SeenPilot:
    """One wanted pilot as it was seen; ``vm`` is None where the cloud lists none."""

    pilot: Pilot
    vm: VM | None
    state: str  # DIRAC's word, or what the case is called where DIRAC has none for it

    @property
    def spec(self) -> VMSpec:
        """What its VM is made of, as the cloud says it, else as it was asked for."""
        return self.pilot.spec.corrected(self.vm.spec) if self.vm else self.pilot.spec


class Count(TypedDict):
    """How many of a queue's own pilots boot and run, by DIRAC's names."""

    SubmittedJobs: int
    WaitingJobs: int
    RunningJobs: int


@dataclass
class Memory:
    """What this process saw before: VMs that had ``stopped``, and since when the cloud has known none of the
    pilots ``absent``, which no record knows either."""

    stopped: set[str] = field(default_factory=set)
    absent: dict[str, datetime] = field(default_factory=dict)


class Poller:
    """The verbs ``poll``, ``count`` and ``status`` of one queue. They take no lock and write nothing."""

    def __init__(self, services: Services, memory: Memory) -> None:
        self._services, self._memory = services, memory

    def poll(self, references: Iterable[str]) -> dict[str, str]:
        """DIRAC's state of each pilot by reference. A pilot that nobody can speak for now is left out: it
        keeps its state. Raises ``CloudError`` when the list cannot be had. One call, whatever the number."""
        wanted = {instance_id(text): text for text in references}
        try:
            record = self._record()
        except NotOursError as error:
            return self._polled_elsewhere(wanted, error)
        states, unsure = self._polled(wanted, record)
        if not unsure or self._services.workspace.shared is None:
            return states
        # Another host may have removed them, and knows how they ended.
        if self._services.workspace.refresh():
            now = self._record()
            return states if now == record else self._polled(wanted, now)[0]
        return {text: word for text, word in states.items() if instance_id(text) not in unsure}

    def _polled_elsewhere(self, wanted: Mapping[str, str], error: NotOursError) -> dict[str, str]:
        """What the cloud alone tells, where the record is elsewhere by now."""
        workspace = self._services.workspace
        log.warning("%s: pilots that are gone keep their states: %s", workspace.queue.label, error.message)
        states, unsure = self._polled(wanted, workspace.file.salvaged() or Record(""))
        return {text: word for text, word in states.items() if instance_id(text) not in unsure}

    def _polled(self, wanted: Mapping[str, str], record: Record) -> tuple[dict[str, str], set[str]]:
        """The states as ``record`` has them, and which pilots are gone without its knowing why."""
        living = {pilot.id for pilot in record.pilots.values()}  # found gone once, and taken back in since
        stones = {node: record.tombstones.get(node) for node in wanted if node not in living}
        done = {node: stone for node, stone in stones.items() if stone and stone.final}
        states = {wanted[node]: stone.state.value for node, stone in done.items()}
        rest = {node: text for node, text in wanted.items() if node not in done}
        view = self._view(record) if rest else None
        if view is None:
            return states, set()
        self._memory.stopped |= {case.id for case in view.cases if case.vm and case.vm.state is State.STOPPED}
        found = self._found(view, rest)
        words = {text: self._word(node, found.get(node), record) for node, text in rest.items()}
        unsure = {node for node, text in rest.items() if words[text] is None or _is_gone(found.get(node))}
        known = {text: word for text, word in words.items() if word is not None}
        return states | known, unsure - set(record.tombstones)

    def _record(self) -> Record:
        workspace = self._services.workspace
        return workspace.load() if workspace.exists else Record(workspace.owner().installation)

    def _view(self, record: Record) -> View | None:
        """The queue as it is now; None where its pilots live in another cloud, which is said."""
        try:
            self._services.check_home(record)
            return self._services.view(record, None, look_up=False)
        except ConfigError as error:
            log.warning("the pilots keep their states: %s", error.message)
            return None

    def _found(self, view: View, rest: Mapping[str, str]) -> dict[str, Case]:
        """The cases of the polled pilots; those that the list does not show are asked for by their ids."""
        cases = {case.id: case for case in view.cases}
        absent = [node for node in rest if node not in cases or cases[node].vm is None]
        if not absent:
            return cases
        looked_up = self._services.look_up(absent)
        snapshot = replace(view.snapshot, looked_up=looked_up)
        cases = {case.id: case for case in reconcile(snapshot)}
        unknown = {node: vm for node, vm in looked_up.items() if node not in cases}
        return cases | {node: self._stranger(node, vm, view) for node, vm in unknown.items()}

    def _stranger(self, node: str, vm: VM | None, view: View) -> Case:
        """A pilot that the record does not want: another host's, from before it was lost, or a removed one."""
        if vm is None:
            return Case("", node, Condition.VANISHED if self._long_absent(node, view) else Condition.NOT_LISTED)
        if not view.snapshot.owner.same_queue(vm):
            return Case("", node, Condition.NOT_LISTED)  # nobody of ours: nothing is said of it
        return Case("", node, Condition.FOREIGN, vm=vm)

    def _long_absent(self, node: str, view: View) -> bool:
        """Whether a VM that the cloud does not know cannot be one that it does not know yet: its removal was
        asked for, or it has been asked after for longer than a new one needs to appear."""
        if node in view.snapshot.record.tombstones:
            return True
        now, rules = self._services.clock(), self._services.rules
        since = self._memory.absent.setdefault(node, now)
        return now - since >= timedelta(seconds=rules.grace if view.snapshot.by_id else rules.longest)

    def _word(self, node: str, case: Case | None, record: Record) -> str | None:
        stone = record.tombstones.get(node)
        if case is None:
            return _removed(stone)
        if case.condition is Condition.FOREIGN and case.vm is not None:
            return case.vm.came_to.word
        if case.condition is Condition.VANISHED and node in self._memory.stopped:
            return State.STOPPED.value
        word = policy.word(case)
        return (_removed(stone) or word) if word is None or case.condition is Condition.DELETING else word

    def count(self) -> Count:
        """How many of the queue's own pilots wait and run."""
        record = self._record()
        view = self._view(record)
        if view is None:  # they live elsewhere, and take their room there
            return {"SubmittedJobs": 0, "WaitingJobs": 0, "RunningJobs": len(record.pilots)}
        taken = policy.occupancy(view.cases)
        return {"SubmittedJobs": 0, "WaitingJobs": taken.waiting, "RunningJobs": taken.running}

    def status(self) -> list[SeenPilot]:
        """Every wanted pilot as the cloud shows it now."""
        record = self._record()
        self._services.check_home(record)
        view = self._services.view(record, self._services.terraform.instances())
        own = [case for case in view.cases if case.recorded]
        own.sort(key=lambda case: (case.pilot.requested_at, case.key) if case.pilot else (case.key,))
        return [
            SeenPilot(case.pilot, case.vm, policy.word(case) or case.condition.value) for case in own if case.pilot
        ]


def _is_gone(case: Case | None) -> bool:
    return case is None or case.condition in _GONE or (case.vm is not None and case.vm.state is State.DELETED)


def _removed(stone: Tombstone | None) -> str | None:
    """The word for a pilot that the cloud does not show, or still removes, by what is remembered of its removal.
    That a cloud took the request is no word that the VM is gone: it may go on for hours, or come back."""
    return stone.state.value if stone is not None and stone.final else None
