"""The charter's laws, proved by walking every small world (``tests.worlds``)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.drawn import some
from tests.worlds import ALIVE, KEY, RULES, STRANGERS, Toy, World, snapshot, told, vm, walk
from tfce.model.policy import Action, Verb, occupancy, plan, settle, sweep, word
from tfce.model.reconcile import Case, Condition, Snapshot, reconcile
from tfce.model.vm import State
from tfce.pilots import audit

LEAST = 100_000  # worlds: the walk cannot become an empty one unseen
SHARE = 0.2  # of them in `make test`


@dataclass(frozen=True)
class Seen:
    """A world and what the model makes of it."""

    world: World
    snapshot: Snapshot
    cases: list[Case]
    swept: list[Action]
    settled: list[Action]

    @property
    def actions(self) -> list[Action]:
        return self.swept + self.settled


def judged(world: World) -> Seen:
    view = snapshot(world)
    cases = reconcile(view)
    return Seen(world, view, cases, plan(cases, sweep, view.clocks), plan(cases, settle, view.clocks))


# -- what may be, told from the world alone --------------------------------------------------------------------


def truth(world: World, node_id: str) -> State | None:
    return next((state for one, state, _ in world.vms if one == node_id), None)


def dismissed(world: World, node_id: str) -> bool:
    return (node_id, "asked") in world.stones or (node_id, "accepted") in world.stones


def well(world: World) -> bool:
    """Whether the clocks agree, as far as anybody can tell."""
    return world.clocks in ("agree", "unknown")


def older(seen: Seen, node_id: str, seconds: int) -> bool:
    """Whether every clock that speaks of a VM says that it is older, and the clocks agree."""
    view = seen.snapshot
    pilot = view.record.pilots.get(KEY)
    times = [(view.clocks.host, pilot.requested_at)] if pilot else []
    created = next((one.created for one in view.inventory.vms if one.id == node_id), None)
    found = view.looked_up.get(node_id)
    created = created or (found.created if found else None)
    times += [(view.clocks.cloud or view.clocks.host, created)] if created else []
    ages = [(now - then).total_seconds() for now, then in times]
    return well(seen.world) and bool(ages) and min(ages) > seconds


def rightly_ended(seen: Seen, node_id: str) -> bool:
    """Whether a VM that lives may be destroyed."""
    world = seen.world
    confirmed = world.clocks != "unknown"  # one clock alone ends nothing that runs
    if dismissed(world, node_id) or (confirmed and older(seen, node_id, RULES.max_lifetime)):
        return True
    if truth(world, node_id) is State.BOOTING and older(seen, node_id, RULES.create_timeout):
        return True
    held = world.state[0] if world.state else ""
    return held not in ("", node_id) and world.shown(held) in ALIVE


def grown(world: World) -> bool:
    """Whether the pilot is old enough to be listed."""
    return well(world) and (world.pilot is None or world.pilot[1] != "young")


def said_gone(world: World, node_id: str) -> bool:
    """Whether the cloud's own word about this id is enough to believe that it is gone."""
    if world.shown(node_id) is State.DELETED:
        return True
    settled = any(one == node_id and what != "asked" for one, what in world.stones)
    if world.answer == "lists" and not (settled or expected(world, node_id)):
        return False
    return world.denied(node_id) and (settled or (grown(world) and not blind(world)))


def expected(world: World, node_id: str) -> bool:
    """Whether an end was to be expected: somebody decided it, the pilot is older than any may become, or no record
    wants it."""
    old = world.pilot is not None and world.pilot[1] == "overdue" and well(world)
    return old or world.pilot is None or dismissed(world, node_id)


def blind(world: World) -> bool:
    """Whether the cloud knows none of several: that is not believed at once."""
    mine = any(world.shown(one) not in (None, State.DELETED) for one, _, _ in world.vms)
    return world.company == "sibling unseen" and bool(world.known) and not mine


# -- the laws: each yields what breaks it ----------------------------------------------------------------------


def law_a_no_living_vm_is_ended_without_cause(seen: Seen) -> Iterator[str]:
    for action in seen.actions:
        if action.verb is not Verb.DESTROY or truth(seen.world, action.case.id) not in ALIVE:
            continue
        if not rightly_ended(seen, action.case.id):
            yield f"{action.case.id} lives and is destroyed as {action.cause}"


