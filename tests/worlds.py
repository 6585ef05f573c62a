"""Every small world of one pilot, and a toy cloud that lives on in it.

A world is what may be true of one key at one moment: what the record wants, what Terraform's state holds, which
VMs exist, what the cloud's list shows of them, and what the clocks say. ``walk`` yields each once; what no
judgement could tell apart is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain, product
from typing import NamedTuple

from tfce.model.endings import Cause, Ending
from tfce.model.pilot import Pilot
from tfce.model.policy import Action, Verb, plan, sweep, tombstone
from tfce.model.reconcile import Case, Clocks, Condition, Instance, Rules, Snapshot, reconcile
from tfce.model.record import Operation, Record, Tombstone
from tfce.model.vm import VM, Inventory, Owner, State

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)  # the true time
RULES = Rules(max_lifetime=14 * 86400, create_timeout=600, grace=600)
AGES = {"young": timedelta(minutes=1), "grown": timedelta(hours=3), "overdue": timedelta(days=15)}
SKEWS = {
    "agree": timedelta(0),
    "ahead": timedelta(days=15),
    "behind": timedelta(days=-15),
    "unknown": timedelta(0),
}
OWNER = Owner("here", "ce.example.org", "long")
KEY, OTHER = "AAAAAAAA", "BBBBBBBB"
ALIVE = (State.BOOTING, State.RUNNING, State.UNKNOWN)
STEP = timedelta(hours=2)  # between two cycles: whatever is young or on its way is that no longer

Truth = tuple[str, State, str]  # a VM: its id, its state, its age by the cloud's clock ("" where it does not tell)


class World(NamedTuple):
    """``pilot``: id and age by the host's clock; ``state``: id and whether tainted; ``hidden``: what exists and is
    not listed; ``stones``: id and how far its removal came; ``answer``: what the cloud says of ids that it does
    not list ("lists": it has no such question, and a second list is as short as the first); ``company``: who else
    is there; ``tags``: whose the first VM has."""

    pilot: tuple[str, str] | None = None
    state: tuple[str, bool] | None = None
    vms: tuple[Truth, ...] = ()
    hidden: frozenset[str] = frozenset()
    complete: bool = True
    stones: tuple[tuple[str, str], ...] = ()
    answer: str = "not asked"
    clocks: str = "agree"
    company: str = "alone"
    tags: str = "ours"
    pending: bool = False

    @property
    def host(self) -> datetime:
        """The host's time."""
        return NOW + SKEWS[self.clocks]

    @property
    def known(self) -> frozenset[str]:
        """The ids that record or state hold."""
        return frozenset(one[0] for one in (self.pilot, self.state) if one and one[0])

    @property
    def listed(self) -> frozenset[str]:
        """The ids that the list shows."""
        return frozenset(vm[0] for vm in self.vms) - self.hidden

    def shown(self, node_id: str) -> State | None:
        """The state that the list, or the answer to a question, gives of a VM."""
        seen = node_id in self.listed or (self.answer == "truth" and node_id in self.known)
        return next((state for one, state, _ in self.vms if one == node_id), None) if seen else None

    def denied(self, node_id: str) -> bool:
        """Whether the cloud itself says that there is no such VM."""
        asked = self.answer != "not asked" and node_id in self.known - self.listed
        return asked and self.shown(node_id) is None


ELSEWHERE = replace(OWNER, installation="elsewhere")


@cache
def vm(node_id: str, state: State, age: str, key: str = KEY, owner: Owner | None = OWNER) -> VM:
    """A VM of the toy cloud; without an ``owner``, one whose tags the cloud dropped."""
    created = NOW - AGES[age] if age else None
    tags = {"tfce:key": key, **owner.tags()} if owner else {}
    return VM(node_id, f"vm-{node_id}", state, state.value, created, tags, ended=None)


_STRANGERS = (
    vm("f-1", State.RUNNING, "overdue", KEY, ELSEWHERE),
    vm("f-2", State.RUNNING, "overdue", KEY, replace(OWNER, queue="short")),
    vm("f-3", State.STOPPED, "grown", OTHER, replace(OWNER, ce="other.example.org")),
)
STRANGERS = frozenset(one.id for one in _STRANGERS)
SIBLING = vm("i-9", State.RUNNING, "grown", OTHER)
_STONES = {  # (accepted, gone)
    "asked": (False, False),
    "accepted": (True, False),
    "gone": (False, True),
}


_TAGS = {"ours": OWNER, "dropped": None, "elsewhere": ELSEWHERE}


def true_vms(world: World) -> dict[str, VM]:
    """The VMs of the pilot's key that there are."""
    owners = {"i-1": _TAGS[world.tags]}
    return {one[0]: vm(*one, owner=owners.get(one[0], OWNER)) for one in world.vms}


def stone(node_id: str, what: str, when: datetime) -> Tombstone:
    """A tombstone: the removal was ``asked`` for, ``accepted``, or the VM was found ``gone`` by itself."""
    accepted, gone = _STONES[what]
    return Tombstone(node_id, KEY, State.DELETED, Ending(Cause.KILLED), when, accepted, gone, dismissed=not gone)


