"""Record and lease of a queue on two hosts: every interleaving of their steps, with crashes, pauses and time.

The model is small and the decisions in it are the product's own (``tfce.model.lease``). A step is what cannot be
seen half done: one read or compare-and-swap of the shared document, one look at the cloud, one request. A pause is
any number of other steps between two of a host's. Each host has a clock of its own: only ages are compared."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest

from tests.walks import walk
from tfce.model import lease
from tfce.model.lease import MARGIN, BackendId, Document, Lease, Sighting

LIMIT = 1
SECONDS = 2 * MARGIN  # of a lease: a tick is half of it
OLDEST = 3 * MARGIN  # ages beyond this are all the same
Keys = frozenset[int]
NONE: Keys = frozenset()


class Shared(NamedTuple):
    """The document in the backend: its number, who holds it, the wanted pilots, those that are asked for just
    now, and the tombstones."""

    serial: int = 0
    holder: int = -1
    wanted: Keys = NONE
    pending: Keys = NONE
    stones: Keys = NONE


class Host(NamedTuple):
    """One host: where it is, what it read, what it decided, how long ago it wrote its lease, and which document
    of another's it has been looking at for how long."""

    at: str = "idle"
    read: Shared = Shared()
    listed: tuple[Keys, Keys] = (NONE, NONE)  # running, ended
    new: Keys = NONE
    ending: Keys = NONE
    age: int = 0
    sight: tuple[int, int] = (-1, 0)


class World(NamedTuple):
    """Everything. ``left``: submissions, ends and crashes that may still happen."""

    shared: Shared = Shared()
    running: Keys = NONE
    ended: Keys = NONE
    destroyed: Keys = NONE
    hosts: tuple[Host, Host] = (Host(), Host())
    left: tuple[int, int, int] = (3, 2, 2)


@dataclass(frozen=True)
class Rules:
    """The design; each of these switched off is a defect that the model must find."""

    swaps: bool = True  # a write replaces exactly what was read
    waits: bool = True  # a foreign lease is waited for
    checks: bool = True  # nothing is begun after one's own lease
    intends: bool = True  # what is about to be asked is shared first
    looks: bool = True  # who goes on looks at what became of what was begun
    bounded: bool = True  # a request arrives within the margin, or not at all


class BrokenError(AssertionError):
    """A law is broken."""


def steps(world: World, rules: Rules) -> Iterator[World]:
    """The worlds that one step leads to."""
    submissions, ends, crashes = world.left
    for me in (0, 1):
        yield from _of_host(world, me, rules)
        if crashes and world.hosts[me].at != "idle":
            yield from _crashed(world._replace(left=(submissions, ends, crashes - 1)), me)
    if ends:
        for key in world.running:
            over = world._replace(running=world.running - {key}, ended=world.ended | {key})
            yield over._replace(left=(submissions, ends - 1, crashes))
    yield from _ticked(world, rules)


def normal(world: World) -> World:
    """The same world without what no later step can tell: numbers count only as being the present one, or not."""
    now = world.shared.serial
    hosts = [_normal(one, me, now, world.shared.holder) for me, one in enumerate(world.hosts)]
    return world._replace(shared=world.shared._replace(serial=0), hosts=(hosts[0], hosts[1]))


def _normal(host: Host, me: int, now: int, holder: int) -> Host:
    sees = host.sight[0] == now and holder not in (-1, me) and host.at == "idle"
    sight = (0, host.sight[1]) if sees else (-1, 0)
    if host.at == "idle":
        return Host(sight=sight)
    read = host.read._replace(serial=0 if host.read.serial == now else -1)
    return host._replace(read=read, sight=sight, age=host.age if host.at in ("intended", "asked") else 0)


def _ticked(world: World, rules: Rules) -> Iterator[World]:
    if rules.bounded and any(one.at == "asked" and one.age >= MARGIN for one in world.hosts):
        return  # what was sent before the margin arrives within it
    hosts = [
        one._replace(age=min(one.age + MARGIN, OLDEST), sight=(one.sight[0], min(one.sight[1] + MARGIN, OLDEST)))
        for one in world.hosts
    ]
    later = world._replace(hosts=(hosts[0], hosts[1]))
    if later != world:
        yield later


def _crashed(world: World, me: int) -> Iterator[World]:
    host = world.hosts[me]
    dead = _with(world, me, Host(sight=host.sight))
    yield dead
    if host.at == "asked":  # the request was on its way
        yield _arrived(dead, host)


