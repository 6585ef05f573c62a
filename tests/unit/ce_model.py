"""A model of two hosts that serve two queues of a CE with an allocation together: the steps of each, under both
leases (a queue's, and the CE's turn to start pilots), crashes, pauses, ends of VMs and time.

A step is what cannot be seen half done, as in ``test_lease_model``, and the decisions in it are the product's own.
That a submission of the product goes through these steps in this order is looked at in
``tests/contract/test_together.py``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tfce.model import lease
from tfce.model.lease import MARGIN, Document, Lease, Sighting

SECONDS = 2 * MARGIN  # of a lease: a tick is half of it
NOBODY, UNSEEN = -1, -1
CE = 2  # beside the queues 0 and 1: which document
# What a submission does, one after the other.
ORDER = ("read", "look", "turn", "reckon", "list", "intend", "check", "ask", "yield", "settle")


class Record(NamedTuple):
    """The document of a queue: who holds it, the wanted pilots, and those that are asked for just now. Pilots are
    bits."""

    holder: int = NOBODY
    wanted: int = 0
    pending: int = 0


class Host(NamedTuple):
    """One host: what it does next (``next``; "" for nothing), for which ``queue``, whether it ``submits`` or only
    sweeps; what it read and decided; whether what it read of queue and CE is still so; for how many ticks it has
    its leases, and since how many it has seen another's on the documents; whether it has a lease by now, and
    something to write at the end."""

    next: str = ""
    submits: bool = False
    queue: int = 0
    fresh: bool = False
    ce_fresh: bool = False
    wanted: int = 0
    pending: int = 0
    there: int = 0
    gone: int = 0
    new: int = 0
    ending: int = 0
    named: int = 0
    used: int = 0
    writes: bool = False
    holds: bool = False
    age: int = 0
    ce_age: int = 0
    seen: tuple[int, int, int] = (UNSEEN, UNSEEN, UNSEEN)


class World(NamedTuple):
    """Everything: the CE's document (which queues it names, who has the turn), the queues', the VMs, the hosts."""

    names: int = 0
    turn: int = NOBODY
    records: tuple[Record, Record] = (Record(), Record())
    running: int = 0
    ended: int = 0
    hosts: tuple[Host, Host] = (Host(), Host())


@dataclass(frozen=True)
class Rules:
    """The design; each of these switched off is a defect that the model must find. ``allotted``: to the CE."""

    swaps: bool = True  # a write replaces exactly what was read
    swaps_turn: bool = True  # so does one of the CE's document
    waits: bool = True  # another's lease on the queue is waited for
    waits_turn: bool = True  # another's turn is waited for
    checks: bool = True  # nothing is begun after one's own turn
    intends: bool = True  # what is about to be asked is shared first
    looks: bool = True  # who goes on looks at what became of what was begun
    names: bool = True  # a queue is named before it starts its first pilot
    reckons: bool = True  # what others use is read once one has the turn, not before
    keeps: bool = True  # the turn is kept until the intent is shared
    ordered: bool = True  # no lease is held while another one is waited for
    bounded: bool = True  # a request arrives within the margin, or not at all
    allotted: int = 1
    ends: bool = False  # whether VMs end


class BrokenError(AssertionError):
    """A law is broken."""


# -- the product's decisions -----------------------------------------------------------------------------------

_HELD = Lease("other", "", SECONDS, "")
_DOCUMENT = Document("q", "", "mark", 0, _HELD)


@functools.cache
def looked(seen: int) -> tuple[int, bool]:
    """For how many ticks another's lease has been seen after one more look, and whether it is over."""
    before = None if seen == UNSEEN else Sighting("mark", "boot", float(-seen * MARGIN))
    sighting = lease.seen(before, _DOCUMENT, "boot", 0.0)
    return int(-sighting.since) // MARGIN, lease.over(_HELD, sighting, 0.0)


@functools.cache
def may_begin(age: int) -> bool:
    """Whether something may be begun so many ticks after one's lease was written."""
    return lease.may_begin(_HELD, float(-age * MARGIN), 0.0)


# -- steps -----------------------------------------------------------------------------------------------------