def record(world: World) -> Record:
    """What the queue remembers in ``world``."""
    pilots = {}
    if world.pilot:
        node_id, age = world.pilot
        pilots[KEY] = Pilot(KEY, world.host - AGES[age], "s", node_id)
    if world.company.startswith("sibling"):
        pilots[OTHER] = Pilot(OTHER, world.host - AGES["grown"], "s", SIBLING.id)
    stones = {node_id: stone(node_id, what, world.host - AGES["grown"]) for node_id, what in world.stones}
    made = Record("here", pilots, stones)
    return made.begin(Operation.SUBMIT, [KEY], world.host) if world.pending else made


def snapshot(world: World) -> Snapshot:
    """``world`` as tfce sees it."""
    true = true_vms(world)
    vms = [one for one in true.values() if one.id in world.listed]
    vms += [SIBLING] if world.company == "sibling seen" else []
    vms += _STRANGERS if world.company == "strangers" else []
    looked_up: dict[str, VM | None] = {one: None for one in world.known if world.denied(one)}
    looked_up |= {one.id: one for one in true.values() if world.shown(one.id) and one.id not in world.listed}
    if world.company == "sibling unseen":
        looked_up[SIBLING.id] = None
    state = {KEY: Instance(*world.state)} if world.state else {}
    if world.company.startswith("sibling"):
        state[OTHER] = Instance(SIBLING.id)
    cloud = None if world.clocks == "unknown" else NOW
    listing = Inventory(tuple(vms), world.complete, cloud)
    clocks, by_id = Clocks(world.host, cloud), world.answer != "lists"
    return Snapshot(record(world), listing, clocks, OWNER, RULES, state, looked_up, by_id)


# -- the walk --------------------------------------------------------------------------------------------------

_PILOTS = (None, *product(("", "i-1"), AGES))
_STATES = (None, ("i-1", False), ("i-1", True), ("i-2", False), ("i-2", True))
_FIRST: tuple[Truth, ...] = (
    *(("i-1", state, age) for state, age in product(ALIVE, ("", *AGES))),
    *(("i-1", state, "grown") for state in State if state not in ALIVE),
)
_SECOND: tuple[Truth, ...] = tuple(
    ("i-2", state, age)
    for state, age in (
        (State.RUNNING, "young"),
        (State.RUNNING, "overdue"),
        (State.BOOTING, "grown"),
        (State.FAILED, "grown"),
        (State.DELETING, "grown"),
        (State.DELETED, "grown"),
    )
)
_ENVIRONMENTS = (
    *product(SKEWS, ("alone",)),
    *product(("agree",), ("strangers", "sibling seen", "sibling unseen")),
)


def walk() -> Iterator[World]:
    """Every small world."""
    for number, world in enumerate(chain(_without_second(), _with_second(), _with_other_tags())):
        yield world._replace(pending=True) if number % 2 else world


def _without_second() -> Iterator[World]:
    stones = ((), *((("i-1", what),) for what in _STONES))
    for pilot, state, first in product(_PILOTS, _STATES[:4], ((), *((one,) for one in _FIRST))):
        for marks, (clocks, company) in product(stones, _ENVIRONMENTS):
            yield from _seen(World(pilot, state, first, stones=marks, clocks=clocks, company=company))


def _with_second() -> Iterator[World]:
    pilots = (None, ("", "grown"), ("i-1", "young"), ("i-1", "grown"))
    firsts = [one for one in _FIRST if one[2] == "grown" or (one[1] is State.RUNNING and one[2])]
    marked = ((("i-1", "asked"),), (("i-2", "asked"),), (("i-1", "gone"),))
    for pilot, state, first, second in product(pilots, _STATES, firsts, _SECOND):
        world = World(pilot, state, (first, second))
        yield from _seen(world)
        for other in (world._replace(clocks="ahead"), *(world._replace(stones=marks) for marks in marked)):
            yield from _seen(other, (True,))


def _with_other_tags() -> Iterator[World]:
    stones = ((), *((("i-1", what),) for what in _STONES))
    firsts = [one for one in _FIRST if one[2] == "grown" or one[1] is State.RUNNING]
    for pilot, state, first, marks in product(_PILOTS, _STATES[:3], firsts, stones):
        for tags in ("dropped", "elsewhere"):
            yield from _seen(World(pilot, state, (first,), stones=marks, tags=tags), (True,))


def _seen(world: World, lists: tuple[bool, ...] = (True, False)) -> Iterator[World]:
    """``world`` under every list (``lists``: complete or not) and every answer that make a difference to it."""
    ids = [one[0] for one in world.vms]
    for hides in product((False, True), repeat=len(ids)):
        hidden = frozenset(one for one, hide in zip(ids, hides, strict=True) if hide)
        for complete in lists:
            seen = world._replace(hidden=hidden, complete=complete)
            yield seen
            if world.known - seen.listed:
                yield seen._replace(answer="truth")
                if world.known & hidden:
                    yield seen._replace(answer="denied")
                if complete:  # what is no list one can rely on is not read a second time
                    yield seen._replace(answer="lists")