def _with(world: World, me: int, host: Host) -> World:
    hosts = list(world.hosts)
    hosts[me] = host
    return world._replace(hosts=(hosts[0], hosts[1]))


def _of_host(world: World, me: int, rules: Rules) -> Iterator[World]:
    host = world.hosts[me]
    step = {
        "idle": _read,
        "read": _list,
        "listed": _intend,
        "intended": _check,
        "asked": _ask,
        "done": _settle,
    }[host.at]
    yield from step(world, me, host, rules)


def _document(shared: Shared) -> Document:
    held = Lease(str(shared.holder), "", SECONDS, "") if shared.holder >= 0 else None
    return Document("q", "", str(shared.serial), 0, held)


def _read(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    shared = world.shared
    document = _document(shared)
    if document.lease is not None and shared.holder != me and rules.waits:
        before = Sighting(str(host.sight[0]), "boot", -float(host.sight[1]))
        sighting = lease.seen(before, document, "boot", 0.0)
        if not lease.over(document.lease, sighting, 0.0):
            if host.sight[0] != shared.serial:
                yield _with(world, me, host._replace(sight=(shared.serial, 0)))
            return
    yield _with(world, me, Host("read", shared, sight=host.sight))


def _list(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    yield _with(world, me, host._replace(at="listed", listed=(world.running, world.ended)))


def _intend(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    """Decide, and write it down with a lease."""
    running, ended = host.listed
    there = running | ended
    known = host.read.wanted
    wanted = known - (host.read.pending - (there if rules.looks else NONE))
    ending = ended
    submissions, ends, crashes = world.left
    new = NONE
    if submissions and len(wanted) < LIMIT:
        new = frozenset({submissions})
        world = world._replace(left=(submissions - 1, ends, crashes))
    if not (new or ending):
        if wanted == known and not host.read.pending:
            yield _with(world, me, Host(sight=host.sight))
        else:
            yield _written(world, me, host, rules, Shared(0, -1, wanted, NONE, host.read.stones), "idle")
        return
    intent = Shared(0, me, wanted | new, new | ending, host.read.stones | ending)
    decided = host._replace(new=new, ending=ending, age=0)
    if rules.intends:
        yield _written(world, me, decided, rules, intent, "intended")
    else:
        yield _with(world, me, decided._replace(at="intended", read=intent._replace(serial=host.read.serial)))


def _written(world: World, me: int, host: Host, rules: Rules, wanted: Shared, then: str) -> World:
    """A compare-and-swap; who loses it goes home."""
    if rules.swaps and world.shared.serial != host.read.serial:
        return _with(world, me, Host(sight=host.sight))
    shared = wanted._replace(serial=world.shared.serial + 1)
    if world.shared.stones - shared.stones:
        raise BrokenError("a tombstone that hosts may have answered from is forgotten")
    after = Host(sight=host.sight) if then == "idle" else host._replace(at=then, read=shared)
    return _with(world._replace(shared=shared), me, after)


def _check(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    held = Lease(str(me), "", SECONDS, "")
    if lease.may_begin(held, -float(host.age), 0.0) or not rules.checks:
        yield _with(world, me, host._replace(at="asked"))
    else:
        yield _with(world, me, Host(sight=host.sight))


def _arrived(world: World, host: Host) -> World:
    """The request reaches the cloud, which makes and removes what it is asked."""
    if host.ending & world.running:
        raise BrokenError("a running VM is destroyed")
    if (host.ending & world.ended) - world.shared.stones:
        raise BrokenError("a VM is removed before every host can know how it ended")
    running = world.running | (host.new - world.destroyed)
    return world._replace(
        running=running, ended=world.ended - host.ending, destroyed=world.destroyed | (host.ending & world.ended)
    )


def _ask(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    yield _with(_arrived(world, host), me, host._replace(at="done"))


def _settle(world: World, me: int, host: Host, rules: Rules) -> Iterator[World]:
    wanted = host.read.wanted - host.ending
    yield _written(world, me, host, rules, Shared(0, -1, wanted, NONE, host.read.stones | host.ending), "idle")


def lawful(world: World) -> None:
    """What holds in every world."""
    if len(world.running | world.ended) > LIMIT:
        raise BrokenError("more VMs than the limit")


def settled(world: World, rules: Rules) -> None:
    """Once both hosts are at home, the time of a lease passes and either of them goes through a cycle: record and
    cloud agree, whatever happened before."""
    for me in (0, 1):
        after = world._replace(left=(0, 0, 0))
        for _ in range(14):
            after = _alone(after, me, rules)
        if (after.shared.wanted, after.shared.pending, after.ended) != (after.running, NONE, NONE):
            raise BrokenError("a VM that nobody wants, or a pilot that has none, stays")
        if after.shared.holder != -1:
            raise BrokenError("a lease stays")


def _alone(world: World, me: int, rules: Rules) -> World:
    """The next step of one host, or of time where it waits."""
    ahead = list(_of_host(world, me, rules)) or list(_ticked(world, rules))
    return normal(ahead[0]) if ahead else world


def explore(rules: Rules) -> int:
    """Walk through every world; how many there are. Raises ``BrokenError``."""
    worlds, ends = 0, set[World]()
    for world in walk(World(), lambda one: map(normal, steps(one, rules))):
        worlds += 1
        lawful(world)
        end = world._replace(left=(0, 0, 0))
        if world.hosts[0].at == world.hosts[1].at == "idle" and end not in ends:
            ends.add(end)
            settled(end, rules)
    return worlds


def test_every_interleaving_of_two_hosts_keeps_the_laws() -> None:
    worlds = explore(Rules())
    print(f"{worlds} worlds")
    assert worlds > 10_000


@pytest.mark.parametrize("defect", ["swaps", "waits", "checks", "intends", "looks", "bounded"])
def test_the_model_finds_each_defect_of_the_design(defect: str) -> None:
    with pytest.raises(BrokenError):
        explore(Rules(**{defect: False}))


def test_a_lease_is_over_only_by_the_clock_of_who_looks() -> None:
    held = Document("q", "", "m1", 1, Lease("a", "one", 100, "submit"))
    for clock in (0.0, 3600.0, random.uniform(0, 10**6)):
        first = lease.seen(None, held, "boot", clock)
        assert held.lease is not None and not lease.over(held.lease, first, clock + 99)
        assert lease.seen(first, held, "boot", clock + 50) == first and lease.over(held.lease, first, clock + 100)
        assert lease.seen(first, held, "another boot", clock + 99).since == clock + 99  # a restart begins anew
        assert lease.seen(first, held, "boot", clock - 1).since == clock - 1  # and so does a clock that went back
        other = Document("q", "", "m2", 2, held.lease)
        assert lease.seen(first, other, "boot", clock + 99).since == clock + 99  # the holder wrote again


def test_a_holder_begins_nothing_in_the_last_minute_of_its_lease() -> None:
    held = Lease("a", "one", 1000, "submit")
    assert lease.may_begin(held, 50.0, 50.0 + 939) and not lease.may_begin(held, 50.0, 50.0 + 940)
    assert not lease.may_begin(Lease("a", "one", MARGIN, "submit"), 50.0, 50.0)


def test_a_document_is_read_as_it_was_written_and_nothing_else_is_one() -> None:
    held = Document("c/q", "{}", "m", 7, Lease("a", "one", 100, "submit"))
    assert Document.load(held.dump()) == held
    free = Document("c/q", "{}", "m", 7)
    assert Document.load(free.dump()) == free
    older = {name: value for name, value in json.loads(free.dump()).items() if name != "hosts"}
    assert Document.load(json.dumps(older)) == free  # of a tfce that told of no hosts
    for text in ("", "[]", "{}", "null", held.dump().replace('"format": 1', '"format": 2'), held.dump()[:-1]):
        with pytest.raises(ValueError):
            Document.load(text)


def test_a_document_of_when_a_backend_was_a_text_is_taken_over() -> None:
    moved = Document("c/q", "{}", "m", moved=BackendId("s3", "https://s3.example.org bucket=x"))
    assert Document.load(moved.dump()) == moved
    then = {**json.loads(moved.dump()), "moved": "s3 https://s3.example.org bucket=x"}
    assert Document.load(json.dumps(then)) == moved
    assert Document.load(json.dumps({**then, "moved": ""})) == replace(moved, moved=None)
    for odd in ({"name": "s3"}, {"name": "s3", "where": 1}, ["s3"], 7):
        with pytest.raises(ValueError):
            Document.load(json.dumps({**then, "moved": odd}))
