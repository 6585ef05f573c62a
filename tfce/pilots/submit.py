"""Starting pilots: the record to the disk, then the cloud, then the record again.

A crash between any two of these leaves a pending operation behind, and the next writer knows every VM again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tfce import userdata
from tfce.config.offerings import Offering, offerings
from tfce.config.options import Queue
from tfce.config.settings import Limits
from tfce.model import policy, reasons, rests
from tfce.model.errors import CloudError, TfceError
from tfce.model.pilot import Pilot, reference, timestamp
from tfce.model.policy import Action, Verb, occupancy
from tfce.model.reasons import Reason
from tfce.model.reconcile import Case, Instance, Kind
from tfce.model.record import Operation, Record
from tfce.pilots import batching, choice, gate, health
from tfce.pilots.execute import execute
from tfce.pilots.services import Services, View, no_room
from tfce.store import installation
from tfce.terraform import variables
from tfce.terraform.results import Applied

log = logging.getLogger("tfce")


@dataclass
class Submission:
    """What came of a submission: ``stamps`` by reference, in the order of creation, and ``failed``, the
    reason by key. ``calls`` counts API calls by action."""

    stamps: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Reason] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped: str = ""
    limited: str = ""  # why fewer were tried than asked for

    @property
    def references(self) -> list[str]:
        """The references of the pilots that exist."""
        return list(self.stamps)

    def followed_by(self, other: Submission, instead_of: Collection[str]) -> Submission:
        """Both together; ``other`` was about the pilots ``instead_of``, which are not spoken of any more."""
        failed = {key: reason for key, reason in self.failed.items() if key not in instead_of}
        stamps, calls = {**self.stamps, **other.stamps}, self.calls + other.calls
        return Submission(stamps, {**failed, **other.failed}, calls, stopped=other.stopped)


@dataclass(frozen=True)
class Order:
    """What the pilots of a submission run, and who hears of their progress."""

    recipe: userdata.Recipe
    wrapper: bytes
    proxy: bytes | None
    progress: Callable[[str], None]
    offering: Offering

    def user_data(self, rule: str) -> bytes:
        """The user data of a pilot or batch with this stamp."""
        return userdata.render(self.recipe, key=rule, wrapper=self.wrapper, proxy=self.proxy).data


class Submitter:
    """The verb ``submit`` of one queue."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workspace, self._terraform, self._cloud = services.workspace, services.terraform, services.cloud
        self._queue = services.queue

    def submit(
        self,
        wrapper: bytes,
        count: int,
        proxy: bytes | None = None,
        progress: Callable[[str], None] = lambda text: None,
        ignore_limits: bool = False,
    ) -> Submission:
        """Start ``count`` pilots that run ``wrapper``; ``ignore_limits``: also while the queue cools down, and
        beyond MaxWaitingJobs.

        Raises before anything is asked of the cloud when the input, the workspace or Terraform is not fit;
        what fails later is in the result.
        """
        started, before = time.monotonic(), Counter(self._cloud.calls)
        recipe = recipe_for(self._queue)
        userdata.render(recipe, key="00000000", wrapper=wrapper, proxy=proxy)
        with self._workspace.locked():
            record = self._services.prepare()
            record = recover(self._services, record) if record.pending else record
            record, allowed, why = self._allowed(record, count, ignore_limits)
            order = Order(recipe, wrapper, proxy, progress, offerings(self._queue)[0])
            submission, record = self._from_offerings(record, allowed, order, ignore_limits)
            self._learn(record, submission)
            submission.limited = why
        submission.calls += self._cloud.calls - before
        submission.seconds = time.monotonic() - started
        return submission

    # -- how many ------------------------------------------------------------------------------------------

    def _allowed(self, record: Record, count: int, ignore_limits: bool) -> tuple[Record, int, str]:
        """How many of ``count`` pilots may be started now, and what keeps the others back."""
        limits, hold = self._queue.limits, gate.held(self._services, record, by_hand=ignore_limits)
        if hold is not None and not hold.most:
            return record, 0, str(hold)
        named = bool(self._queue.workspace.installation)
        is_new = not named and not record.pilots and not record.tombstones
        look = health.unproven(record, self._queue.workspace.protect_after) and not ignore_limits
        if limits.total is None and limits.waiting is None and not is_new and not look:
            return record, count, ""
        view = self._services.view(record, None)
        self._refuse_foreign(view, is_new)
        if any(case.kind is not Kind.FOREIGN and not case.recorded and case.vm for case in view.cases):
            record = recover(self._services, view.snapshot.record)
        record, cases = choice.found_full(self._queue, record, view.cases, self._services.clock())
        full = _without_room(cases)
        if full and not ignore_limits:
            return record, 0, f"{len(full)} VMs found no room ({full[0]}); the next sweep removes them"
        record = health.learned(self._services, view, record)
        hold = gate.held(self._services, record, by_hand=ignore_limits)
        if hold is not None and hold.most < count:
            within, why = within_limits(limits, view.cases, hold.most, ignore_limits)
            return record, within, why or str(hold)
        return record, *within_limits(limits, view.cases, count, ignore_limits)

    def _refuse_foreign(self, view: View, is_new: bool) -> None:
        """A queue that this host has never seen, and whose VMs run under another installation's name: the host
        lost its memory, or is a second one. Nothing is started beside them unless an option says so."""
        if not is_new:
            return
        names = {case.vm.installation for case in view.cases if case.kind is Kind.FOREIGN and case.vm}
        if names:
            number = sum(1 for case in view.cases if case.kind is Kind.FOREIGN)
            problem = f"{number} VMs of {self._queue.label} bear it, and this host has another name"
            raise installation.lost(sorted(names)[0], problem, self._queue.label)

    # -- asking the cloud ----------------------------------------------------------------------------------

    def _from_offerings(
        self, record: Record, count: int, order: Order, by_hand: bool
    ) -> tuple[Submission, Record]:
        """Start ``count`` pilots of the first offering, what it has no room for of the next, and so on."""
        total, lacking, clock = Submission(), list[str](), self._services.clock
        for offering in choice.open_ones(self._queue, record, clock(), by_hand) if count else ():
            variables.choose(self._workspace, offering)
            submission, record = self._all_of(record, count, replace(order, offering=offering))
            total, lacking = total.followed_by(submission, lacking), choice.lacking(submission.failed)
            full = [submission.failed[key] for key in lacking]
            record = choice.learned(self._queue, record, offering, full, clock())
            count = len(lacking)
            if not count or total.stopped or record.pending:
                break
        if len(offerings(self._queue)) > 1:
            total.failed = {key: rests.told_apart(reason) for key, reason in total.failed.items()}
        return total, record

    def _all_of(self, record: Record, count: int, order: Order) -> tuple[Submission, Record]:
        """Start ``count`` pilots, or as many as there is room for. Where the cloud refuses a batch as a whole,
        what it refused is asked for in halves, in the same cycle."""
        limit = self._terraform.batch_limit if userdata.takes_batches(order.recipe) else 1
        halves_help = limit > 1 and not self._cloud.capabilities.partial
        if halves_help and count > 1 and record.backoff is not None:
            return self._ask(record, batching.halved(count, limit, record.used_keys), order)
        asked = batching.requests(count, limit, record.used_keys)
        submission, record = self._ask(record, asked, order)
        again = batching.refused_whole(asked, submission.failed) if halves_help else []
        if not again or submission.stopped or record.pending:
            return submission, record
        more, record = self._ask(record, batching.halved(len(again), limit, record.used_keys), order)
        return submission.followed_by(more, instead_of=again), record

    def _ask(self, record: Record, asked: Sequence[batching.Asked], order: Order) -> tuple[Submission, Record]:
        keys = [key for wish in asked for key in wish.keys]
        if not keys:
            return Submission(), record
        contexts = {wish.label: order.user_data(wish.rule) for wish in asked}
        return self._start(record, keys, contexts, order)

    def _start(
        self, record: Record, keys: list[str], contexts: Mapping[str, bytes], order: Order
    ) -> tuple[Submission, Record]:
        """Write the pilots ``keys`` down, ask for their VMs, and find out what came of it."""
        workspace = self._workspace
        now = self._services.clock().replace(microsecond=0)
        name = f"{timestamp(now)}-{keys[0]}"
        before = record
        record = record.including(Pilot(key, now, name, made=order.offering.made) for key in keys).begin(
            Operation.SUBMIT, keys, now
        )
        try:
            workspace.write_contexts(contexts)
            record = workspace.save(record)
            workspace.journal.append(
                "submit", keys=keys, wanted=len(record.pilots), made=order.offering.made.to_json()
            )
        except TfceError:
            self._take_back(before)
            raise
        applied = self._terraform.apply(keys, order.progress)
        submission, record = self._settle(record, keys, applied)
        submission.calls = applied.calls
        return submission, record

    def _take_back(self, record: Record) -> None:
        """The cloud was not asked yet: forget the new pilots, as far as the disk lets us."""
        try:
            self._workspace.save(record)
            self._workspace.forget_contexts()
        except TfceError as error:
            log.warning("the workspace is left for the next cycle to mend: %s", error.message)

    def _learn(self, record: Record, submission: Submission) -> None:
        """Whether the cloud had room. Of several offerings each rests for itself."""
        several = len(offerings(self._queue)) > 1
        full = [
            reason
            for reason in submission.failed.values()
            if reason.starts_nothing and not (several and rests.another_helps(reason))
        ]
        if full and not submission.stamps:
            now, cooldown = self._services.clock(), self._queue.workspace.cooldown
            self._workspace.save(record.without_room(str(full[0]), now, cooldown))
        elif submission.stamps and self._terraform.waits and record.backoff is not None:
            self._workspace.save(record.with_room())
        elif several:
            self._workspace.save(record)

    # -- what came of it -----------------------------------------------------------------------------------

    def _settle(self, record: Record, keys: list[str], applied: Applied) -> tuple[Submission, Record]:
        """Read from the state what exists, find out about the rest, and let the record say so."""
        result = Submission(stopped=applied.stopped)
        state = self._terraform.instances()
        created = {key: state[key].id for key in keys if key in state}
        doubtful = [key for key in keys if key not in state or state[key].tainted]
        settled = not doubtful
        record = record.placed({**applied.ids, **created})
        if doubtful:
            record, settled = self._resolve(record, doubtful, created, state, applied, result)
        result.stamps = {reference(created[key]): key for key in keys if key in created}
        self._workspace.journal.append(
            "submitted",
            created={key: created[key] for key in keys if key in created},
            failed={key: reason.to_json() for key, reason in result.failed.items()},
        )
        if settled:
            self._workspace.forget_contexts()
            record = record.settled()
        return result, self._workspace.save(record)

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
        unseen = [case.key for case in cases if case.kind is Kind.NOT_LISTED and not case.id]
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


