"""Whom to remove and why, and what an audit says. Pure tables: standard library only."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tfce.model.pilot import Pilot, instance_id, reference
from tfce.model.vm import VM, State

# A sweep may always remove this many running VMs; above it, only the share that the queue allows.
FREE_REMOVALS = 10


@dataclass(frozen=True)
class Removal:
    """One pilot to remove; ``node`` is None, or in state GONE, when the cloud has nothing left to destroy."""

    key: str
    node: VM | None
    reason: str  # stopped, failed, overdue, dismissed, duplicate, gone
    state: State  # the pilot's last state, which later polls answer with
    twin: bool = False  # another VM bears the same key and stays: so does the pilot
    lived: int | None = None  # seconds, see ``lived``

    @property
    def standing(self) -> VM | None:
        """The VM to destroy, if there is one."""
        return self.node if self.node is not None and self.node.state is not State.DELETED else None

    @property
    def alive(self) -> bool:
        """Whether this removal ends a VM that may still run a pilot."""
        return self.node is not None and self.node.state not in (State.STOPPED, State.FAILED, State.DELETED)


def judge(
    key: str, node: VM, pilot: Pilot | None, dismissed: Collection[str], now: datetime, max_lifetime: int
) -> Removal | None:
    """The removal that one of the queue's own VMs deserves, or None to keep it.

    ``dismissed``: the ids of VMs that tfce has already asked the cloud to remove. ``max_lifetime`` in
    seconds counts from the pilot's birth in the roster, else from the VM's creation.
    """
    if node.state is State.DELETED:
        return Removal(key, node, "gone", State.DELETED) if pilot else None
    if node.state is State.STOPPED:
        return Removal(key, node, "stopped", State.STOPPED)
    if node.state is State.FAILED:
        return Removal(key, node, f"failed: {node.fault}" if node.fault else "failed", State.FAILED)
    if node.id in dismissed:
        return Removal(key, node, "dismissed", State.DELETED)
    born = pilot.born if pilot else node.created
    if born is not None and now - born > timedelta(seconds=max_lifetime):
        return Removal(key, node, f"overdue: older than {max_lifetime} s", State.DELETED)
    return None


def lived(node: VM | None, pilot: Pilot | None, now: datetime) -> int | None:
    """How many seconds a VM existed: from its creation (else its pilot's birth) to its end, as the cloud tells,
    else to ``now``. None where nobody can tell."""
    born = (node.created if node else None) or (pilot.born if pilot else None)
    gone = node is None or node.state is State.DELETED
    end = (node.ended if node else None) or (None if gone else now)
    return max(0, int((end - born).total_seconds())) if born and end else None


def within_reach(removals: Iterable[Removal], alive: int, share: float) -> tuple[list[Removal], list[Removal]]:
    """Split ``removals`` into those one sweep may do and those it holds back.

    Only removals of VMs that may still run are limited: a wrong lifetime or clock must not end a whole
    queue in one sweep. ``alive`` is how many VMs run, ``share`` (0 to 1) the part one sweep may end.
    """
    limit = max(FREE_REMOVALS, math.floor(alive * share))
    done: list[Removal] = []
    held: list[Removal] = []
    for removal in removals:
        over = removal.alive and sum(1 for other in done if other.alive) >= limit
        (held if over else done).append(removal)
    return done, held


@dataclass(frozen=True)
class Row:
    """One line of an audit. ``roster`` and ``state``: whether they list the pilot; ``cloud``: the cloud's
    word for its VM, or "-"."""

    key: str
    reference: str
    roster: bool
    state: bool
    cloud: str
    verdict: str
    cure: str

    @property
    def mismatch(self) -> bool:
        """Whether the three views disagree."""
        return self.verdict not in ("ok", "ended", "removed")


_REAP = "tfce reap CE/QUEUE"
_NEXT = "the next submission or `tfce reap CE/QUEUE` mends it"

# (in the roster, in the state, VM in the cloud) -> verdict, cure
_AUDIT: Mapping[tuple[bool, bool, bool], tuple[str, str]] = {
    (True, True, True): ("ok", ""),
    (True, True, False): ("vanished", _REAP),
    (True, False, True): ("unrecorded", _NEXT),
    (True, False, False): ("never created", _NEXT),
    (False, True, True): ("unlisted", _NEXT),
    (False, True, False): ("stale", _NEXT),
    (False, False, True): ("orphan", _NEXT),
}


def audit_row(key: str, *, roster: bool, state_id: str | None, node: VM | None) -> Row:
    """The audit's verdict on one pilot that at least one of the three places knows."""
    exists = node is not None and node.state is not State.DELETED
    verdict, cure = _AUDIT[(roster, state_id is not None, exists)]
    if verdict == "ok" and node is not None and node.state in (State.STOPPED, State.FAILED):
        verdict, cure = "ended", _REAP
    found = node.reference if node is not None else (reference(state_id) if state_id else "-")
    if state_id and node is not None and exists and state_id != node.id:
        verdict, cure = "duplicate", f"two VMs bear this key: {reference(state_id)} and {found}; kill one"
    return Row(key, found, roster, state_id is not None, node.raw_state if node else "-", verdict, cure)


def against(rows: Iterable[Row], known: Iterable[str], ended: Collection[str]) -> list[Row]:
    """``rows`` held against the references that DIRAC knows; ``ended``: instance ids tfce has removed."""
    references = dict.fromkeys(reference(instance_id(text)) for text in known if text.strip())
    compared: list[Row] = []
    for row in rows:
        strange = row.verdict in ("ok", "ended") and row.reference not in references
        cure = "DIRAC does not know this pilot; it registers when it matches a job"
        compared.append(replace(row, verdict="unknown to DIRAC", cure=cure) if strange else row)
    for text in references:
        if text not in {row.reference for row in compared}:
            over = instance_id(text) in ended
            verdict, cure = ("removed", "") if over else ("no such VM", "DIRAC's next poll says Deleted")
            compared.append(Row("-", text, False, False, "-", verdict, cure))
    return compared
