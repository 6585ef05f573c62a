"""The pilots of one queue against the cloud: whom to take over, whom to make, who is gone.

Every step may be repeated: before a VM is made, the cloud is asked which of the wanted pilots have one. Whatever
an interrupted run leaves, the next one ends with exactly the wanted VMs.
"""

from __future__ import annotations

import contextlib
import random
import re
import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from tfce.cloud.create import Creator, Shape
from tfce.errors import CloudError
from tfce.node import Node, Owner, State, pilot_key

_LOOK_UPS = 20  # VMs missing from the list that are asked for one by one
_LONGEST_PAUSE = 30.0  # seconds between two tries while the cloud throttles
# Clouds echo what they refuse: a run of base64 this long is user data, which holds a proxy.
_ECHO = re.compile(r"[A-Za-z0-9+/=]{60,}")


@dataclass(frozen=True)
class Manner:
    """How VMs are asked for: so many at once, so many repeats while the cloud throttles. ``only``: the run is
    about these pilots, all others stay as they are; None: about all. ``make`` False: no VM is made, only those
    that exist are taken over. ``stop`` is set when Terraform wants the run to end."""

    parallelism: int = 10
    retries: int = 5
    only: frozenset[str] | None = None
    make: bool = True
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass
class Outcome:
    """What a run came to: the ids of all pilots that exist, why others do not, and which dismissed pilots stay
    because their VMs still live."""

    ids: dict[str, str]
    refused: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


@dataclass
class Sight:
    """What a refresh saw: pilots whose VMs are gone, and notes on others, by key."""

    gone: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def bring_about(
    cloud: Creator, shape: Shape, wanted: Collection[str], known: Mapping[str, str], contexts: Path, manner: Manner
) -> Outcome:
    """Let exactly the ``wanted`` pilots have a VM; ``known`` are the ids of those that had one. The user data of
    new pilots is read from ``contexts``, a file each. Nothing is ever destroyed. Raises ``CloudError`` when the
    list cannot be had: then nothing was done."""
    some = manner.only is not None
    missing = [key for key in wanted if key not in known and about(key, manner.only)]
    dropped = [key for key in known if key not in wanted and not some]
    outcome = Outcome({key: known[key] for key in known if key not in dropped})
    if not missing and not dropped:
        return outcome
    found = _by_key(cloud.having(shape.owner, [*missing, *dropped]), shape.owner)
    for key in dropped:
        node = found.get(key)
        if node is not None and node.state is not State.GONE:
            outcome.ids[key] = known[key]
            outcome.kept[key] = f"its VM {node.id} still exists ({node.raw_state})"
    new = {key: text for key in missing if (text := _ready(key, found, contexts, manner, outcome)) is not None}
    lost = _make(cloud, shape, new, manner, outcome)
    if lost:
        _look_again(cloud, shape.owner, lost, outcome)
    return outcome


def about(key: str, only: frozenset[str] | None) -> bool:
    """Whether a run about ``only`` is about ``key``."""
    return only is None or key in only


def _ready(key: str, found: Mapping[str, Node], contexts: Path, manner: Manner, outcome: Outcome) -> str | None:
    """The user data of a pilot that has to be made; None where it is not to be."""
    node = found.get(key)
    if node is not None:
        if node.state is State.GONE:
            outcome.refused[key] = f"its VM {node.id} is gone; a pilot is started once only"
        elif node.state is State.FAILED:
            outcome.refused[key] = node.fault or f"its VM {node.id} is in state {node.raw_state}"
        else:
            outcome.ids[key] = node.id
        return None
    if not manner.make:
        outcome.refused[key] = "the cloud lists no VM of it, and none is to be made"
        return None
    try:
        return (contexts / key).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        outcome.refused[key] = f"there is no user data in {contexts}; new pilots are started by `tfce submit`"
        return None


