"""How many lists the queues of one login ask for in a cycle, and whose list serves whom."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.claims import every
from tests.rigs.smallstack import SmallStack
from tests.unit.conftest import MakeQueue, serving
from tfce.app import assemble, expect
from tfce.cloud import shared
from tfce.cloud.listing import Listing
from tfce.cloud.shared import SharedLists
from tfce.config.capabilities import Capabilities
from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.model.vm import VM, Owner, State

MOST = 100


class Counting:
    """A cloud that filters for ``most`` queues, and counts its lists; with one VM of the first queue."""

    def __init__(self, most: int | None = MOST) -> None:
        self.capabilities = Capabilities(list_owners=most)
        self.lists, self.largest = 0, 0
        self.everything = Listing([VM("i-1", "n", State.RUNNING, "running", None, owner(0).tags() | KEY)])

    def everyone(self) -> Listing:
        assert self.capabilities.list_owners is None
        self.lists += 1
        return self.everything

    def vms(self, *owners: Owner) -> Listing:
        assert self.capabilities.list_owners is not None
        self.lists += 1
        self.largest = max(self.largest, len(owners))
        return self.everything.of_queues(owners)

    def part(self, found: Listing, owner: Owner) -> Listing:
        return found.of_queues([owner])


KEY = {"tfce:key": "0000000A"}


def owner(number: int) -> Owner:
    return Owner("site", "ce", f"q{number}")


class Login:
    """The lists of one login to a cloud."""

    def __init__(self, most: int | None = MOST) -> None:
        self.now, self.cloud = 0.0, Counting(most)
        self.lists = SharedLists(lambda: self.now)

    def ask(self, number: int, seconds: float = 5) -> list[str]:
        """The VMs that a queue gets to see."""
        self.now += 0.001
        return [vm.id for vm in self.lists.vms(self.cloud, owner(number), seconds)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("queues", "most"), [(1, 1), (20, 1), (100, 1), (101, 2), (150, 2), (350, 4)])
@pytest.mark.parametrize("expected", [True, False])
@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize("times", [1, 2])
def test_a_cycle_of_many_queues_takes_few_lists(
    queues: int, most: int, expected: bool, filters: bool, times: int
) -> None:
    login, chance = Login(MOST if filters else None), random.Random(queues)
    for cycle in range(3):
        login.cloud.lists = 0
        if expected:
            for number in range(queues):
                login.lists.expect(owner(number).any_installation)
        order = [number for number in range(queues) for _ in range(times)]
        chance.shuffle(order)
        assert every(login.ask(number) == (["i-1"] if number == 0 else []) for number in order)
        unknown = filters and not expected and not cycle  # nobody has said yet who will ask
        assert login.cloud.lists <= (queues if unknown else most if filters else 1)
        login.now += 120
    assert login.cloud.largest <= MOST


@pytest.mark.parametrize("most", [MOST, None])
def test_no_list_is_older_than_asked_for_nor_from_before_an_own_write(most: int | None) -> None:
    login = Login(most)
    for number in (0, 1):
        login.lists.expect(owner(number))
    asked = [login.cloud.lists for number in (0, 1) if login.ask(number) is not None]
    assert asked == [1, 1]
    with login.lists.writing(owner(1)):
        login.ask(0)
        assert login.cloud.lists == 1
        login.ask(1)  # meanwhile
        assert login.cloud.lists == 2
    login.ask(1)
    assert login.cloud.lists == 3
    login.ask(1)
    login.ask(0)
    assert login.cloud.lists == 3
    login.ask(0, 0)
    assert login.cloud.lists == 4
    login.now += 5
    login.ask(1)
    assert login.cloud.lists == 5


def test_who_asks_no_more_is_asked_for_no_more() -> None:
    login = Login()
    for number in range(30):
        login.lists.expect(owner(number))
    login.now += 3600
    login.ask(0)
    assert login.cloud.largest == 1


@pytest.mark.parametrize("driver", [{"region": "eu-west-1"}, {"host": "ec2.example.org"}, {}])
def test_another_login_has_lists_of_its_own(make_queue: MakeQueue, driver: dict[str, str]) -> None:
    one, other = make_queue(), make_queue(**{f"Driver_{name}": value for name, value in driver.items()})
    mine = shared.lists(one.endpoint, Credentials("key", "secret"))
    secret = "secret" if driver else "another"
    assert mine is not shared.lists(other.endpoint, Credentials("key", secret))
    assert mine is shared.lists(make_queue(name="short").endpoint, Credentials("key", "secret"))


# -- what a cloud is asked -------------------------------------------------------------------------------------


@contextmanager
def ec2() -> Iterator[tuple[dict[str, str], Callable[[], int]]]:
    """An EC2 without instances: the options of its queues, and how often it was asked for a list."""
    asked: Counter[bool] = Counter()

    class Empty(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked[b"DescribeInstances" in body] += 1
            self.answer()

        def do_GET(self) -> None:
            asked["Action=DescribeInstances" in self.path] += 1
            self.answer()

        def answer(self) -> None:
            text = b"<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    with serving(Empty) as port:
        at = {"Driver_host": "127.0.0.1", "Driver_port": str(port), "Driver_secure": "no"}
        yield {"CloudType": "EC2", **at}, lambda: asked[True]


@contextmanager
def openstack() -> Iterator[tuple[dict[str, str], Callable[[], int]]]:
    """The same for an OpenStack."""
    with SmallStack() as nova:
        login = {
            "Driver_ex_force_auth_url": nova.url,
            "Driver_ex_tenant_name": "project",
            "Driver_ex_force_service_region": "RegionOne",
        }
        yield {"CloudType": "OPENSTACK", **login}, lambda: nova.asked.count("GET /v2.1/servers/detail")


QUEUES = 20


@pytest.mark.parametrize("cloud", [ec2, openstack])
@pytest.mark.parametrize("expected", [True, False])
def test_twenty_queues_of_one_process_ask_for_one_list_a_cycle(
    make_queue: MakeQueue, cloud: Any, expected: bool
) -> None:
    secrets = Credentials("user", f"secret of {cloud.__name__}, {expected}")
    with cloud() as (options, lists):
        queues = [make_queue(name=f"q{number}", **options) for number in range(QUEUES)]
        fleets = [assemble(queue, secrets=secrets, sharing=True).fleet for queue in queues]
        told = Told(secrets, queues if expected else [])
        for cycle in range(3):
            before = lists()
            told.tell()
            with ThreadPoolExecutor(QUEUES) as pool:
                counts = list(pool.map(lambda fleet: fleet.count(), fleets))
            assert len(counts) == QUEUES and every(not count["RunningJobs"] for count in counts)
            unknown = cloud is ec2 and not expected and not cycle
            assert lists() - before <= (QUEUES if unknown else 1)
            shared.lists(queues[0].endpoint, secrets)._clock = later(60 * (cycle + 1))


class Told:
    """The queues that DIRAC looks at, each before it asks any."""

    def __init__(self, secrets: Credentials, queues: list[Queue]) -> None:
        self._secrets, self._queues = secrets, queues

    def tell(self) -> None:
        for queue in self._queues:
            expect(queue, self._secrets)


def later(seconds: float) -> Callable[[], float]:
    import time

    return lambda: time.monotonic() + seconds
