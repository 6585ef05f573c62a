"""What the provider does with a queue's pilots, on the simulated cloud: no Terraform in it."""

from __future__ import annotations

import base64
import contextlib
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.claims import every
from tests.fakes import Broken, Crash, Effect, Empty, FakeCloud, Refused, ReplyLost, Sky, heard
from tfce.cloud.listing import Listing
from tfce.cloud.shape import Shape
from tfce.model.batches import halves
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch, timestamp
from tfce.model.reasons import Kind
from tfce.model.vm import Owner, State
from tfce.provider.pilots import ApplyOptions, ApplyOutcome, apply
from tfce.provider.refresh import refresh
from tfce.provider.run import Run

OWNER = Owner("site", "cloud.example.org", "long")
SHAPE = Shape(OWNER, "tfce-", "ami-1", "t3.micro")
KEYS = [f"{n:08X}" for n in range(1, 6)]
OLD = dict.fromkeys(KEYS, "2026-01-01T00:00:00Z")  # when they were asked for
ONE = ApplyOptions(parallelism=1)


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(Sky(tells_time=False))  # its clock is not the host's


@pytest.fixture
def contexts(tmp_path: Path) -> Path:
    for key in KEYS:
        (tmp_path / key).write_text(f"user data of {key}")
    return tmp_path


def run(
    cloud: FakeCloud,
    contexts: Path,
    wanted: list[str] = KEYS,
    known: dict[str, str] | None = None,
    options: ApplyOptions = ONE,
) -> ApplyOutcome:
    return apply(cloud, SHAPE, wanted, known or {}, contexts, options)


def living(cloud: FakeCloud) -> dict[str, str]:
    return {node.tags["tfce:key"]: node.id for node in cloud.sky.living()}


def test_each_wanted_pilot_gets_one_vm_with_its_own_user_data(cloud: FakeCloud, contexts: Path) -> None:
    outcome = run(cloud, contexts, options=ApplyOptions(parallelism=3))
    assert outcome.ids == living(cloud) and set(outcome.ids) == set(KEYS) and not outcome.refused
    assert {cloud.sky.user_data[outcome.ids[key]] for key in KEYS} == {f"user data of {key}" for key in KEYS}
    assert dict(cloud.calls) == {"DescribeInstances": 1, "RunInstances": 5}


def test_pilots_that_nobody_can_have_asked_for_are_not_searched_for(cloud: FakeCloud, contexts: Path) -> None:
    outcome = run(cloud, contexts, options=ApplyOptions(fresh=True))
    assert outcome.ids == living(cloud) and dict(cloud.calls) == {"RunInstances": 5}


def test_what_a_run_asks_once_it_searches_for_the_next_time() -> None:
    told = Run(lambda block: lambda: FakeCloud(Sky()), fresh=True)
    assert [told.options(0).fresh, told.options(0).fresh] == [True, False]


def test_nothing_to_do_asks_nothing(cloud: FakeCloud, contexts: Path) -> None:
    known = dict.fromkeys(KEYS, "i-1")
    assert run(cloud, contexts, known=known).ids == known and not cloud.calls


def test_vms_that_exist_are_taken_over(cloud: FakeCloud, contexts: Path) -> None:
    first = run(cloud, contexts, KEYS[:3])
    again = run(cloud, contexts)
    assert again.ids == living(cloud) and first.ids.items() <= again.ids.items()
    assert cloud.calls["RunInstances"] == 5


def test_another_installations_and_another_queues_vms_are_not_taken_over(cloud: FakeCloud, contexts: Path) -> None:
    for owner in (Owner("other", OWNER.ce, OWNER.queue), Owner("site", OWNER.ce, "short")):
        cloud.sky.add("tfce-x", {**owner.tags(), "tfce:key": KEYS[0]})
    outcome = run(cloud, contexts, KEYS[:1])
    assert cloud.sky.user_data[outcome.ids[KEYS[0]]] == f"user data of {KEYS[0]}"