def _make(
    cloud: Creator, shape: Shape, new: Mapping[str, str], manner: Manner, outcome: Outcome
) -> dict[str, str]:
    """Ask for all the ``new`` VMs, several at once. Returns those of which nobody knows whether they exist."""
    waiting: SimpleQueue[str] = SimpleQueue()
    for key in new:
        waiting.put(key)
    lost: dict[str, str] = {}

    def work(own: Creator) -> None:
        with contextlib.suppress(Empty):
            while True:
                key = waiting.get_nowait()
                try:
                    outcome.ids[key] = _ask(own, shape, key, new[key], manner)
                except CloudError as error:
                    reason = _ECHO.sub("…", error.message.removeprefix(f"starting pilot {key}: "))
                    (lost if error.kind == "unreachable" else outcome.refused)[key] = reason

    workers = [cloud.twin() for _ in range(min(manner.parallelism, len(new)))]
    with ThreadPoolExecutor(max(len(workers), 1)) as pool:
        for done in [pool.submit(work, own) for own in workers]:
            done.result()
    for own in workers:
        cloud.calls.update(own.calls)
    return lost


def _ask(cloud: Creator, shape: Shape, key: str, user_data: str, manner: Manner) -> str:
    for attempt in range(manner.retries + 1):
        if manner.stop.is_set():
            break
        try:
            return cloud.create(shape, key, user_data)
        except CloudError as error:
            # Only a refusal for being asked too often is repeated: after any other failure a VM may exist.
            if error.kind != "throttled" or attempt == manner.retries:
                raise
        manner.stop.wait(min(2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1.0))  # noqa: S311  no secret
    raise CloudError("Terraform was stopped before it was asked for", "stopped")


def _look_again(cloud: Creator, owner: Owner, lost: Mapping[str, str], outcome: Outcome) -> None:
    """An answer did not arrive: the list says whether the VM came to be all the same."""
    try:
        found = _by_key(cloud.having(owner, lost), owner)
    except CloudError:
        found = {}
    for key, reason in lost.items():
        node = found.get(key)
        if node is not None and node.state not in (State.GONE, State.FAILED):
            outcome.ids[key] = node.id
        else:
            outcome.refused[key] = reason


def look(cloud: Creator, owner: Owner, known: Mapping[str, str]) -> Sight:
    """What became of the ``known`` pilots, in one list call. Raises ``CloudError`` when it cannot be had; an
    empty list is not believed."""
    sight = Sight()
    if not known:
        return sight
    nodes = {node.id: node for node in cloud.nodes(owner)}
    absent = {key: node_id for key, node_id in known.items() if node_id not in nodes}
    if len(absent) == len(known) > 1:
        sight.notes["*"] = f"the cloud lists none of {len(known)} pilots, which is not believed"
        return sight
    for key, node_id in list(absent.items())[:_LOOK_UPS]:
        try:
            node = cloud.node(node_id)
        except CloudError as error:
            sight.notes[key] = f"the list does not show its VM {node_id}: {error.message}"
            continue
        if node is None:
            sight.gone.append(key)
            sight.notes[key] = f"its VM {node_id} has vanished; `tfce reap` forgets it"
        else:
            nodes[node_id] = node
    for key, node_id in known.items():
        if node_id in nodes:
            _note(key, nodes[node_id], sight)
    return sight


def _note(key: str, node: Node, sight: Sight) -> None:
    if node.state is State.GONE:
        sight.gone.append(key)
        sight.notes[key] = f"its VM {node.id} was removed ({node.raw_state}); `tfce reap` forgets it"
    elif node.state is State.STOPPED:
        sight.notes[key] = f"its VM {node.id} has stopped; `tfce reap` removes it"
    elif node.state is State.FAILED:
        sight.notes[key] = f"its VM {node.id} has failed: {node.fault or node.raw_state}; `tfce reap` removes it"


def _by_key(nodes: Iterable[Node], owner: Owner) -> dict[str, Node]:
    """One VM for each of the owner's pilots: one that lives before one that is gone, the older before the
    younger."""
    best: dict[str, Node] = {}
    for node in sorted(nodes, key=_precedence):
        key = pilot_key(node)
        if key is not None and owner.owns(node):
            best.setdefault(key, node)
    return best


def _precedence(node: Node) -> tuple[bool, datetime, str]:
    return node.state is State.GONE, node.created or datetime.max.replace(tzinfo=UTC), node.id
