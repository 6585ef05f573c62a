"""The verbs over a queue's pilots: submit, poll, count, status, reap, kill, log, audit, repair."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tfce.cloud.api import LOOK_UPS, Cloud
from tfce.model.errors import CloudError
from tfce.model.pilot import Pilot, instance_id
from tfce.model.verdict import Row
from tfce.model.vm import VM, Owner, State, by_key
from tfce.pilots import recovery
from tfce.pilots.consoles import LINES
from tfce.pilots.ground import Ground, Provisioner
from tfce.pilots.history import PilotLog, pilot_log
from tfce.pilots.reap import Reaper, Sweep
from tfce.pilots.submit import Submission, Submitter
from tfce.store.workspace import Workspace

__all__ = ["Fleet", "Provisioner", "Seen", "Submission", "Sweep"]

log = logging.getLogger("tfce")


@dataclass(frozen=True)
class Seen:
    """One pilot of the roster as a poll saw it; ``node`` is None where the cloud lists no such VM."""

    pilot: Pilot
    node: VM | None
    state: str  # DIRAC's word


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
        self.queue = workspace.queue
        self._ground = Ground(workspace, provisioner, cloud, clock)
        self._stopped_once: set[str] = set()

    def submit(
        self,
        wrapper: bytes,
        count: int,
        proxy: bytes | None = None,
        progress: Callable[[str], None] = lambda text: None,
        insist: bool = False,
    ) -> Submission:
        """Start ``count`` pilots that run ``wrapper``; see ``Submitter.submit``."""
        return Submitter(self._ground).submit(wrapper, count, proxy, progress, insist)

    def reap(self, dry_run: bool = False) -> Sweep:
        """Remove what has ended; see ``Reaper.reap``."""
        return Reaper(self._ground).reap(dry_run)

    def kill(self, references: Iterable[str]) -> Sweep:
        """Remove these pilots' VMs; see ``Reaper.kill``."""
        return Reaper(self._ground).kill(references)

    def log(self, pilot: str, lines: int = LINES) -> PilotLog:
        """What is known of one pilot, by reference or key; see ``pilotlog.pilot_log``."""
        return pilot_log(self._ground, pilot, lines)

    def audit(self, known: Iterable[str] | None = None) -> list[Row]:
        """Roster, state and cloud side by side; see ``recovery.audit``."""
        return recovery.audit(self._ground, known)

    def repair(self) -> list[str]:
        """Rebuild a damaged roster or state; see ``recovery.repair``."""
        return recovery.repair(self._ground)

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
        nodes = {node.id: node for node in self._ground.cloud.vms(owner)}
        self._stopped_once |= {node.id for node in nodes.values() if node.state is State.STOPPED}
        absent = [node_id for node_id in rest if node_id not in nodes]
        for node_id in absent[:LOOK_UPS]:
            self._look_up(node_id, owner, nodes, rest, states)
        for node_id, text in rest.items():
            if node_id in nodes:
                states[text] = self._word(nodes[node_id])
        return states

    def _look_up(
        self,
        node_id: str,
        owner: Owner,
        nodes: dict[str, VM],
        rest: Mapping[str, str],
        states: dict[str, str],
    ) -> None:
        try:
            node = self._ground.cloud.vm(node_id)
        except CloudError as error:
            log.warning("nothing is known of %s, its state is kept: %s", node_id, error.message)
            return
        if node is None:
            states[rest[node_id]] = "Done" if node_id in self._stopped_once else "Deleted"
        elif owner.same_queue(node):
            nodes[node_id] = node

    def _word(self, node: VM) -> str:
        if node.state is State.DELETED and node.id in self._stopped_once:
            return "Done"
        # DIRAC gives a pilot up after an hour of Unknown: a VM in an odd state is said to run, until it ends.
        return "Running" if node.state is State.UNKNOWN else node.state.value

    def count(self) -> dict[str, int]:
        """How many of the queue's own pilots wait and run, by DIRAC's names."""
        states = Counter(node.state for node in self._ground.mine())
        return {
            "SubmittedJobs": 0,
            "WaitingJobs": states[State.BOOTING],
            "RunningJobs": states[State.RUNNING] + states[State.UNKNOWN],
        }

    def status(self) -> list[Seen]:
        """Every pilot of the roster as the cloud shows it now."""
        nodes = by_key(self._ground.mine())
        pilots = sorted(self.workspace.roster().pilots.values(), key=lambda pilot: (pilot.born, pilot.key))
        return [
            Seen(p, nodes.get(p.key), self._word(nodes[p.key]) if p.key in nodes else "Deleted") for p in pilots
        ]