def within_limits(limits: Limits, cases: Collection[Case], count: int, by_hand: bool = False) -> tuple[int, str]:
    """How many of ``count`` more pilots the options allow beside ``cases``, and what keeps the others back."""
    taken = occupancy(cases)
    # MaxWaitingJobs is a measure of the SiteDirector's demand, not of the cloud's room.
    bounds = (
        ("MaxTotalJobs", limits.total, taken.total),
        ("MaxWaitingJobs", None if by_hand else limits.waiting, taken.waiting),
    )
    why = ""
    for option, most, there in bounds:
        if most is not None and most - there < count:
            count, why = max(most - there, 0), f"{option} = {most}, {there} are there"
    return count, why


def recover(services: Services, record: Record) -> Record:
    """Finish what an earlier cycle began and could not settle; the record afterwards."""
    log.warning("an earlier cycle did not settle: comparing record, state and cloud")
    # hazard: this waits for a Terraform or provider that is still at work; a list from before would miss its VMs
    state = services.terraform.instances()
    view = services.view(record, state)
    actions = [one for one in policy.plan(view.cases, policy.settle, view.clocks) if one.verb is not Verb.LOOK_UP]
    outcome = execute(services, view, actions, Operation.REPAIR)
    never = [one.case.key for one in actions if one.verb is Verb.FORGET]
    services.workspace.journal.append("recovered", adopted=outcome.adopted, never_created=never)
    return outcome.record