def test_a_refused_pilot_stops_no_other(cloud: FakeCloud, contexts: Path) -> None:
    cloud.sky.at("create", Refused("InstanceLimitExceeded: full"), nth=2)
    outcome = run(cloud, contexts)
    assert outcome.refused == {KEYS[1]: heard("InstanceLimitExceeded: full")}
    assert outcome.ids == living(cloud) and len(outcome.ids) == 4


def test_a_lost_reply_is_found_out_about_and_not_repeated(cloud: FakeCloud, contexts: Path) -> None:
    cloud.sky.at("create", ReplyLost(), nth=2)
    outcome = run(cloud, contexts)
    assert outcome.ids == living(cloud) and len(outcome.ids) == 5 and not outcome.refused
    assert dict(cloud.calls) == {"DescribeInstances": 2, "RunInstances": 5}


def test_throttling_is_waited_for_but_not_for_ever(cloud: FakeCloud, contexts: Path) -> None:
    cloud.sky.at("create", Refused("RequestLimitExceeded: slow down"))
    assert set(run(cloud, contexts, options=ApplyOptions(1, retries=1)).ids) == set(KEYS)
    assert cloud.calls["RunInstances"] == 6
    cloud.sky.at("create", Refused("RequestLimitExceeded: slow down"), times=9)
    (contexts / "0000000A").write_text("x")
    outcome = run(cloud, contexts, ["0000000A"], options=ApplyOptions(1, retries=0))
    assert "slow down" in str(outcome.refused["0000000A"])


def test_a_stop_ends_the_asking_and_keeps_what_is_there(cloud: FakeCloud, contexts: Path) -> None:
    options = ApplyOptions(parallelism=1)
    cloud.sky.at("created", options.stop.set, nth=2)
    outcome = run(cloud, contexts, options=options)
    assert outcome.ids == living(cloud) and len(outcome.ids) == 2
    assert {reason.kind for reason in outcome.refused.values()} == {Kind.STOPPED} and len(outcome.refused) == 3


def test_a_cloud_without_a_list_changes_nothing(cloud: FakeCloud, contexts: Path) -> None:
    cloud.sky.down = "no route"
    with pytest.raises(CloudError):
        run(cloud, contexts)
    assert not cloud.sky.vms


def test_a_pilot_is_started_once_only(cloud: FakeCloud, contexts: Path) -> None:
    node = run(cloud, contexts, KEYS[:1]).ids[KEYS[0]]
    cloud.sky.set(node, State.DELETED)
    outcome = run(cloud, contexts, KEYS[:1])
    assert not outcome.ids and "once only" in str(outcome.refused[KEYS[0]])


def test_without_user_data_no_vm_is_made(cloud: FakeCloud, tmp_path: Path) -> None:
    outcome = run(cloud, tmp_path, KEYS[:1])
    assert not cloud.sky.vms and "tfce submit" in str(outcome.refused[KEYS[0]])


def test_a_failed_vm_is_reported_with_its_fault_and_no_second_is_made(cloud: FakeCloud, contexts: Path) -> None:
    cloud.sky.at("create", Broken("No valid host was found"))
    cloud.sky.at("created", Crash())
    with pytest.raises(Crash):
        run(cloud, contexts, KEYS[:1])
    assert run(cloud, contexts, KEYS[:1]).refused == {KEYS[0]: heard("No valid host was found")}
    assert len(cloud.sky.vms) == 1


def test_a_dismissed_pilot_is_kept_while_its_vm_lives(cloud: FakeCloud, contexts: Path) -> None:
    known = run(cloud, contexts).ids
    outcome = run(cloud, contexts, KEYS[1:], known)
    assert outcome.ids == known and set(outcome.kept) == {KEYS[0]}
    cloud.sky.set(known[KEYS[0]], State.DELETED)
    outcome = run(cloud, contexts, KEYS[1:], known)
    assert set(outcome.ids) == set(KEYS[1:]) and not outcome.kept and cloud.calls["RunInstances"] == 5


