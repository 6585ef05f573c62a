"""Starting pilots: intent to the disk, then the cloud, then the state, then the roster.

A crash between any two of these leaves an intent behind, and the next writer knows every VM again (``recovery``).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tfce import userdata
from tfce.config.options import Queue
from tfce.model.errors import NO_ROOM, CloudError, TfceError, classify
from tfce.model.pilot import Batch, Roster, Single, fresh_batches, fresh_keys, reference, timestamp
from tfce.model.verdict import Removal
from tfce.model.vm import State, pilot_key
from tfce.pilots.ground import Ground
from tfce.pilots.recovery import recover
from tfce.terraform.modules import Instance
from tfce.terraform.runner import Applied

log = logging.getLogger("tfce")


@dataclass
class Submission:
    """What came of a submission: ``stamps`` by reference, in the order of creation, and ``failed``, the
    reason by key. ``calls`` counts API calls by action."""

    stamps: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped: str = ""
    limited: str = ""  # why fewer were tried than asked for

    @property
    def references(self) -> list[str]:
        """The references of the pilots that exist."""
        return list(self.stamps)


class Submitter:
    """The verb ``submit`` of one queue."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._workspace, self._terraform, self._cloud = ground.workspace, ground.terraform, ground.cloud
        self._queue = ground.queue

    def submit(
        self,
        wrapper: bytes,
        count: int,
        proxy: bytes | None = None,
        progress: Callable[[str], None] = lambda text: None,
        insist: bool = False,
    ) -> Submission:
        """Start ``count`` pilots that run ``wrapper``; ``insist``: also while the queue cools down, and
        beyond MaxWaitingJobs.

        Raises before anything is asked of the cloud when the input, the workspace or Terraform is not fit;
        what fails later is in the result.
        """
        started, before = time.monotonic(), Counter(self._cloud.calls)
        recipe = recipe_for(self._queue)
        userdata.render(recipe, key="00000000", wrapper=wrapper, proxy=proxy)
        workspace = self._workspace
        with workspace.locked():
            workspace.prepare()
            self._terraform.prepare()
            workspace.render()
            recover(self._ground)
            allowed, why = self._allowed(count, insist)
            asked = self._asked(recipe, allowed)
            contexts = {
                wish.label: userdata.render(recipe, key=wish.rule, wrapper=wrapper, proxy=proxy).data
                for wish in asked
            }
            keys = [key for wish in asked for key in wish.keys]
            submission = self._start(keys, contexts, progress) if keys else Submission()
            submission.limited = why
        submission.calls += self._cloud.calls - before
        submission.seconds = time.monotonic() - started
        return submission

    def _allowed(self, count: int, insist: bool) -> tuple[int, str]:
        """How many of ``count`` pilots may be started now, and what keeps the others back."""
        now, queue = self._ground.clock(), self._queue
        cooling = "" if insist else self._workspace.cooling(now)
        if cooling or (queue.limits.total is None and queue.limits.waiting is None):
            return (0, cooling) if cooling else (count, "")
        mine = self._ground.mine()
        full = [node.fault for node in mine if node.state is State.FAILED and classify(node.fault) in NO_ROOM]
        if full and not insist:
            return 0, f"{len(full)} VMs found no room ({full[0]}); the next sweep removes them"
        states = Counter(node.state for node in mine)
        # A cloud's list may lag behind: what the roster has and the list does not is about to appear.
        waiting = states[State.BOOTING] + len(set(self._workspace.roster().pilots) - set(map(pilot_key, mine)))
        # MaxWaitingJobs is a measure of the SiteDirector's demand, not of the cloud's room.
        bounds = (
            ("MaxTotalJobs", queue.limits.total, waiting + states[State.RUNNING] + states[State.UNKNOWN]),
            ("MaxWaitingJobs", None if insist else queue.limits.waiting, waiting),
        )
        why = ""
        for option, most, taken in bounds:
            if most is not None and most - taken < count:
                count, why = max(most - taken, 0), f"{option} = {most}, {taken} are there"
        return count, why

    def _asked(self, recipe: userdata.Recipe, count: int) -> list[Single | Batch]:
        """How ``count`` VMs are asked for: in batches where module and template allow it. When the cloud had no
        room lately, one by one: nova starts none of a batch that does not find room as a whole."""
        taken = {*self._workspace.roster().pilots, *self._workspace.used_keys()}
        together = count > 1 and self._workspace.tight_since is None and userdata.takes_batches(recipe)
        limit = self._terraform.batch_limit if together else 1
        return list(fresh_batches(count, limit, taken) if limit > 1 else map(Single, fresh_keys(count, taken)))

    def _start(
        self, keys: list[str], contexts: Mapping[str, bytes], progress: Callable[[str], None]
    ) -> Submission:
        """Enlist the pilots ``keys``, ask for their VMs, and find out what came of it."""
        workspace = self._workspace
        roster = workspace.roster()
        now = self._ground.clock().replace(microsecond=0)
        pilots = workspace.enlist(keys, now, f"{timestamp(now)}-{keys[0]}")
        workspace.begin("submit", keys)
        try:
            workspace.write_contexts(contexts)
            workspace.save_roster(roster.including(pilots))
            workspace.record("submit", keys=keys, roster=len(roster) + len(keys))
        except TfceError:
            self._take_back(roster)
            raise
        applied = self._terraform.apply(keys, progress)
        submission = self._settle(keys, applied)
        submission.calls = applied.calls
        full = [reason for reason in submission.failed.values() if classify(reason) in NO_ROOM]
        if full and not submission.stamps:
            workspace.cool(full[0], self._ground.clock())
        elif submission.stamps and self._terraform.waits:
            workspace.warm()
        return submission

    def _take_back(self, roster: Roster) -> None:
        """The cloud was not asked yet: forget the new pilots, as far as the disk lets us."""
        try:
            self._workspace.save_roster(roster)
            self._workspace.forget_contexts()
            self._workspace.settled()
        except TfceError as error:
            log.warning("the workspace is left for the next cycle to mend: %s", error.message)

    def _settle(self, keys: list[str], applied: Applied) -> Submission:
        """Read from the state what exists, find out about the rest, and let the roster say so."""
        result = Submission(stopped=applied.stopped)
        state = self._terraform.instances()
        created = {key: state[key] for key in keys if key in state}
        doubtful = [key for key in keys if key not in created or created[key].tainted]
        unsettled = self._resolve(doubtful, created, applied, result) if doubtful else []
        for key in keys:
            if key in created:
                result.stamps[reference(created[key].id)] = key
        self._workspace.record(
            "submitted",
            created={key: created[key].id for key in keys if key in created},
            failed=result.failed,
        )
        if not unsettled:
            self._workspace.forget_contexts()
            self._workspace.settled()
        return result

    def _resolve(
        self, doubtful: list[str], created: dict[str, Instance], applied: Applied, result: Submission
    ) -> list[str]:
        """Ask the cloud about pilots that Terraform did not bring up. A VM that lives is kept, one that
        failed is removed. Returns the keys of which nothing is known."""
        why = {
            key: applied.failed.get(key) or applied.trouble or "Terraform did not create it" for key in doubtful
        }
        try:
            found = {pilot_key(node): node for node in self._ground.mine() if node.state is not State.DELETED}
        except CloudError as error:
            return self._unknown(doubtful, created, why, error, result)
        dead: list[Removal] = []
        for key in doubtful:
            node = found.get(key)
            if node is None or node.state is State.FAILED:
                reason = node.fault if node and node.fault else why[key]
                result.failed[key] = reason
                dead.append(Removal(key, node, f"failed: {reason}", State.FAILED))
        self._bury([removal for removal in dead if removal.node or removal.key in created], created)
        # hazard: an adoption writes the whole roster into the state, so that what failed must have left it
        self._workspace.save_roster(self._workspace.roster().without(result.failed))
        alive = [key for key in doubtful if key not in result.failed]
        self._terraform.untaint([key for key in alive if key in created])
        adopted = {key: found[key].id for key in alive if key not in created}
        self._terraform.adopt(adopted)
        created |= {key: Instance(node_id, False) for key, node_id in adopted.items()}
        return []

    def _unknown(
        self,
        doubtful: list[str],
        created: Mapping[str, Instance],
        why: Mapping[str, str],
        error: CloudError,
        result: Submission,
    ) -> list[str]:
        """The cloud does not say what became of these. Those with an id exist; the others stay in the roster,
        and the intent stays on disk, until a later cycle finds out."""
        self._terraform.untaint([key for key in doubtful if key in created])
        lost = [key for key in doubtful if key not in created]
        for key in lost:
            result.failed[key] = f"{why[key]} (whether its VM exists is looked up later: {error.message})"
        return lost

    def _bury(self, removals: list[Removal], created: dict[str, Instance]) -> None:
        """Remove VMs that failed while they were created."""
        self._workspace.dismiss(removals)
        refused = self._cloud.destroy([removal.node.id for removal in removals if removal.node])
        for node_id, reason in refused.items():
            log.warning("VM %s could not be removed, the reaper will try again: %s", node_id, reason)
        self._terraform.forget([removal.key for removal in removals])
        for removal in removals:
            created.pop(removal.key, None)


def recipe_for(queue: Queue) -> userdata.Recipe:
    """What every pilot of ``queue`` shares."""
    return userdata.Recipe(
        template=queue.userdata.template,
        packages=queue.userdata.packages,
        max_lifetime=queue.userdata.max_lifetime,
        limit=_limit(queue),
        cvmfs_proxies=queue.userdata.cvmfs_proxies,
        linger=queue.userdata.linger,
    )


def _limit(queue: Queue) -> userdata.Limit:
    limit = queue.endpoint.capabilities.user_data
    # Only tfce's own provider is known to hand on bytes.
    return userdata.EC2_BINARY if limit == userdata.EC2 and queue.terraform.module == "bulk" else limit


def failure_kind(failed: Mapping[str, str]) -> str:
    """The kind of failure that most of a submission's pilots met."""
    kinds = Counter(classify(reason) for reason in failed.values())
    return kinds.most_common(1)[0][0] if kinds else "error"