def _without_room(cases: Sequence[Case]) -> list[str]:
    """Why VMs of the queue failed for lack of room, those that no sweep has removed yet."""
    failed = (case.vm for case in cases if case.kind is Kind.FAILED and case.vm)
    return [str(vm.fault) for vm in failed if no_room(vm)]


def recipe_for(queue: Queue) -> userdata.Recipe:
    """What every pilot of ``queue`` shares."""
    return userdata.Recipe(
        template=queue.userdata.template,
        packages=queue.userdata.packages,
        max_lifetime=queue.userdata.max_lifetime,
        limit=_limit(queue),
        cvmfs_proxies=queue.userdata.cvmfs_proxies,
        linger=queue.userdata.linger,
        drain_margin=queue.userdata.margin,
        cloud=queue.endpoint.cloud,
    )


def _limit(queue: Queue) -> userdata.Limit:
    limit = queue.endpoint.capabilities.user_data
    # Only tfce's own provider is known to hand on bytes.
    return userdata.EC2_BINARY if limit == userdata.EC2 and queue.terraform.module == "bulk" else limit


def failure_kind(failed: Mapping[str, Reason]) -> reasons.Kind:
    """The kind of failure that most of a submission's pilots met."""
    kinds = Counter(reason.kind for reason in failed.values())
    return kinds.most_common(1)[0][0] if kinds else reasons.Kind.UNCLASSIFIED


def _later(reason: Reason, why: str = "") -> Reason:
    """The reason of a pilot of which nobody knows yet whether it has a VM."""
    return reason.saying(f"{reason.text} (whether its VM exists is looked up later{why})")