def steps(world: World, rules: Rules) -> Iterator[World]:
    """The worlds that one step leads to."""
    for me in (0, 1):
        host = world.hosts[me]
        if host.next:
            yield from STEPS[host.next](world, me, host, rules)
            yield from _crashed(world, me, host)
        else:
            for queue in (0, 1):
                yield from _at_work(world, me, queue, True, rules)
                if world.records[queue].pending or world.ended:
                    yield from _at_work(world, me, queue, False, rules)
    for key in bits(world.running if rules.ends else 0):
        yield world._replace(running=world.running & ~key, ended=world.ended | key)
    yield from _ticked(world, rules)


def _at_work(world: World, me: int, queue: int, submits: bool, rules: Rules) -> Iterator[World]:
    start = begun(world, me, queue, submits)
    host = start.hosts[me]
    return (one for one in STEPS[host.next](start, me, host, rules) if one.hosts[me].next != host.next)


def begun(world: World, me: int, queue: int, submits: bool) -> World:
    """A host begins a submission or a sweep."""
    return _with(world, me, Host("read", submits, queue, seen=world.hosts[me].seen))


def _home(world: World, me: int) -> World:
    return _with(world, me, Host(seen=world.hosts[me].seen))


def _with(world: World, me: int, host: Host) -> World:
    return world._replace(hosts=(host, world.hosts[1]) if me == 0 else (world.hosts[0], host))


def bits(keys: int) -> Iterator[int]:
    while keys:
        yield keys & -keys
        keys &= keys - 1


def _waits(world: World, me: int, holder: int, document: int, heeds: bool) -> Iterator[World] | None:
    """Where another's lease on a document stands: what may become of who wants it; None where nobody's does."""
    if holder in (NOBODY, me) or not heeds:
        return None
    host = world.hosts[me]
    seen, over = looked(host.seen[document])
    if over:
        return None
    if host.holds:
        raise BrokenError("a lease is held by who waits for another")
    sights = list(host.seen)
    sights[document] = seen
    later = _with(world, me, host._replace(seen=(sights[0], sights[1], sights[2])))
    return iter((later, _home(later, me)))  # it looks again, or gives up


