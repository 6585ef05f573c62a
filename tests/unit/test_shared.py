"""One list for the queues of a login: how old it may be, whom it serves, and what a write does to it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes import FakeCloud, Sky
from tests.unit.conftest import MakeQueue
from tfce.cloud.listing import Listing
from tfce.cloud.shared import Lists, Sharing, lists
from tfce.config.credentials import Credentials
from tfce.model.errors import CloudError
from tfce.model.vm import Owner

QUEUES = [Owner("here", "ce.example.org", f"queue{number}") for number in range(20)]
FIRST, SECOND = QUEUES[:2]


class Seconds:
    """A clock in seconds that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def known(seconds: Seconds) -> Lists:
    return Lists(seconds)


@pytest.fixture
def sky() -> Sky:
    """A VM of each queue."""
    made = Sky()
    for owner in QUEUES:
        made.add(f"vm-{owner.queue}", {**owner.tags(), "tfce:key": "0000000A"})
    return made


@pytest.fixture
def cloud(sky: Sky) -> FakeCloud:
    return FakeCloud(sky)


def asked(cloud: FakeCloud) -> int:
    return cloud.calls["DescribeInstances"]


def names(listing: Listing) -> list[str]:
    return [vm.name for vm in listing]


def test_twenty_queues_cost_one_list_once_all_are_known(known: Lists, cloud: FakeCloud, seconds: Seconds) -> None:
    for owner in QUEUES:
        assert names(known.vms(cloud, owner, 5)) == [f"vm-{owner.queue}"]
    seconds.now += 6
    before = asked(cloud)
    for owner in QUEUES:
        assert names(known.vms(cloud, owner, 5)) == [f"vm-{owner.queue}"]
    assert asked(cloud) == before + 1


def test_a_single_queue_asks_for_nothing_of_the_others(known: Lists, cloud: FakeCloud) -> None:
    seen: list[tuple[Owner, ...]] = []

    class Narrow(FakeCloud):
        def vms(self, *owners: Owner) -> Listing:
            seen.append(owners)
            return super().vms(*owners)

    known.vms(Narrow(cloud.sky), FIRST, 5)
    assert seen == [(FIRST,)]


def test_it_is_never_older_than_said(known: Lists, cloud: FakeCloud, seconds: Seconds) -> None:
    for pause, calls in ((0, 1), (4.9, 1), (0.1, 2), (5.1, 3)):
        seconds.now += pause
        known.vms(cloud, FIRST, 5)
        assert asked(cloud) == calls


def test_who_wrote_gets_a_new_one_and_the_others_need_none(
    known: Lists, cloud: FakeCloud, seconds: Seconds
) -> None:
    for owner in (FIRST, SECOND, FIRST):
        known.vms(cloud, owner, 5)
    before = asked(cloud)
    with known.writing(FIRST):
        known.vms(cloud, SECOND, 5)
        assert asked(cloud) == before
        known.vms(cloud, FIRST, 5)  # meanwhile: a new one each time
        known.vms(cloud, FIRST, 5)
        assert asked(cloud) == before + 2
    seconds.now += 0.1
    known.vms(cloud, FIRST, 5)
    assert asked(cloud) == before + 3
    known.vms(cloud, FIRST, 5)
    known.vms(cloud, SECOND, 5)
    assert asked(cloud) == before + 3


def test_a_list_that_began_before_a_write_does_not_serve_after_it(
    known: Lists, sky: Sky, cloud: FakeCloud, seconds: Seconds
) -> None:
    def write() -> None:
        with known.writing(FIRST):
            seconds.now += 0.1

    sky.at("list", write)
    known.vms(cloud, FIRST, 5)
    known.vms(cloud, FIRST, 5)
    assert asked(cloud) == 2


def test_who_asks_meanwhile_gets_the_same_list_or_the_same_error(known: Lists, sky: Sky, seconds: Seconds) -> None:
    for owner in QUEUES:  # all are known
        known.vms(FakeCloud(sky), owner, 0)
    for effect in (None, CloudError("it is down", "unreachable")):
        begun, go_on = threading.Event(), threading.Event()

        def hold(begun: threading.Event = begun, go_on: threading.Event = go_on, effect: object = effect) -> None:
            begun.set()
            assert go_on.wait(20)
            if isinstance(effect, Exception):
                raise effect

        sky.at("list", hold)
        clouds = [FakeCloud(sky) for _ in QUEUES]
        with ThreadPoolExecutor(len(QUEUES)) as pool:
            seconds.now += 2
            first = pool.submit(known.vms, clouds[0], QUEUES[0], 1)
            assert begun.wait(20)
            others = [pool.submit(known.vms, *one, 1) for one in zip(clouds[1:], QUEUES[1:], strict=True)]
            go_on.set()
            errors = [one.exception(20) for one in (first, *others)]
        assert errors[0] is effect
        assert sum(map(asked, clouds)) <= 2  # one that came after an error asks again


def test_an_error_is_not_kept(known: Lists, sky: Sky, cloud: FakeCloud) -> None:
    sky.at("list", CloudError("it is down", "unreachable"))
    with pytest.raises(CloudError, match="it is down"):
        known.vms(cloud, FIRST, 5)
    assert names(known.vms(cloud, FIRST, 5)) == [f"vm-{FIRST.queue}"]


def test_the_clouds_clock_goes_on_and_a_doubtful_list_stays_one(known: Lists, seconds: Seconds, sky: Sky) -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC)

    class Dated(FakeCloud):
        def vms(self, *owners: Owner) -> Listing:
            return Listing(super().vms(*owners), complete=False, cloud_time=then)

    cloud = Dated(sky)
    assert known.vms(cloud, FIRST, 5).cloud_time == then
    seconds.now += 3
    again = known.vms(cloud, FIRST, 5)
    assert again.cloud_time == then + timedelta(seconds=3) and not again.complete and asked(cloud) == 1


def test_all_but_the_list_is_the_clouds_own(known: Lists, cloud: FakeCloud) -> None:
    sharing = Sharing(cloud, known, 5)
    assert sharing.vm("i-00000001") is not None and sharing.calls is cloud.calls


def test_only_the_same_login_shares(make_queue: MakeQueue) -> None:
    here = make_queue(Driver_host="one.example.org").endpoint
    mine = lists(here, Credentials("k", "s"))
    assert lists(make_queue(Driver_host="one.example.org").endpoint, Credentials("k", "s")) is mine
    others = [
        lists(here, Credentials("k", "t")),
        lists(here, Credentials("l", "s")),
        lists(make_queue(Driver_host="two.example.org").endpoint, Credentials("k", "s")),
    ]
    assert mine not in others
