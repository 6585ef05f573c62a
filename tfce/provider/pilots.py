"""The pilots of one queue against the cloud: whom to take over, whom to make, who is gone.

Every step may be repeated: before a VM is made, the cloud is asked which of the wanted pilots have one, unless
nobody can have asked for them. Whatever an interrupted run leaves, the next one ends with exactly the wanted VMs.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tfce.cloud.api import Cloud
from tfce.cloud.pool import run_pool
from tfce.cloud.shape import Shape
from tfce.model.batches import are_halves
from tfce.model.case import Case, Condition
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import OVER, VM, State
from tfce.provider.refresh import judged
from tfce.provider.requests import Request, needed

_LONGEST_PAUSE = 30.0  # seconds between two tries while the cloud throttles
# Clouds echo what they refuse: a run of base64 this long is user data, which holds a proxy.
_ECHO = re.compile(r"[A-Za-z0-9+/=]{60,}")


@dataclass(frozen=True)
class ApplyOptions:
    """How VMs are asked for: so many at once, so many repeats while the cloud throttles. ``only``: the run is
    about these pilots, all others stay as they are; None: about all. ``make`` False: no VM is made, only those
    that exist are taken over. ``fresh``: the pilots have never been asked for, so that none of them is searched
    for. ``stop`` is set when Terraform wants the run to end."""

    parallelism: int = 10
    retries: int = 5
    only: frozenset[str] | None = None
    make: bool = True
    fresh: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


_ANY = ApplyOptions()
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass
class ApplyOutcome:
    """What a run came to: the ids of all pilots that exist, why others do not, and which dismissed pilots stay
    because their VMs still live."""

    ids: dict[str, str]
    refused: dict[str, Reason] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


def apply(
    cloud: Cloud,
    shape: Shape,
    wanted: Collection[str],
    known: Mapping[str, str],
    contexts: Path,
    options: ApplyOptions,
) -> ApplyOutcome:
    """Let exactly the ``wanted`` pilots have a VM; ``known`` are the ids of those that had one. The user data of
    new pilots is read from ``contexts``, a file each. Nothing is ever destroyed. Raises ``CloudError`` when the
    list cannot be had: then nothing was done."""
    some = options.only is not None
    missing = [key for key in wanted if key not in known and about(key, options.only)]
    dropped = [key for key in known if key not in wanted and not some]
    outcome = ApplyOutcome({key: known[key] for key in known if key not in dropped})
    if not missing and not dropped:
        return outcome
    requests = list(needed(missing, contexts))
    # Only what is to be made is searched for: of other pilots nobody knows the batch that they came with.
    search = options.make and not dropped
    nodes = _existing(cloud, shape, missing, requests, options.fresh) if search else cloud.vms(shape.owner)
    for case in _judged(cloud, shape, missing, nodes, {key: known[key] for key in dropped}):
        if case.recorded:
            _take(case, options, outcome)
        elif case.occupies:
            outcome.ids[case.key] = case.id
            outcome.kept[case.key] = _there(case)
    lost = _make(cloud, shape, [one for one in requests if _due(one, contexts, outcome)], options, outcome)
    if lost:
        _look_again(cloud, shape, lost, outcome)
    return outcome


def about(key: str, only: frozenset[str] | None) -> bool:
    """Whether a run about ``only`` is about ``key``."""
    return only is None or key in only


def _existing(
    cloud: Cloud, shape: Shape, keys: Collection[str], requests: Collection[Request], fresh: bool = False
) -> list[VM]:
    if fresh:
        return []
    batches = [one.asked for one in requests if isinstance(one.asked, Batch)]
    of_batches = {key for batch in batches for key in batch.keys}
    return cloud.find_existing(shape, [key for key in keys if key not in of_batches], batches)


def _judged(
    cloud: Cloud, shape: Shape, keys: Collection[str], nodes: Sequence[VM], known: Mapping[str, str] = _NONE
) -> list[Case]:
    """The cases of the pilots ``keys``, in that order, which have no VM yet as far as the state knows; then those
    of the ``known``."""
    cases = judged(cloud, shape.owner, dict.fromkeys(keys, ""), known, nodes)
    own = {case.key: case for case in cases if case.recorded}
    return [own[key] for key in keys] + [case for case in cases if case.instance is not None]


def _take(case: Case, options: ApplyOptions, outcome: ApplyOutcome) -> None:
    """What becomes of a pilot without a VM, before any is made: one that exists is taken over, if it is of use."""
    if case.condition in (Condition.VANISHED, Condition.DELETING):
        outcome.refused[case.key] = _once(f"its VM {case.id} is gone")
    elif case.vm is not None and case.condition is Condition.FAILED:
        outcome.refused[case.key] = case.vm.fault or _vague(case.vm)
    elif case.vm is not None:
        outcome.ids[case.key] = case.id
    elif not options.make:
        outcome.refused[case.key] = Reason(Kind.GONE, "the cloud lists no VM of it, and none is to be made")
    elif case.condition is not Condition.NEVER_CREATED and options.only is None:
        # Whoever applies by hand may ask for one that was asked for before: tfce's own runs are about new ones.
        text = "the cloud's list is not complete: it may have a VM already"
        outcome.refused[case.key] = Reason(Kind.UNREACHABLE, text)


def _vague(vm: VM) -> Reason:
    return Reason(Kind.UNCLASSIFIED, f"its VM {vm.id} is in state {vm.raw_state}", vm.raw_state)


def _there(case: Case) -> str:
    if case.vm is None:
        return f"nobody knows whether its VM {case.id} still exists"
    return f"its VM {case.id} still exists ({case.vm.raw_state})"


def _due(one: Request, contexts: Path, outcome: ApplyOutcome) -> bool:
    """Whether the call is to be made; if not, its pilots without a VM are refused."""
    open_ = [key for key in one.keys if key not in outcome.ids and key not in outcome.refused]
    why: Reason | None = None
    if one.text is None:
        cure = "new pilots are started by `tfce submit`"
        why = Reason(Kind.CONFIGURATION, f"there is no user data in {contexts}", cure=cure)
    elif isinstance(one.asked, Batch) and len(open_) < one.asked.size:
        why = _once(f"the other VMs of its batch {one.asked.name} were asked for before")
    outcome.refused |= dict.fromkeys(open_, why) if why else {}
    return bool(open_) and not why


def _once(text: str) -> Reason:
    return Reason(Kind.GONE, f"{text}: a pilot, or a batch, is started once only")


def _make(
    cloud: Cloud, shape: Shape, new: Collection[Request], options: ApplyOptions, outcome: ApplyOutcome
) -> dict[Request, Reason]:
    """Make all the ``new`` calls, several at once; batches that halve one another one after the other, so that
    each finds what the larger ones left. Returns those of which nobody knows what they did, and why."""
    lost: dict[Request, Reason] = {}
    mute: list[Request] = []

    def make(own: Cloud, one: Request) -> bool:
        try:
            answer = _ask(own, shape, one, options)
            if answer is None:
                mute.append(one)
            else:
                _started(own, shape, one, answer, outcome)
        except CloudError as error:
            reason = error.reason.saying(_ECHO.sub("…", error.reason.text))
            if reason.kind is Kind.UNREACHABLE:
                lost[one] = reason
            else:
                outcome.refused |= dict.fromkeys(one.keys, reason)
        return True

    halved = are_halves([one.asked.size for one in new if isinstance(one.asked, Batch)])
    workers = [cloud.clone() for _ in range(1 if halved else min(options.parallelism, len(new)))]
    run_pool(workers, new, make)
    for own in workers:
        cloud.calls.update(own.calls)
    return lost | _seen(cloud, shape, mute, outcome)


def _seen(cloud: Cloud, shape: Shape, mute: Collection[Request], outcome: ApplyOutcome) -> dict[Request, Reason]:
    """Find in one list what those calls made whose answers do not say it; the calls of which it cannot be had."""
    batches = [one.asked for one in mute if isinstance(one.asked, Batch)]
    try:
        made = cloud.granted(shape, batches) if batches else []
    except CloudError as error:
        return dict.fromkeys(mute, Reason(Kind.UNREACHABLE, error.message))  # whatever it is: they were made
    for one in mute:
        _started(cloud, shape, one, [vm for vm in made if vm.key in one.keys], outcome)
    return {}


def _ask(cloud: Cloud, shape: Shape, one: Request, options: ApplyOptions) -> str | list[VM] | None:
    for attempt in range(options.retries + 1):
        if options.stop.is_set():
            break
        try:
            if isinstance(one.asked, Batch):
                return cloud.create_batch(shape, one.asked, one.text or "")
            return cloud.create(shape, one.asked, one.text or "")
        except CloudError as error:
            # Only a refusal for being asked too often is repeated: after any other failure a VM may exist.
            if error.reason.kind is not Kind.THROTTLED or attempt == options.retries:
                raise
        options.stop.wait(min(2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1.0))  # noqa: S311  no secret
    raise CloudError("Terraform was stopped before it was asked for", Kind.STOPPED)


def _started(cloud: Cloud, shape: Shape, one: Request, answer: str | list[VM], outcome: ApplyOutcome) -> None:
    """Record what a call that was granted gave."""
    if isinstance(answer, str):
        outcome.ids[one.keys[0]] = answer
        return
    text = f"the cloud granted {len(answer)} of {len(one.keys)} VMs: quota or capacity allow no more now"
    few = Reason(Kind.NOT_GRANTED, text)
    for case in _judged(cloud, shape, one.keys, answer):
        if case.vm is not None:
            _take(case, _ANY, outcome)
        else:
            outcome.refused[case.key] = few


def _look_again(cloud: Cloud, shape: Shape, lost: Mapping[Request, Reason], outcome: ApplyOutcome) -> None:
    """An answer did not arrive: the list says whether the VMs came to be all the same."""
    keys = [key for one in lost for key in one.keys]
    try:
        cases = _judged(cloud, shape, keys, _existing(cloud, shape, keys, lost))
    except CloudError:
        cases = []
    found = {case.key: case.vm for case in cases if case.vm}
    for one, reason in lost.items():
        for key in one.keys:
            if key in found and found[key].state not in (*OVER, State.FAILED):
                outcome.ids[key] = found[key].id
            else:
                outcome.refused[key] = (key in found and found[key].fault) or reason