def _read(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    record = world.records[host.queue]
    waiting = _waits(world, me, record.holder, host.queue, rules.waits)
    if waiting is not None:
        yield from waiting
        return
    then = "look" if host.submits else "list"
    early = 0 if rules.reckons else _used(world, host, world.names)
    host = host._replace(next=then, fresh=True, wanted=record.wanted, pending=record.pending, used=early)
    if rules.ordered or not host.submits:
        yield _with(world, me, host)
    else:
        yield from _written(world, me, host._replace(holds=True, writes=True), rules, record._replace(holder=me))


def _look(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    """Read the CE's document."""
    waiting = _waits(world, me, world.turn, CE, rules.waits_turn)
    if waiting is not None:
        yield from waiting
        return
    yield _with(world, me, host._replace(next="turn", ce_fresh=True, named=world.names))


def _turn(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    """Take the turn, and let the CE's document name the queue."""
    if rules.swaps_turn and not host.ce_fresh:
        yield _home(world, me)
        return
    named = host.named | (1 << host.queue if rules.names else 0)
    world = _ce_written(world, me, named, me)
    host = world.hosts[me]
    yield _with(world, me, host._replace(next="reckon", named=named, ce_fresh=True, ce_age=0, holds=True))


def _ce_written(world: World, me: int, names: int, turn: int) -> World:
    other = world.hosts[1 - me]
    changed = other._replace(ce_fresh=False, seen=(other.seen[0], other.seen[1], UNSEEN))
    return _with(world._replace(names=names, turn=turn), 1 - me, changed)


def _used(world: World, host: Host, names: int) -> int:
    other = 1 - host.queue
    return world.records[other].wanted.bit_count() if names & (1 << other) else 0


def _reckon(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    """Read the other queue's record."""
    used = _used(world, host, host.named) if rules.reckons else host.used
    then = "list" if host.pending or rules.ends else "intend"  # what else is there decides nothing
    yield _with(world, me, host._replace(next=then, named=0, used=min(used, rules.allotted)))


def _list(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    """The cloud's list, as far as it is about this queue."""
    mine = host.wanted | host.pending
    yield _with(world, me, host._replace(next="intend", there=world.running & mine, gone=world.ended & mine))


def _intend(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    """Decide, and write it down with a lease."""
    if rules.swaps and not host.fresh:  # whatever it decides
        yield _home(world, me)
        yield _with(world, me, host._replace(next="yield", writes=False))
        return
    there = host.there | host.gone
    wanted = host.wanted & ~(host.pending & ~(there if rules.looks else 0))
    new = _free(world) if host.submits and host.used + wanted.bit_count() < rules.allotted else 0
    ending = host.gone & wanted
    host = host._replace(there=0, gone=0, used=0)
    world = _with(world, me, host)
    if not (new or ending):
        writes = host.writes or bool(host.pending)
        done = host._replace(next="yield" if host.submits else "settle", wanted=wanted, pending=0, writes=writes)
        yield _with(world, me, done) if writes or host.submits else _home(world, me)
        return
    world = world if rules.keeps or not host.submits else _ce_written(world, me, world.names, NOBODY)
    host = world.hosts[me]._replace(
        next="check",
        wanted=wanted | new,
        pending=new | ending,
        new=new,
        ending=ending,
        age=0,
        writes=True,
        holds=True,
    )
    if rules.intends:
        yield from _written(world, me, host, rules, Record(me, host.wanted, host.pending))
    else:
        yield _with(world, me, host)


def _free(world: World) -> int:
    """A pilot that is nowhere yet."""
    taken = world.running | world.ended
    for one in (*world.records, *world.hosts):
        taken |= one.wanted | one.pending
    return ~taken & (taken + 1)


def _written(world: World, me: int, host: Host, rules: Rules, record: Record) -> Iterator[World]:
    """A compare-and-swap; who loses it goes home, without the turn."""
    if rules.swaps and not host.fresh:
        yield _home(world, me)
        return
    other = world.hosts[1 - me]
    sights = list(other.seen)
    sights[host.queue] = UNSEEN
    fresh = other.fresh and other.queue != host.queue
    world = _with(world, 1 - me, other._replace(fresh=fresh, seen=(sights[0], sights[1], sights[2])))
    records = list(world.records)
    records[host.queue] = record
    world = world._replace(records=(records[0], records[1]))
    yield _with(world, me, host) if host.next else _home(world, me)


def _check(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    in_turn = may_begin(host.ce_age) or not rules.checks or not host.submits
    if may_begin(host.age) and in_turn:
        yield _with(world, me, host._replace(next="ask"))
        return
    yield _home(world, me)
    yield _with(world, me, host._replace(next="yield" if host.submits else "settle", new=0, ending=0))


def _arrived(world: World, host: Host) -> World:
    """The request reaches the cloud, which makes and removes what it is asked."""
    return world._replace(running=world.running | host.new, ended=world.ended & ~host.ending)


def _ask(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    then = "yield" if host.submits else "settle"
    settled = host._replace(next=then, wanted=host.wanted & ~host.ending, pending=0, new=0, ending=0)
    yield _with(_arrived(world, host), me, settled)


def _yield(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    """Give the turn up, if it is one's own still."""
    if host.ce_fresh or not rules.swaps_turn:
        world = _ce_written(world, me, world.names, NOBODY)
    host = host._replace(next="settle", ce_fresh=False)
    yield _with(world, me, host) if host.writes else _home(world, me)


def _settle(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    yield from _written(world, me, host._replace(next=""), rules, Record(NOBODY, host.wanted, host.pending))


STEPS: dict[str, Callable[[World, int, Host, Rules], Iterator[World]]] = dict(
    zip(ORDER, (_read, _look, _turn, _reckon, _list, _intend, _check, _ask, _yield, _settle), strict=True)
)


def _crashed(world: World, me: int, host: Host) -> Iterator[World]:
    yield _home(world, me)
    if host.next == "ask":  # the request was on its way
        yield _arrived(_home(world, me), host)


def _ticked(world: World, rules: Rules) -> Iterator[World]:
    hosts = world.hosts
    if rules.bounded and any(one.next == "ask" and max(one.age, one.ce_age) for one in hosts):
        return  # what was sent before the margin arrives within it
    later = world._replace(hosts=(older(hosts[0]), older(hosts[1])))
    if later != world:
        yield later


def older(host: Host) -> Host:
    first, second, ce = (UNSEEN if one == UNSEEN else min(one + 1, 2) for one in host.seen)
    return host._replace(age=1, ce_age=1, seen=(first, second, ce))
