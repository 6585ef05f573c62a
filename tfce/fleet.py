"""The verbs over a queue's pilots: submit, poll, count, reap, kill, audit, repair.

Each follows the same order: intent to the disk, then the cloud, then the state, then the roster. A crash
between any two of them leaves an intent behind, and the next writer's ``_recover`` knows every VM again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from tfce import context, verdict
from tfce.cloud import Cloud
from tfce.errors import BusyError, CloudError, TfceError, WorkspaceError, classify
from tfce.modules import Instance
from tfce.node import Node, Owner, State, pilot_key
from tfce.options import Queue
from tfce.roster import Pilot, Roster, fresh_keys, instance_id, reference, timestamp
from tfce.terraform import Applied
from tfce.verdict import Removal, Row
from tfce.workspace import Workspace

log = logging.getLogger("tfce")

# VMs that are not in the list are asked for one by one; more than this many wait for the next time.
_LOOK_UPS = 20
# When all pilots vanish from the list at once, this many seconds pass before any is forgotten.
_DOUBT = 600.0
# The kinds of failure that more submissions would only make worse.
_NO_ROOM = ("quota", "capacity", "throttled")


class Provisioner(Protocol):
    """What the fleet asks of Terraform (``terraform.Terraform``, or the fake of the tests)."""

    def prepare(self) -> None: ...
    def apply(self, keys: Collection[str], progress: Callable[[str], None] = ...) -> Applied: ...
    def instances(self) -> dict[str, Instance]: ...
    def adopt(self, ids: Mapping[str, str]) -> None: ...
    def forget(self, keys: Collection[str]) -> None: ...
    def untaint(self, keys: Collection[str]) -> None: ...


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


@dataclass(frozen=True)
class Seen:
    """One pilot of the roster as a poll saw it; ``node`` is None where the cloud lists no such VM."""

    pilot: Pilot
    node: Node | None
    state: str  # DIRAC's word


@dataclass
class Sweep:
    """What a reaping did: ``removed`` pilots with their reasons, refusals by reference, and how many of the
    queue's VMs stay. ``held`` are removals that the share of Workspace_ReapShare did not allow this time."""

    removed: list[Removal] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    held: list[Removal] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    kept: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Fleet:
    """The pilots of one queue."""

    def __init__(
        self,
        workspace: Workspace,
        provisioner: Provisioner,
        cloud: Cloud,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.workspace = workspace
        self.queue: Queue = workspace.queue
        self._terraform = provisioner
        self._cloud = cloud
        self._clock = clock
        self._stopped_once: set[str] = set()

    # -- submit --------------------------------------------------------------------------------------------

    def submit(
        self,
        wrapper: bytes,
        count: int,
        proxy: bytes | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> Submission:
        """Start ``count`` pilots that run ``wrapper``. Raises before anything is asked of the cloud when the
        input, the workspace or Terraform is not fit; what fails later is in the result."""
        started, before = time.monotonic(), Counter(self._cloud.calls)
        recipe = recipe_for(self.queue)
        context.render(recipe, key="00000000", wrapper=wrapper, proxy=proxy)
        workspace = self.workspace
        with workspace.locked():
            workspace.prepare()
            self._terraform.prepare()
            workspace.render()
            self._recover()
            allowed, why = self._allowed(count)
            keys = fresh_keys(allowed, {*workspace.roster().pilots, *workspace.used_keys()})
            contexts = {key: context.render(recipe, key=key, wrapper=wrapper, proxy=proxy).data for key in keys}
            submission = self._start(contexts, progress) if keys else Submission()
            submission.limited = why
        submission.calls += self._cloud.calls - before
        submission.seconds = time.monotonic() - started
        return submission

    def _allowed(self, count: int) -> tuple[int, str]:
        """How many of ``count`` pilots may be started now, and what keeps the others back."""
        now, queue = self._clock(), self.queue
        cooling = self.workspace.cooling(now)
        if cooling or (queue["MaxTotalJobs"] is None and queue["MaxWaitingJobs"] is None):
            return (0, cooling) if cooling else (count, "")
        mine = self._mine()
        states = Counter(node.state for node in mine)
        # A cloud's list may lag behind: what the roster has and the list does not is about to appear.
        waiting = states[State.BOOTING] + len(set(self.workspace.roster().pilots) - set(map(pilot_key, mine)))
        free = {
            "MaxTotalJobs": waiting + states[State.RUNNING] + states[State.ODD],
            "MaxWaitingJobs": waiting,
        }
        why = ""
        for option, taken in free.items():
            if queue[option] is not None and queue[option] - taken < count:
                count, why = max(queue[option] - taken, 0), f"{option} = {queue[option]}, {taken} are there"
        return count, why

    def _start(self, contexts: Mapping[str, bytes], progress: Callable[[str], None]) -> Submission:
        """Enlist the pilots of ``contexts``, ask for their VMs, and find out what came of it."""
        workspace, keys = self.workspace, list(contexts)
        roster = workspace.roster()
        now = self._clock().replace(microsecond=0)
        pilots = workspace.enlist(keys, now, f"{timestamp(now)}-{keys[0]}")
        workspace.begin("submit", keys)
        try:
            workspace.write_contexts(contexts)
            workspace.save_roster(roster.including(pilots))
            workspace.record("submit", keys=keys, roster=len(roster) + len(keys))
        except TfceError:
            self._take_back(roster, keys)
            raise
        applied = self._terraform.apply(keys, progress)
        submission = self._settle(keys, applied)
        submission.calls = applied.calls
        full = [reason for reason in submission.failed.values() if classify(reason) in _NO_ROOM]
        if full:
            workspace.cool(full[0], self._clock())
        elif submission.stamps:
            workspace.warm()
        return submission

    def _take_back(self, roster: Roster, keys: list[str]) -> None:
        """The cloud was not asked yet: forget the new pilots, as far as the disk lets us."""
        try:
            self.workspace.save_roster(roster)
            self.workspace.forget_contexts(keys)
            self.workspace.settled()
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
        self.workspace.save_roster(self.workspace.roster().without(set(result.failed) - set(unsettled)))
        self.workspace.record(
            "submitted",
            created={key: created[key].id for key in keys if key in created},
            failed=result.failed,
        )
        if not unsettled:
            self.workspace.forget_contexts()
            self.workspace.settled()
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
            found = {pilot_key(node): node for node in self._mine() if node.state is not State.GONE}
        except CloudError as error:
            return self._unknown(doubtful, created, why, error, result)
        dead: list[Removal] = []
        for key in doubtful:
            node = found.get(key)
            if node is None or node.state is State.FAILED:
                reason = node.fault if node and node.fault else why[key]
                result.failed[key] = reason
                dead.append(Removal(key, node, f"failed: {reason}", State.FAILED))
        alive = [key for key in doubtful if key not in result.failed]
        self._terraform.untaint([key for key in alive if key in created])
        adopted = {key: found[key].id for key in alive if key not in created}
        self._terraform.adopt(adopted)
        created |= {key: Instance(node_id, False) for key, node_id in adopted.items()}
        self._bury([removal for removal in dead if removal.node or removal.key in created], created)
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
        self.workspace.dismiss(removals)
        refused = self._cloud.destroy([removal.node.id for removal in removals if removal.node])
        for node_id, reason in refused.items():
            log.warning("VM %s could not be removed, the reaper will try again: %s", node_id, reason)
        self._terraform.forget([removal.key for removal in removals])
        for removal in removals:
            created.pop(removal.key, None)

    # -- poll ----------------------------------------------------------------------------------------------

    def poll(self, references: Iterable[str]) -> dict[str, str]:
        """DIRAC's state of each pilot by reference. A pilot that nobody can speak for now is left out: it
        keeps its state. Raises ``CloudError`` when the list cannot be had. One call, whatever the number."""
        wanted = {instance_id(text): text for text in references}
        last = self.workspace.last_states()
        states = {text: last[node_id].value for node_id, text in wanted.items() if node_id in last}
        rest = {node_id: text for node_id, text in wanted.items() if node_id not in last}
        if not rest:
            return states
        owner = self.workspace.owner()
        nodes = {node.id: node for node in self._cloud.nodes(owner)}
        self._stopped_once |= {node.id for node in nodes.values() if node.state is State.STOPPED}
        absent = [node_id for node_id in rest if node_id not in nodes]
        for node_id in absent[:_LOOK_UPS]:
            self._look_up(node_id, owner, nodes, rest, states)
        for node_id, text in rest.items():
            if node_id in nodes:
                states[text] = self._word(nodes[node_id])
        return states

    def _look_up(
        self,
        node_id: str,
        owner: Owner,
        nodes: dict[str, Node],
        rest: Mapping[str, str],
        states: dict[str, str],
    ) -> None:
        try:
            node = self._cloud.node(node_id)
        except CloudError as error:
            log.warning("nothing is known of %s, its state is kept: %s", node_id, error.message)
            return
        if node is None:
            states[rest[node_id]] = "Done" if node_id in self._stopped_once else "Deleted"
        elif owner.same_queue(node):
            nodes[node_id] = node

    def _word(self, node: Node) -> str:
        if node.state is State.GONE and node.id in self._stopped_once:
            return "Done"
        # DIRAC gives a pilot up after an hour of Unknown: a VM in an odd state is said to run, until it ends.
        return "Running" if node.state is State.ODD else node.state.value

    def count(self) -> dict[str, int]:
        """How many of the queue's own pilots wait and run, by DIRAC's names."""
        states = Counter(node.state for node in self._mine())
        return {
            "SubmittedJobs": 0,
            "WaitingJobs": states[State.BOOTING],
            "RunningJobs": states[State.RUNNING] + states[State.ODD],
        }

    def status(self) -> list[Seen]:
        """Every pilot of the roster as the cloud shows it now."""
        nodes = self._by_key(self._mine())
        pilots = sorted(self.workspace.roster().pilots.values(), key=lambda pilot: (pilot.born, pilot.key))
        return [
            Seen(p, nodes.get(p.key), self._word(nodes[p.key]) if p.key in nodes else "Deleted") for p in pilots
        ]

    # -- reap ----------------------------------------------------------------------------------------------

    def reap(self, dry_run: bool = False) -> Sweep:
        """Remove the queue's own VMs that stopped, failed, are overdue or were dismissed, and forget pilots
        whose VMs are gone. One VM's fault stops none of the others."""
        started, before = time.monotonic(), Counter(self._cloud.calls)
        if dry_run or not (self.workspace.exists or self.queue["Workspace_AdoptPrefix"]):
            sweep = self._judge(dry_run=True)
        else:
            with self.workspace.locked():
                self.workspace.prepare()
                sweep = self._judge(dry_run=False)
                if sweep.removed:
                    self._remove(sweep)
        sweep.calls = self._cloud.calls - before
        sweep.seconds = time.monotonic() - started
        return sweep

    def _judge(self, dry_run: bool) -> Sweep:
        """Who goes. Unless it is a dry run, VMs of ours that the roster does not know are taken in first."""
        nodes = self._mine()
        sweep = Sweep()
        roster, dismissed = self.workspace.roster(), self.workspace.ledger()
        strays = _strays(nodes, roster, dismissed)
        if not dry_run and (strays or self.workspace.intent()):
            self._terraform.prepare()
            sweep.adopted = self._recover(nodes, strays)
            roster = self.workspace.roster()
        removals = self._removals(nodes, roster, dismissed)
        alive = [node for node in nodes if node.state not in (State.GONE, State.STOPPED, State.FAILED)]
        sweep.removed, sweep.held = verdict.within_reach(removals, len(alive), self.queue["Workspace_ReapShare"])
        going = {removal.node.id for removal in sweep.removed if removal.node}
        sweep.kept = sum(1 for node in nodes if node.state is not State.GONE and node.id not in going)
        return sweep

    def _removals(self, nodes: list[Node], roster: Roster, dismissed: Collection[str]) -> list[Removal]:
        now, lifetime = self._clock(), self.queue["Context_MaxLifetime"]
        removals: list[Removal] = []
        chosen = self._one_each(nodes)
        for node in nodes:
            key = pilot_key(node)
            if key is None:  # left over by another element
                removal = verdict.judge(node.name, node, None, dismissed, now, lifetime)
                removals += [removal] if removal else []
            elif node is chosen[key]:
                removal = verdict.judge(key, node, roster.pilots.get(key), dismissed, now, lifetime)
                removals += [removal] if removal else []
            elif node.state is not State.GONE:
                removals.append(Removal(key, node, "duplicate", State.GONE, twin=True))
        listed = {pilot_key(node) for node in nodes}
        absent = [key for key in roster.pilots if key not in listed]
        return removals + [Removal(key, None, "gone", State.GONE) for key in self._really_gone(absent, listed)]

    def _one_each(self, nodes: list[Node]) -> dict[str, Node]:
        """The VM that stands for each pilot. Where two live with one key (a reply was lost and the request
        repeated), it is the one that the state knows."""
        best = self._by_key(nodes)
        doubles = {
            key
            for node in nodes
            if (key := pilot_key(node)) and node.state is not State.GONE and node is not best[key]
        }
        if doubles:
            state = self._terraform.instances()
            best |= {
                key: node
                for node in nodes
                if (key := pilot_key(node)) in doubles and key in state and state[key].id == node.id
            }
        return best

    def _really_gone(self, absent: list[str], listed: Collection[object]) -> list[str]:
        """Of the pilots that the list does not show, those that the cloud itself says it does not know. When
        it shows none at all, that is not believed before it was so for a while."""
        if not absent:
            self.workspace.forget_doubt()
            return []
        if not listed and len(absent) > 1 and self.workspace.doubt_age(self._clock()) < _DOUBT:
            log.warning("the cloud lists none of %d pilots; nothing is declared gone yet", len(absent))
            return []
        state = self._terraform.instances()
        gone: list[str] = []
        for key in absent[:_LOOK_UPS]:
            try:
                if key not in state or self._cloud.node(state[key].id) is None:
                    gone.append(key)
            except CloudError as error:
                log.warning("whether pilot %s is gone cannot be told: %s", key, error.message)
        return gone

    def _remove(self, sweep: Sweep) -> None:
        """Dismiss on disk, destroy in the cloud, forget in the state, strike from the roster: in this order."""
        workspace = self.workspace
        self._terraform.prepare()
        workspace.begin("remove", [removal.key for removal in sweep.removed])
        workspace.dismiss(sweep.removed)
        workspace.record("remove", pilots={removal.key: removal.reason for removal in sweep.removed})
        nodes = {removal.node.id: removal for removal in sweep.removed if removal.node}
        refused = self._cloud.destroy(nodes)
        sweep.failed = {reference(node_id): reason for node_id, reason in refused.items()}
        done = [r for r in sweep.removed if r.node is None or r.node.id not in refused]
        over = {removal.key for removal in done if not removal.twin}
        self._terraform.forget(over)
        workspace.save_roster(workspace.roster().without(over))
        workspace.record("removed", keys=[removal.key for removal in done], failed=sweep.failed)
        workspace.settled()
        sweep.removed = done
        sweep.kept += len(refused)

    # -- kill ----------------------------------------------------------------------------------------------

    def kill(self, references: Iterable[str]) -> Sweep:
        """Remove these pilots' VMs, whatever their state; works without a workspace, too. VMs that are not
        this queue's are refused."""
        started, before = time.monotonic(), Counter(self._cloud.calls)
        sweep = Sweep()
        owner = self.workspace.guest()
        nodes = {node.id: node for node in self._cloud.nodes(owner)}
        for text in references:
            node = self._claimed(instance_id(text), owner, nodes, sweep)
            if node and node.state is not State.GONE:
                sweep.removed.append(Removal(pilot_key(node) or node.name, node, "killed", State.GONE))
        alive = sum(1 for node in nodes.values() if owner.owns(node) and node.state is not State.GONE)
        if sweep.removed:
            self._kill(sweep)
        sweep.kept = alive - len(sweep.removed)
        sweep.calls = self._cloud.calls - before
        sweep.seconds = time.monotonic() - started
        return sweep

    def _claimed(self, node_id: str, owner: Owner, nodes: Mapping[str, Node], sweep: Sweep) -> Node | None:
        node = nodes.get(node_id)
        try:
            node = node or self._cloud.node(node_id)
        except CloudError as error:
            sweep.failed[reference(node_id)] = error.message
            return None
        if node is not None and not owner.same_queue(node):
            sweep.failed[reference(node_id)] = f"is no pilot of {self.queue.label}; it was not touched"
            return None
        return node

    def _kill(self, sweep: Sweep) -> None:
        failed = dict(sweep.failed)
        try:
            if self.workspace.exists:
                with self.workspace.locked():
                    self._remove(sweep)
            else:
                self._destroy_only(sweep)
        except (BusyError, WorkspaceError):
            # A kill waits for no long apply and no damaged file; the next sweep finds the VM gone and tidies up.
            self._destroy_only(sweep)
        sweep.failed = {**failed, **sweep.failed}

    def _destroy_only(self, sweep: Sweep) -> None:
        nodes = {removal.node.id: removal for removal in sweep.removed if removal.node}
        refused = self._cloud.destroy(nodes)
        sweep.failed = {reference(node_id): reason for node_id, reason in refused.items()}
        sweep.removed = [removal for node_id, removal in nodes.items() if node_id not in refused]

    # -- audit and repair ----------------------------------------------------------------------------------

    def audit(self, known: Iterable[str] | None = None) -> list[Row]:
        """The roster, the Terraform state and the cloud side by side; with ``known``, the references that
        DIRAC has, a fourth column to the verdict."""
        roster, state = self.workspace.roster(), self._terraform.instances()
        mine = self._mine()
        nodes = self._by_key(mine)
        keys = sorted(
            {*roster.pilots, *state, *(key for key, node in nodes.items() if node.state is not State.GONE)}
        )
        rows = [
            verdict.audit_row(
                key,
                roster=key in roster,
                state_id=state[key].id if key in state else None,
                node=nodes.get(key),
            )
            for key in keys
        ]
        rows += _doubles(mine, nodes)
        return rows if known is None else verdict.against(rows, known, self.workspace.last_states())

    def repair(self) -> list[str]:
        """Rebuild a damaged roster or state from the other and the cloud; lines that say what was done."""
        with self.workspace.locked():
            done = self.workspace.put_aside_damaged()
            self.workspace.prepare()
            self._terraform.prepare()
            self.workspace.render()
            try:
                self._terraform.instances()
            except TfceError:
                done.append("put the damaged Terraform state aside")
                self.workspace.put_aside_state()
            nodes = self._mine()
            strays = _strays(nodes, self.workspace.roster(), self.workspace.ledger())
            self.workspace.begin("repair", strays)
            adopted = self._recover(nodes, strays)
        return done + [f"took pilot {key} back into the roster" for key in adopted]

    # -- recovery ------------------------------------------------------------------------------------------

    def _recover(self, nodes: list[Node] | None = None, strays: Collection[str] = ()) -> list[str]:
        """Finish what an earlier process began and could not settle; the keys that were taken back in.

        Costs nothing when every cycle before was settled.
        """
        if not self.workspace.intent() and not strays:
            return []
        log.warning("an earlier cycle did not settle: comparing roster, state and cloud")
        mine = self._mine() if nodes is None else nodes
        found = self._one_each([node for node in mine if node.state is not State.GONE])
        dismissed = self.workspace.ledger()
        roster, state = self.workspace.roster(), self._terraform.instances()
        new = [
            Pilot(key, (node.created or self._clock()).replace(microsecond=0), "recovered")
            for key, node in found.items()
            if key not in roster and node.id not in dismissed
        ]
        never = [key for key in roster.pilots if key not in found and key not in state]
        roster = roster.including(new).without(never)
        self.workspace.save_roster(roster)
        self._terraform.untaint([k for k, instance in state.items() if instance.tainted and k in roster])
        self._terraform.adopt({k: n.id for k, n in found.items() if k in roster and k not in state})
        self._terraform.forget([key for key in state if key not in roster])
        self.workspace.forget_contexts()
        self.workspace.record("recovered", adopted=[p.key for p in new], never_created=never)
        self.workspace.settled()
        return [pilot.key for pilot in new]

    # -- small things --------------------------------------------------------------------------------------

    def _mine(self) -> list[Node]:
        owner = self.workspace.owner()
        return [node for node in self._cloud.nodes(owner) if owner.owns(node)]

    @staticmethod
    def _by_key(nodes: Iterable[Node]) -> dict[str, Node]:
        """One VM for each key: one that lives before one that is gone, the older before the younger."""
        best: dict[str, Node] = {}
        for node in sorted(nodes, key=_precedence):
            key = pilot_key(node)
            if key is not None:
                best.setdefault(key, node)
        return best


def _precedence(node: Node) -> tuple[bool, datetime, str]:
    return node.state is State.GONE, node.created or datetime.max.replace(tzinfo=UTC), node.id


def _strays(nodes: Iterable[Node], roster: Roster, dismissed: Collection[str]) -> list[str]:
    """The keys of living VMs of ours that neither the roster nor the ledger (by instance id) knows."""
    found = [(pilot_key(node), node) for node in nodes if node.state is not State.GONE]
    return [key for key, node in found if key is not None and key not in roster and node.id not in dismissed]


def _doubles(nodes: Iterable[Node], chosen: Mapping[str, Node]) -> list[Row]:
    return [
        Row(
            key,
            node.reference,
            False,
            False,
            node.raw_state,
            "duplicate",
            "tfce kill CE/QUEUE " + node.reference,
        )
        for node in nodes
        if (key := pilot_key(node)) and node.state is not State.GONE and chosen[key].id != node.id
    ]


def recipe_for(queue: Queue) -> context.Recipe:
    """What every pilot of ``queue`` shares."""
    return context.Recipe(
        template=queue["Context_Template"],
        packages=queue["Context_ExtPackages"],
        max_lifetime=queue["Context_MaxLifetime"],
        limit=context.EC2 if queue.cloud == "EC2" else context.OPENSTACK,
        cvmfs_proxies=queue["Context_CVMFSProxies"],
    )


def failure_kind(failed: Mapping[str, str]) -> str:
    """The kind of failure that most of a submission's pilots met."""
    kinds = Counter(classify(reason) for reason in failed.values())
    return kinds.most_common(1)[0][0] if kinds else "error"
