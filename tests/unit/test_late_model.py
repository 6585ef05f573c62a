"""A host that sleeps in the middle of a write, on a backend that writes without a condition (S3): every
interleaving of two hosts, where whatever was compared may be written whenever its host wakes up.

Who slept longer than a lock stands has its write put over what others wrote meanwhile. Nothing prevents that. What
holds all the same: no two hosts are ever at work together, and nothing that a host wrote is lost once each of them
has gone through a cycle. The decisions are the product's own (``tfce.model.lease``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.walks import walk
from tfce.model import lease
from tfce.model.lease import MARGIN, Document, Lease, Sighting
from tfce.store.shared_document import following

SECONDS, STALE, OLDEST = 2 * MARGIN, MARGIN, 3 * MARGIN
Facts = frozenset[int]


class Doc(NamedTuple):
    """What the backend has: its number, a mark of its own, facts, whose writes led to it, and who has the turn."""

    number: int = 0
    mark: int = 0
    facts: Facts = frozenset()
    writes: tuple[int, int] = (0, 0)
    holder: int = -1


class Host(NamedTuple):
    """One host: ``doc``: the one that it works on, or is about to write; ``seen``: the one that its copy is of;
    ``facts``: of that copy; ``doubt``: the mark of what it wrote too late, -1 for none."""

    at: str = "idle"
    doc: Doc = Doc()
    age: int = 0
    seen: Doc = Doc()
    facts: Facts = frozenset()
    doubt: int = -1
    last: int = 0
    sight: tuple[int, int] = (-1, 0)


class World(NamedTuple):
    """Everything. ``left``: turns and sleeps that may still come; ``kept``: what a host knows to be written."""

    doc: Doc = Doc()
    hosts: tuple[Host, Host] = (Host(), Host())
    left: tuple[int, int] = (3, 1)
    marks: int = 0
    kept: Facts = frozenset()


@dataclass(frozen=True)
class Rules:
    """The design; each switched off is a defect that the model must find."""

    doubts: bool = True  # who slept in a write does not take the lease in it for its own
    counts: bool = True  # a document says whose writes led to it
    numbers: bool = True  # all who know one text come to one number for the next


class BrokenError(AssertionError):
    """A law is broken."""


def document(doc: Doc) -> Document:
    """As the product has it."""
    held = Lease(str(doc.holder), "", SECONDS, "") if doc.holder >= 0 else None
    return Document("q", "", str(doc.mark), lease=held, writes={str(me): one for me, one in enumerate(doc.writes)})


def stored(doc: Doc) -> Doc:
    """As a backend keeps it: Terraform adds one to the number."""
    return doc._replace(number=doc.number + 1)


def put(world: World, me: int, host: Host) -> World:
    """The world with that host."""
    hosts = [host if number == me else one for number, one in enumerate(world.hosts)]
    return world._replace(hosts=(hosts[0], hosts[1]))


def steps(world: World, rules: Rules) -> Iterator[World]:
    """The worlds that one step leads to."""
    for me, host in enumerate(world.hosts):
        if host.at == "idle" and world.left[0]:
            yield begun(world, me, rules)
        elif host.at in ("intending", "settling"):
            yield from written(world, me)
        elif host.at == "late":
            yield arrived(world, me)
        elif host.at == "leased":
            may = lease.may_begin(Lease(str(me), "", SECONDS, ""), -float(host.age), 0.0)
            yield put(world, me, host._replace(at="working" if may else "idle"))
        elif host.at == "working":
            number = following(host.doc.number) if rules.numbers else host.doc.number + 2
            freed = host.doc._replace(number=number, holder=-1)
            yield put(world, me, host._replace(at="settling", doc=freed))
    if not any(one.at == "working" and one.age >= MARGIN for one in world.hosts):
        yield ticked(world)


def ticked(world: World) -> World:
    """Some time passes."""
    hosts = [
        one._replace(age=min(one.age + MARGIN, OLDEST), sight=(one.sight[0], min(one.sight[1] + MARGIN, OLDEST)))
        for one in world.hosts
    ]
    return world._replace(hosts=(hosts[0], hosts[1]))


def begun(world: World, me: int, rules: Rules) -> World:
    """A host reads, and decides to write one fact more; or waits."""
    host, doc = world.hosts[me], world.doc
    doubt = rules.doubts and host.doubt == doc.mark
    if doc.number < host.seen.number:
        return world  # it begins nothing before somebody has repaired that
    if doubt or doc.holder not in (-1, me):
        one = Document("q", "", str(doc.mark), lease=Lease("", "", SECONDS, ""))
        sighting = lease.seen(Sighting(str(host.sight[0]), "", -float(host.sight[1])), one, "", 0.0)
        if one.lease is not None and not lease.over(one.lease, sighting, 0.0):
            since = host.sight[1] if host.sight[0] == doc.mark else 0
            return put(world, me, host._replace(sight=(doc.mark, since)))
    known = joined(host, doc, me, rules)
    fact = world.marks + 1
    mine = max(host.last, doc.writes[me]) + 1
    writes = (mine, doc.writes[1]) if me == 0 else (doc.writes[0], mine)
    number = following(doc.number) if rules.numbers else doc.number + 1000
    wanted = Doc(number, fact, known | {fact}, writes, me)
    after = Host("intending", wanted, 0, doc, known, -1, mine, host.sight)
    return put(world._replace(marks=fact, left=(world.left[0] - 1, world.left[1])), me, after)


def joined(host: Host, doc: Doc, me: int, rules: Rules) -> Facts:
    """What a host knows after it read: also what was written over."""
    seen = {str(one): number for one, number in enumerate(host.seen.writes)}
    lost = rules.counts and document(doc).lacks(seen)
    return doc.facts | host.facts if lost else doc.facts


def written(world: World, me: int) -> Iterator[World]:
    """A write, at once; or one that was compared, and sleeps. Who loses the comparison goes home."""
    host = world.hosts[me]
    locked = any(one.at == "late" and one.age < STALE for one in world.hosts)
    if locked or world.doc.number >= host.doc.number:
        yield put(world, me, host._replace(at="idle"))
        return
    yield confirmed(world._replace(doc=stored(host.doc)), me)
    if world.left[1]:
        asleep = host._replace(at="late", age=0)
        yield put(world._replace(left=(world.left[0], world.left[1] - 1)), me, asleep)


def confirmed(world: World, me: int) -> World:
    """The host knows that it wrote, and in time."""
    host = world.hosts[me]
    then = "leased" if host.doc.holder == me else "idle"
    after = host._replace(at=then, age=0, seen=host.doc, facts=host.doc.facts, doubt=-1)
    return put(world._replace(kept=world.kept | host.doc.facts), me, after)


def arrived(world: World, me: int) -> World:
    """What slept is written, whatever is there now."""
    host = world.hosts[me]
    there = world._replace(doc=stored(host.doc))
    if host.age < STALE:
        return confirmed(there, me)
    return put(there, me, host._replace(at="idle", doubt=host.doc.mark))


def lawful(world: World) -> None:
    """What holds in every world."""
    if all(one.at == "working" for one in world.hosts):
        raise BrokenError("two hosts are at work together")


def settled(world: World, rules: Rules) -> None:
    """Once all sleep is over and each host has gone through a cycle, what was written is there."""
    for order in ((0, 1, 0, 1), (1, 0, 1, 0)):
        doc, hosts = world.doc, list(world.hosts)
        for me in order:
            host = hosts[me]
            if doc.number < host.seen.number:  # `tfce repair` there
                doc = host.seen._replace(number=following(host.seen.number), facts=host.facts, holder=-1)
            else:
                known = joined(host, doc, me, rules)
                doc = doc._replace(number=following(doc.number), facts=known, holder=-1)
                first, second = map(max, doc.writes, host.seen.writes)
                doc = doc._replace(writes=(first, second))
            hosts[me] = host._replace(seen=doc, facts=doc.facts)
        if world.kept - doc.facts:
            raise BrokenError("what a host had written is lost")


def explore(rules: Rules) -> int:
    """Walk through every world; how many there are. Raises ``BrokenError``."""
    worlds = 0
    for world in walk(World(), lambda one: steps(one, rules)):
        worlds += 1
        lawful(world)
        if all(one.at == "idle" for one in world.hosts):
            settled(world, rules)
    return worlds


def test_whatever_a_sleeper_writes_over_is_kept_and_no_two_hosts_are_at_work() -> None:
    worlds = explore(Rules())
    print(f"{worlds} worlds")
    assert worlds > 10_000


@pytest.mark.parametrize("defect", ["doubts", "counts", "numbers"])
def test_the_model_finds_each_defect_of_the_design(defect: str) -> None:
    with pytest.raises(BrokenError):
        explore(Rules(**{defect: False}))