# -- the toy cloud ---------------------------------------------------------------------------------------------


@dataclass
class Toy:
    """A world that lives on: the true VMs, the record, the state; clocks and lists are well from here on."""

    record: Record
    state: dict[str, Instance]
    vms: dict[str, VM]
    now: datetime = NOW

    @classmethod
    def of(cls, world: World, seen: Snapshot) -> Toy:
        """``world``, with all that is true and that ``seen`` may not show."""
        vms = true_vms(world)
        vms |= {SIBLING.id: SIBLING} if world.company == "sibling seen" else {}
        vms |= {one.id: one for one in _STRANGERS} if world.company == "strangers" else {}
        return cls(seen.record, dict(seen.state or {}), vms)

    @property
    def fingerprint(self) -> str:
        """Worlds with the same one live on alike."""
        stones = sorted((one.id, one.accepted, one.gone, one.when) for one in self.record.tombstones.values())
        vms = sorted((one.id, one.state.name, str(one.created), one.claimed) for one in self.vms.values())
        pilots, unseen = sorted(self.record.pilots.values()), self.record.unseen_since
        return str((pilots, sorted(self.state.items(), key=str), vms, stones, unseen))

    def cycle(self) -> list[Action]:
        """One sweep on a healthy cloud, and the time until the next one. Returns what it did."""
        cases = reconcile(self.view())
        asked = {case.id: self.vms.get(case.id) for case in cases if case.condition is Condition.ABSENT}
        view = replace(self.view(), looked_up=asked)
        actions = plan(reconcile(view), sweep, view.clocks)
        self.apply(actions, self.now)
        self.pass_time()
        return actions

    def heal(self) -> None:
        """Clocks and lists are well from here on."""
        self.record = self.record.not_after(self.now)
        self.pass_time()

    def view(self) -> Snapshot:
        """What tfce sees: all of it."""
        mine = [one for one in self.vms.values() if OWNER.owns(one) and one.state is not State.DELETED]
        since = None if mine else self.record.unseen_since or self.now
        self.record = replace(self.record, unseen_since=since)
        listing = Inventory(tuple(self.vms.values()), True, self.now)
        return Snapshot(self.record, listing, Clocks(self.now, self.now), OWNER, RULES, dict(self.state))

    def apply(self, actions: list[Action], now: datetime) -> None:
        """Do what a policy decided; the cloud does what it is asked."""
        ends = [one for one in actions if one.verb in (Verb.DESTROY, Verb.FORGET) and one.case.id]
        self.record = self.record.with_tombstones(tombstone(one, Ending(one.cause), now) for one in ends)
        self.record = self.record.without_tombstones(one.case.id for one in actions if one.verb is Verb.ADOPT)
        for one in actions:
            self._do(one, now)

    def _do(self, action: Action, now: datetime) -> None:
        case = action.case
        if action.verb is Verb.ADOPT:
            assert case.vm is not None
            pilot = case.pilot or Pilot(case.key, case.vm.created or now, "found")
            self.record = self.record.including([replace(pilot, id=case.id)])
            self.state[case.key] = Instance(case.id)
        elif action.verb is Verb.UNTAINT:
            self.state[case.key] = replace(self.state[case.key], tainted=False)
        elif action.verb in (Verb.FORGET, Verb.DESTROY):
            self._end(action)

    def _end(self, action: Action) -> None:
        case = action.case
        if action.verb is Verb.DESTROY and case.id in self.vms and self.vms[case.id].state is not State.DELETED:
            self.vms[case.id] = replace(self.vms[case.id], state=State.DELETING)
        if action.cause is Cause.DUPLICATE:
            return
        if case.instance is not None:
            self.state.pop(case.key, None)
        if case.pilot is not None:
            self.record = self.record.without([case.key])

    def pass_time(self) -> None:
        """What boots runs, what goes is gone."""
        self.now += STEP
        gone = (State.DELETING, State.DELETED)
        self.vms = {key: one for key, one in self.vms.items() if one.state not in gone or key in STRANGERS}
        for key, one in self.vms.items():
            if one.state is State.BOOTING:
                self.vms[key] = replace(one, state=State.RUNNING)

    def disagreement(self) -> str:
        """What record, state and cloud do not agree on; "" where they are one."""
        wanted = {pilot.key: pilot.id for pilot in self.record.pilots.values()}
        state = {key: one.id for key, one in self.state.items() if not one.tainted}
        known = {node_id: key for key, node_id in wanted.items()}
        mine = [one for one in self.vms.values() if OWNER.owns(one) or (one.id in known and not one.claimed)]
        cloud = sorted((one.key or known[one.id], one.id) for one in mine)
        same = wanted == state == dict(cloud) and len(cloud) == len(wanted) and len(state) == len(self.state)
        return "" if same else f"record {wanted}, state {self.state}, cloud {cloud}"


def told(case: Case) -> str:
    """A case in a line."""
    held = [name for name in ("pilot", "instance", "vm", "stone") if getattr(case, name) is not None]
    return f"{case.key} {case.id or '-'} {case.condition.name} ({', '.join(held)})"
