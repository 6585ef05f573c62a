"""Worlds of the model of a CE that no later step can tell apart are one."""

from __future__ import annotations

import functools

from tests.unit.ce_model import NOBODY, ORDER, UNSEEN, Host, Record, World, bits


def normal(world: World, swaps: bool = True) -> World:
    """The same world without what no later step can tell: which host and queue is which, what one has seen of a
    lease that is over, how old one is that nobody asks about."""
    sides = _sides(world.names, world.turn, world.records)
    return (
        min(_turned(world, swaps, *one) for one in sides) if len(sides) > 1 else _turned(world, swaps, *sides[0])
    )


@functools.cache
def _sides(names: int, turn: int, records: tuple[Record, Record]) -> list[tuple[int, int]]:
    """From which sides (hosts, queues) the documents look the least."""
    looks = {
        (hosts, queues): _documents(names, turn, records, hosts, queues) for hosts in (0, 1) for queues in (0, 1)
    }
    least = {
        side: (names, turn, *((one.holder, one.wanted.bit_count(), one.pending.bit_count()) for one in both))
        for side, (names, turn, both) in looks.items()
    }
    return [side for side in looks if least[side] == min(least.values())]


def _turned(world: World, swaps: bool, hosts: int, queues: int) -> World:
    names, turn, records = _documents(world.names, world.turn, world.records, hosts, queues)
    holders = records[0].holder, records[1].holder, turn
    first = _bare(world.hosts[hosts], 0, queues, holders, swaps)
    second = _bare(world.hosts[1 - hosts], 1, queues, holders, swaps)
    return _relabelled(World(names, turn, records, world.running, world.ended, (first, second)))


def _relabelled(world: World) -> World:
    """No pilot is another one's better: which bit is whose follows from where they are."""
    (one, two), (first, second) = world.records, world.hosts
    masks = (
        one.wanted,
        one.pending,
        two.wanted,
        two.pending,
        world.running,
        world.ended,
        *first[5:11],
        *second[5:11],
    )
    new = _sorted(masks)
    if new == masks:
        return world
    records = one._replace(wanted=new[0], pending=new[1]), two._replace(wanted=new[2], pending=new[3])
    parts = ((*first[:5], *new[6:12], *first[11:]), (*second[:5], *new[12:], *second[11:]))
    hosts = Host._make(parts[0]), Host._make(parts[1])
    return World(world.names, world.turn, records, new[4], new[5], hosts)


@functools.cache
def _sorted(masks: tuple[int, ...]) -> tuple[int, ...]:
    every = functools.reduce(int.__or__, masks)
    places = sorted([tuple(bool(mask & key) for mask in masks) for key in bits(every)], reverse=True)
    return tuple(sum(1 << bit for bit, place in enumerate(places) if place[n]) for n in range(len(masks)))


@functools.cache
def _documents(
    names: int, turn: int, records: tuple[Record, Record], hosts: int, queues: int
) -> tuple[int, int, tuple[Record, Record]]:
    first, second = (one._replace(holder=_other(one.holder, hosts)) for one in records)
    return _named(names, queues), _other(turn, hosts), (second, first) if queues else (first, second)


def _other(holder: int, swapped: int) -> int:
    return 1 - holder if swapped and holder != NOBODY else holder


def _named(names: int, swapped: int) -> int:
    return (names >> 1 | (names & 1) << 1) if swapped else names


@functools.cache
def _bare(host: Host, me: int, queues: int, holders: tuple[int, int, int], swaps: bool) -> Host:
    seen = (host.seen[queues], host.seen[1 - queues], host.seen[2])
    first, second, ce = (one if holder == 1 - me else UNSEEN for one, holder in zip(seen, holders, strict=True))
    if not host.next or (swaps and _goes_home(host)):
        return Host(seen=(first, second, ce))
    if swaps and not host.fresh:  # what it read is of no use any more
        host = host._replace(wanted=0, pending=0, used=0, there=0, gone=0)
    return host._replace(
        queue=1 - host.queue if queues else host.queue,
        named=_named(host.named, queues),
        age=host.age if host.next in ("check", "ask") else 0,
        ce_age=host.ce_age if host.submits and host.next in _IN_TURN else 0,
        seen=(first, second, ce),
    )


def _goes_home(host: Host) -> bool:
    """Whether all that is left to it is a write that is refused."""
    if host.next == "turn" and not host.ce_fresh:
        return True
    return not host.fresh and (host.next == "settle" or (not host.submits and host.next in ("list", "intend")))


_IN_TURN = ORDER[3:8]
