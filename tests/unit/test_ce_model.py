"""The queues of a CE with an allocation together: every interleaving of two hosts' steps over two queues, with
both leases, crashes, pauses and time, without any bound on how many of these there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.drawn import everything
from tests.unit.ce_model import NOBODY, ORDER, STEPS, BrokenError, Rules, World, begun, older, steps
from tests.unit.ce_worlds import normal
from tests.walks import walk

# -- the laws --------------------------------------------------------------------------------------------------


def lawful(world: World, rules: Rules) -> None:
    """What holds in every world."""
    if world.running.bit_count() > rules.allotted:
        raise BrokenError("more is used than is allotted to the CE")
    if (world.running | world.ended) & ~(world.records[0].wanted | world.records[1].wanted):
        raise BrokenError("a VM is in no record")


def settled(world: World, rules: Rules) -> None:
    """Once both hosts are at home, the time of a lease passes and either of them looks after both queues: records
    and cloud agree, and nobody has a lease, whatever happened before."""
    for me in (0, 1):
        after = world
        for queue in (0, 1):
            after = _cycle(_cycle(after, me, queue, rules, False), me, queue, rules, True)
        if (after.records[0].wanted | after.records[1].wanted, after.ended) != (after.running, 0):
            raise BrokenError("a VM that nobody wants, or a pilot that has none, stays")
        if (after.turn, *((one.holder, one.pending) for one in after.records)) != (NOBODY, *_FREE):
            raise BrokenError("a lease, or what was begun, stays")


_FREE = ((NOBODY, 0), (NOBODY, 0))


def _cycle(world: World, me: int, queue: int, rules: Rules, submits: bool) -> World:
    """A submission for which nothing is left, or a sweep, of one host while the other one does nothing."""
    world, left = begun(world, me, queue, submits), replace(rules, allotted=0)
    for _ in range(2 * len(ORDER)):
        host = world.hosts[me]
        if not host.next:
            return world
        after = next(iter(STEPS[host.next](world, me, host, left)))
        waits = after.hosts[me].next == host.next
        world = after._replace(hosts=(older(after.hosts[0]), older(after.hosts[1]))) if waits else after
    raise BrokenError("a host gets nowhere")


def explore(rules: Rules) -> int:
    """Walk through every world; how many there are. Raises ``BrokenError``."""
    worlds, swaps = 0, rules.swaps and rules.swaps_turn
    for world in walk(World(), lambda one: (normal(after, swaps) for after in steps(one, rules)), broad=True):
        worlds += 1
        lawful(world, rules)
        if not (world.hosts[0].next or world.hosts[1].next):
            settled(world, rules)
    return worlds


@pytest.mark.parametrize(
    "more", [{}, *([{"ends": True}, {"allotted": 2}] if everything() else [])], ids=lambda more: str(*more)
)
def test_every_interleaving_over_two_queues_keeps_the_laws(more: dict[str, Any]) -> None:
    worlds = explore(Rules(**more))
    print(f"{worlds} worlds")
    assert worlds > 50_000


@pytest.mark.parametrize(
    ("defect", "law"),
    [
        ("swaps", "a VM is in no record"),
        ("swaps_turn", "more is used"),
        ("waits", "a VM is in no record"),
        ("waits_turn", "more is used"),
        ("checks", "more is used"),
        ("intends", "a VM is in no record"),
        ("looks", "a VM that nobody wants"),
        ("names", "more is used"),
        ("reckons", "more is used"),
        ("keeps", "more is used"),
        ("ordered", "a lease is held by who waits"),
        ("bounded", "a VM is in no record"),
    ],
)
def test_the_model_of_a_ce_finds_each_defect_of_the_design(defect: str, law: str) -> None:
    with pytest.raises(BrokenError, match=law):
        explore(Rules(**{defect: False}))