def law_b_nothing_goes_because_a_list_lacks_it(seen: Seen) -> Iterator[str]:
    world = seen.world
    for action in seen.actions:
        case = action.case
        if action.verb is Verb.DESTROY and seen.world.shown(case.id) is None and case.key == KEY:
            yield f"{case.id} is destroyed unseen"
        if action.verb is Verb.FORGET and case.key == KEY:
            if case.pilot is not None and case.pilot.id not in ("", case.id):
                yield f"the pilot of {case.pilot.id} is forgotten because of {case.id}"
            theirs = world.tags == "elsewhere" and case.pilot is None  # only our state goes
            if case.id and not theirs and not said_gone(world, case.id):
                yield f"{case.id} is forgotten, and the cloud did not say that it is gone"
            if not case.id and not world.complete and not grown(world):
                yield "a pilot without an id is forgotten because a partial list lacks it"


def law_c_deleted_is_the_clouds_own_word(seen: Seen) -> Iterator[str]:
    for case in seen.cases:
        if case.key != KEY or word(case) != State.DELETED.value:
            continue
        if seen.world.shown(case.id) not in (None, State.DELETED):
            yield f"{case.id} is shown to live, and a poll says Deleted"
        if not said_gone(seen.world, case.id):
            yield f"a poll says Deleted of {case.id}, the cloud did not"


def law_d_strangers_are_not_touched(seen: Seen) -> Iterator[str]:
    if seen.world.company != "strangers":
        return
    if any(action.case.id in STRANGERS for action in seen.actions):
        yield "a stranger is acted on"
    alone = reconcile(snapshot(seen.world._replace(company="alone")))
    if [case for case in seen.cases if case.condition is not Condition.FOREIGN] != alone:
        yield "a stranger changes what our own are"
    if occupancy(seen.cases) != occupancy(alone):
        yield "a stranger takes room"


def law_d_a_vm_with_anothers_tags_is_not_touched(seen: Seen) -> Iterator[str]:
    if seen.world.tags != "elsewhere":
        return
    for action in seen.actions:
        if action.verb in (Verb.DESTROY, Verb.ADOPT, Verb.UNTAINT):
            yield f"{action.case.id} has another installation's tags: {action.verb}"


def law_e_listed_twice_is_listed_once(seen: Seen) -> Iterator[str]:
    inventory = seen.snapshot.inventory
    twice = replace(seen.snapshot, inventory=replace(inventory, vms=(*inventory.vms, *inventory.vms[::-1])))
    if inventory.vms and reconcile(twice) != seen.cases:
        yield "a list that shows each VM twice changes the cases"


def law_every_pilot_and_vm_is_one_case(seen: Seen) -> Iterator[str]:
    named = Counter(case.id for case in seen.cases if case.id and case.condition is not Condition.FOREIGN)
    for node_id, count in named.items():
        if count > 1:
            yield f"{node_id} is {count} cases"
    living = {one for one, state, _ in seen.world.vms if state is not State.DELETED and seen.world.shown(one)}
    held = seen.world.state[0] if seen.world.state else ""
    # The id of a pilot whose VM is not seen, while the state's lives: that one is the pilot's from now on.
    known = {held} if seen.world.shown(held) in ALIVE else seen.world.known
    if seen.world.tags != "ours":
        living = set()
    for node_id in (living | known) - {"", *named}:
        yield f"{node_id} is no case"
    if seen.world.pilot and sum(case.pilot is not None for case in seen.cases if case.key == KEY) != 1:
        yield "the pilot is not in exactly one case"


def law_h_a_dismissed_vm_ends_when_it_is_seen(seen: Seen) -> Iterator[str]:
    ends = {action.case.id for action in seen.swept if action.verb is Verb.DESTROY}
    for node_id, state, _ in seen.world.vms if seen.world.tags != "elsewhere" else ():
        if dismissed(seen.world, node_id) and state in ALIVE and seen.world.shown(node_id) and node_id not in ends:
            yield f"{node_id} was dismissed, is seen, and goes on"


def law_i_an_audit_shows_what_a_sweep_acts_on(seen: Seen) -> Iterator[str]:
    acts = {id(action.case): action for action in seen.swept}
    for case in seen.cases:
        if case.condition is Condition.FOREIGN:
            continue
        row = audit.row_of(case, "c/q", acts.get(id(case)))
        if id(case) in acts and not row.cure:
            yield f"{case.id} is acted on, and an audit says that it is well: {row.verdict}"
        if "tfce reap" in row.cure and id(case) not in acts:
            yield f"{case.id} is {row.verdict} ({row.cure}), and no sweep does anything"