def test_a_run_about_some_leaves_all_others_alone(cloud: FakeCloud, contexts: Path) -> None:
    known = run(cloud, contexts, KEYS[:2]).ids
    outcome = run(cloud, contexts, KEYS[1:], known, ApplyOptions(1, only=frozenset(KEYS[2:3])))
    assert set(outcome.ids) == set(KEYS[:3]) and not outcome.refused and not outcome.kept


def test_an_adoption_makes_nothing(cloud: FakeCloud, contexts: Path) -> None:
    ids = run(cloud, contexts, KEYS[:2]).ids
    outcome = run(cloud, contexts, KEYS[:3], options=ApplyOptions(make=False))
    assert outcome.ids == ids and set(outcome.refused) == {KEYS[2]}


def test_an_echo_of_user_data_is_not_repeated(cloud: FakeCloud, contexts: Path) -> None:
    secret = base64.b64encode(b"-----BEGIN PROXY----- and so on, for more than sixty characters").decode()
    cloud.sky.at("create", Refused(f"Invalid input for user_data. Value: {secret} is too long"))
    reason = str(run(cloud, contexts, KEYS[:1]).refused[KEYS[0]])
    assert secret[:60] not in reason and "is too long" in reason


@pytest.mark.parametrize("seed", range(20))
def test_whatever_kills_a_run_the_next_ends_with_exactly_the_wanted(
    cloud: FakeCloud, contexts: Path, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(3):
        step = chance.choice(["create", "created", "list"])
        faults: list[Effect] = [Crash(), ReplyLost(), Refused("quota")]
        cloud.sky.at(step, chance.choice(faults), nth=chance.randint(1, 5))
        with contextlib.suppress(Crash, CloudError):
            run(cloud, contexts, options=ApplyOptions(1, retries=0))
        cloud.sky._planned.clear()
    outcome = run(cloud, contexts)
    assert outcome.ids == living(cloud) and len(cloud.sky.vms) == len(KEYS)


# -- batches -----------------------------------------------------------------------------------------------

BATCH = Batch("3FA2C0D1", 5)


@pytest.fixture
def together(tmp_path: Path) -> Path:
    (tmp_path / BATCH.label).write_text("user data of all")
    return tmp_path


def test_a_batch_is_one_call(cloud: FakeCloud, together: Path) -> None:
    outcome = run(cloud, together, [*BATCH.keys])
    assert outcome.ids == living(cloud) and set(outcome.ids) == set(BATCH.keys) and not outcome.refused
    assert {cloud.sky.user_data[node] for node in outcome.ids.values()} == {"user data of all"}
    assert dict(cloud.calls) == {"DescribeInstances": 1, "RunInstances": 1}


def test_batches_and_single_pilots_in_one_run(cloud: FakeCloud, contexts: Path, together: Path) -> None:
    outcome = run(cloud, together, [*BATCH.keys, *KEYS], options=ApplyOptions(parallelism=3))
    assert outcome.ids == living(cloud) and len(outcome.ids) == 10
    assert dict(cloud.calls) == {"DescribeInstances": 1, "RunInstances": 6}


def test_what_is_granted_of_a_batch_stays_and_the_rest_is_refused(cloud: FakeCloud, together: Path) -> None:
    cloud.sky.quota = 3
    outcome = run(cloud, together, [*BATCH.keys])
    assert list(outcome.ids) == [*BATCH.keys[:3]] and [*outcome.refused] == [*BATCH.keys[3:]]
    assert every("granted 3 of 5" in str(reason) and reason.no_room for reason in outcome.refused.values())
    again = run(cloud, together, [*BATCH.keys], outcome.ids)
    assert again.ids == outcome.ids and "once only" in str(again.refused[BATCH.keys[3]])
    assert cloud.calls["RunInstances"] == 1


def test_a_refused_batch_refuses_each_of_its_pilots_with_the_reason(cloud: FakeCloud, together: Path) -> None:
    cloud.sky.at("create", Refused("InstanceLimitExceeded: full"))
    outcome = run(cloud, together, [*BATCH.keys])
    assert outcome.refused == dict.fromkeys(BATCH.keys, heard("InstanceLimitExceeded: full")) and not outcome.ids


def test_a_batch_that_failed_at_once_is_reported_with_its_fault(cloud: FakeCloud, together: Path) -> None:
    cloud.sky.at("create", Broken("No valid host was found."))
    assert run(cloud, together, [*BATCH.keys]).refused == dict.fromkeys(
        BATCH.keys, heard("No valid host was found.")
    )


def test_a_batchs_lost_reply_is_found_out_about_and_not_repeated(cloud: FakeCloud, together: Path) -> None:
    cloud.sky.at("create", ReplyLost())
    outcome = run(cloud, together, [*BATCH.keys])
    assert outcome.ids == living(cloud) and len(outcome.ids) == 5 and not outcome.refused
    assert dict(cloud.calls) == {"DescribeInstances": 2, "RunInstances": 1}


def several(folder: Path) -> list[Batch]:
    batches = [Batch(f"3FA2C0D{number}", 5) for number in range(3)]
    for batch in batches:
        (folder / batch.label).write_text("user data")
    return batches


def test_what_mute_calls_made_is_found_in_one_list(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.sky.mute, cloud.sky.quota = True, 13
    wanted = [key for batch in several(tmp_path) for key in batch.keys]
    outcome = run(cloud, tmp_path, wanted, options=ApplyOptions(parallelism=1, fresh=True))
    assert outcome.ids == living(cloud) and len(outcome.ids) == 13
    assert {reason.kind for reason in outcome.refused.values()} == {Kind.NOT_GRANTED} and len(outcome.refused) == 2
    assert dict(cloud.calls) == {"RunInstances": 3, "DescribeInstances": 1}


def test_mute_calls_whose_list_fails_are_looked_for_again(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.sky.mute = True
    cloud.sky.at("granted", Refused("InternalError: come back"))
    wanted = [key for batch in several(tmp_path) for key in batch.keys]
    outcome = run(cloud, tmp_path, wanted, options=ApplyOptions(parallelism=1, fresh=True))
    assert outcome.ids == living(cloud) and len(outcome.ids) == 15 and not outcome.refused
    assert dict(cloud.calls) == {"RunInstances": 3, "DescribeInstances": 1}


def test_a_batchs_vms_that_exist_are_taken_over_also_without_user_data(cloud: FakeCloud, together: Path) -> None:
    cloud.sky.at("created", Crash())
    with pytest.raises(Crash):
        run(cloud, together, [*BATCH.keys])
    (together / BATCH.label).unlink()
    assert run(cloud, together, [*BATCH.keys], options=ApplyOptions(make=False)).ids == living(cloud)
    assert len(cloud.sky.vms) == 5


def test_a_batch_of_which_a_pilot_is_no_longer_wanted_is_not_started(cloud: FakeCloud, together: Path) -> None:
    outcome = run(cloud, together, [*BATCH.keys[1:]])
    assert not cloud.sky.vms and set(outcome.refused) == set(BATCH.keys[1:])


@pytest.mark.parametrize("room", [0, 1, 37, 60, 99, 100])
def test_batches_that_halve_one_another_use_all_the_room(cloud: FakeCloud, tmp_path: Path, room: int) -> None:
    batches = [Batch(f"{number:08X}", size) for number, size in enumerate(halves(100, 100), 0x3FA2C0D1)]
    for batch in batches:
        (tmp_path / batch.label).write_text(f"user data of {batch.name}")
    cloud.sky.quota, cloud.sky.whole = room, True
    wanted = [key for batch in batches for key in batch.keys]
    outcome = run(cloud, tmp_path, wanted, options=ApplyOptions(parallelism=10, retries=0))
    assert len(outcome.ids) == room and outcome.ids == living(cloud)
    assert len(outcome.refused) == 100 - room
    assert not [reason for reason in outcome.refused.values() if not reason.no_room]
    assert cloud.calls["RunInstances"] == len(batches) <= 7
    for batch in batches:  # each VM knows which one it is
        data = {cloud.sky.user_data[outcome.ids[key]] for key in batch.keys if key in outcome.ids}
        assert data <= {f"user data of {batch.name}"}


# -- refresh -----------------------------------------------------------------------------------------------


def test_a_refresh_is_one_list_and_tells_each_end_apart(cloud: FakeCloud, contexts: Path) -> None:
    ids = run(cloud, contexts).ids
    cloud.calls.clear()
    assert refresh(cloud, OWNER, OLD, ids).notes == {} and dict(cloud.calls) == {"DescribeInstances": 1}
    cloud.sky.stop(ids[KEYS[0]])
    cloud.sky.set(ids[KEYS[1]], State.FAILED, "disk full")
    cloud.sky.set(ids[KEYS[2]], State.DELETED)
    cloud.sky.vanish(ids[KEYS[3]])
    seen = refresh(cloud, OWNER, OLD, ids)
    assert sorted(seen.gone) == KEYS[2:4] and set(seen.notes) == set(KEYS[:4])
    assert "stopped" in seen.notes[KEYS[0]] and "disk full" in seen.notes[KEYS[1]]
    assert "vanished" in seen.notes[KEYS[3]]


@pytest.mark.parametrize("why", ["young", "clocks", "silent"])
def test_a_refresh_forgets_nobody_of_whom_the_cloud_cannot_know(
    cloud: FakeCloud, contexts: Path, why: str
) -> None:
    ids = run(cloud, contexts).ids
    cloud.sky.vanish(ids[KEYS[0]])  # a list and a look-up lag behind a creation
    cloud.sky.tells_time = why == "clocks"
    if why == "silent":
        cloud.sky.at("node", CloudError("no answer", "unreachable"))
    young = dict.fromkeys(KEYS, timestamp(datetime.now(UTC)))
    seen = refresh(cloud, OWNER, young if why == "young" else OLD, ids)
    assert seen.gone == [] and "did not say that it is gone" in seen.notes[KEYS[0]]


@pytest.mark.parametrize("shown", [True, False])
def test_a_dismissed_pilot_that_no_list_shows_is_not_forgotten(
    cloud: FakeCloud, contexts: Path, shown: bool
) -> None:
    known = run(cloud, contexts).ids
    cloud.sky.hidden = {known[KEYS[0]]}
    if not shown:
        cloud.sky.at("node", CloudError("no answer", "unreachable"))
    outcome = run(cloud, contexts, KEYS[1:], known)
    assert outcome.ids == known and set(outcome.kept) == {KEYS[0]}


def test_an_apply_by_hand_makes_nothing_beside_a_list_with_gaps(cloud: FakeCloud, contexts: Path) -> None:
    cloud.vms = lambda *owners: Listing(complete=False)  # type: ignore[method-assign]
    assert "not complete" in str(run(cloud, contexts, KEYS[:1]).refused[KEYS[0]])
    outcome = run(cloud, contexts, KEYS[:1], options=ApplyOptions(1, only=frozenset(KEYS[:1])))
    assert set(outcome.ids) == set(KEYS[:1])  # it is new: no VM can have it yet


def test_an_empty_list_is_not_believed(cloud: FakeCloud, contexts: Path) -> None:
    ids = run(cloud, contexts).ids
    cloud.sky.at("list", Empty())
    seen = refresh(cloud, OWNER, OLD, ids)
    assert seen.gone == [] and "not believed" in seen.notes["*"]


def test_a_refresh_of_a_cloud_that_is_away_raises(cloud: FakeCloud) -> None:
    cloud.sky.down = "no route"
    with pytest.raises(CloudError):
        refresh(cloud, OWNER, OLD, {KEYS[0]: "i-1"})