LAWS = tuple(value for name, value in list(globals().items()) if name.startswith("law_"))


def explained(world: World, broken: str) -> str:
    seen = judged(world)
    cases = "\n  ".join(map(told, seen.cases))
    did = "\n  ".join(f"{one.verb.name} {one.case.id or '-'} {one.cause or ''}" for one in seen.swept)
    return f"{broken}\n {world}\n cases:\n  {cases}\n a sweep does:\n  {did}"


# -- living on -------------------------------------------------------------------------------------------------


def repeats(seen: Seen, toy: Toy) -> Iterator[str]:
    """Applying a plan and judging again ends no further VM that lives, but for what was in doubt until now."""
    doubtful = {case.id for case in seen.cases if case.condition is Condition.DOUBTFUL}
    view = toy.view()
    for action in plan(reconcile(view), sweep, view.clocks):
        living = action.verb is Verb.DESTROY and toy.vms[action.case.id].state in ALIVE
        if living and action.case.id not in doubtful:
            yield f"after all was done, {action.case.id} is destroyed as {action.cause}"


def settles(toy: Toy) -> Iterator[str]:
    """Two cycles on a healthy cloud, and record, state and cloud are one: nothing is left to do."""
    toy.heal()
    did = [toy.cycle(), toy.cycle()]
    view = toy.view()
    left = [f"{one.verb.name} {told(one.case)}" for one in plan(reconcile(view), sweep, view.clocks)]
    if left:
        yield f"after two cycles there is still to do: {left}; they did {[[a.verb.name for a in d] for d in did]}"
    if toy.disagreement():
        yield f"after two cycles: {toy.disagreement()}; they did {[[a.verb.name for a in d] for d in did]}"


def afterwards(seen: Seen, lives: set[str]) -> Iterator[tuple[str, str]]:
    """What is wrong once a sweep did what it decided, law by law; of lives that go on alike, one is lived."""
    world, toy = seen.world, Toy.of(seen.world, seen.snapshot)
    toy.apply(seen.swept, world.host)
    if toy.fingerprint in lives:
        return
    lives.add(toy.fingerprint)
    # Whether the next look knows more: another clock, or what no list showed.
    same = world.clocks == "agree" and world.complete and not world.hidden and world.answer != "denied"
    if same:
        yield from (("law_g_once_is_enough", why) for why in repeats(seen, toy))
    if world.tags == "elsewhere":
        return  # somebody else gave the pilot's VM other tags: that is not tfce's to put right
    yield from (("law_f_rest_within_two_cycles", why) for why in settles(toy))


def test_every_small_world_keeps_the_laws() -> None:
    broken: Counter[str] = Counter()
    first: dict[str, str] = {}
    lives: set[str] = set()
    worlds = list(walk())
    assert len(worlds) >= LEAST, f"only {len(worlds)} worlds: what is walked shrank"
    walked = some(worlds, SHARE, "worlds")
    for world in walked:
        seen = judged(world)
        found = [(law.__name__, why) for law in LAWS for why in law(seen)]
        for name, why in (*found, *afterwards(seen, lives)):
            broken[name] += 1
            first.setdefault(name, explained(world, why))
    print(f"{len(walked)} worlds, {len(lives)} different ways on, {len(LAWS) + 2} laws")
    assert len(lives) >= len(walked) // 20
    if broken:
        told_all = (f"{law}: broken in {count} worlds, first: {first[law]}" for law, count in broken.items())
        pytest.fail("\n\n".join(told_all), pytrace=False)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(State, 2)))
def test_a_vm_that_is_listed_in_two_states_is_in_the_livelier(one: State, other: State) -> None:
    world = World(("i-1", "grown"), ("i-1", False))
    view = snapshot(world)

    def judge(*states: State) -> list[Case]:
        vms = tuple(vm("i-1", state, "grown") for state in states)
        return reconcile(replace(view, inventory=replace(view.inventory, vms=vms)))

    assert judge(one, other) == judge(other, one)
    (case,) = judge(one, other)
    assert case in (judge(one) + judge(other))
    if State.DELETED in (one, other):
        assert word(case) != "Deleted"
    if State.RUNNING in (one, other):
        assert case.condition is Condition.HEALTHY
