"""Several hosts with folders of their own serve one queue."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.claims import some
from tests.contract.edges import WRAPPER
from tests.contract.hosts import Hosts
from tests.fakes import Crash
from tfce.model.drain import Drain
from tfce.model.errors import BackendError, BusyError
from tfce.store.shared_document import DamagedError, Revision, SleptError


@pytest.fixture(params=[1, 100], ids=["singles", "batches"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Hosts:
    return Hosts(tmp_path, request.param)


def settled(hosts: Hosts) -> None:
    """Every host sees the same, and nothing is left over."""
    for name in "abc":
        parts = hosts.parts(host=name)
        assert [row for row in parts.fleet.audit() if row.mismatch] == [], name
        assert parts.workspace.load().pending is None, name
        assert len(parts.workspace.load().pilots) == len(hosts.living()), name


def test_limits_are_those_of_the_queue_on_whichever_host(hosts: Hosts) -> None:
    made = [
        ref
        for name in "abcab"
        for ref in hosts.parts(host=name, MaxTotalJobs="3").fleet.submit(WRAPPER, 2).references
    ]
    assert len(made) == len(hosts.living()) == 3
    for name in "abc":
        assert set(hosts.parts(host=name).fleet.poll(made).values()) == {"Running"}
        assert hosts.parts(host=name).fleet.count()["RunningJobs"] == 3
    settled(hosts)


def test_a_reference_has_one_answer_everywhere(hosts: Hosts) -> None:
    first, second, third = hosts.parts(host="a").fleet.submit(WRAPPER, 3).references
    hosts.stop(first.removeprefix("cloud://"))
    assert [one.reference for one in hosts.parts(host="b").fleet.reap().removed] == [first]
    assert [one.reference for one in hosts.parts(host="c").fleet.kill([second]).removed] == [second]
    hosts.advance(7200)  # the cloud forgets what ended
    for name in "abc":
        words = hosts.parts(host=name).fleet.poll([first, second, third])
        assert words == {first: "Done", second: "Deleted", third: "Running"}, name
    settled(hosts)


def test_a_drain_holds_everywhere(hosts: Hosts) -> None:
    hosts.parts(host="a").fleet.drain(Drain(hosts.now()))
    assert hosts.parts(host="b").fleet.submit(WRAPPER, 2).references == []
    hosts.parts(host="b").fleet.drain(None)
    assert len(hosts.parts(host="a").fleet.submit(WRAPPER, 2).references) == 2


@pytest.mark.parametrize("step", ["create", "created"])
def test_what_a_lost_host_began_is_finished_within_one_lease(hosts: Hosts, step: str) -> None:
    hosts.sky.at(step, Crash())
    with pytest.raises(Crash):
        hosts.parts(host="a").fleet.submit(WRAPPER, 2)
    with pytest.raises(BusyError, match="at work on it"):
        hosts.parts(host="b").fleet.submit(WRAPPER, 1)
    hosts.pass_lease("b")
    made = hosts.parts(host="b", MaxTotalJobs="2").fleet.submit(WRAPPER, 5).references
    assert len(hosts.living()) == 2 and len(made) <= 2
    settled(hosts)


def test_while_the_backend_is_down_nothing_starts_and_what_is_over_goes(hosts: Hosts) -> None:
    first, second, third = hosts.parts(host="a").fleet.submit(WRAPPER, 3).references
    hosts.down = {"a", "b"}
    hosts.stop(first.removeprefix("cloud://"))
    a, b = hosts.parts(host="a").fleet, hosts.parts(host="b").fleet
    assert a.poll([first, second]) == {first: "Done", second: "Running"}
    with pytest.raises(BackendError, match="does not answer"):
        a.submit(WRAPPER, 1)
    assert [one.reference for one in b.reap().removed] == [first]
    assert [one.reference for one in b.kill([second]).removed] == [second]
    assert list(hosts.living()) == [third.removeprefix("cloud://")]
    hosts.advance(7200)
    words = hosts.parts(host="a").fleet.poll([first, second, third])
    assert words[third] == "Running" and "Deleted" not in words.values()
    hosts.down = set()
    hosts.parts(host="b").fleet.reap()
    for name in "abc":
        words = hosts.parts(host=name).fleet.poll([first, second, third])
        assert words == {first: "Done", second: "Deleted", third: "Running"}, name
    settled(hosts)


def test_a_look_reads_the_shared_record_once(hosts: Hosts) -> None:
    hosts.parts(host="a").fleet.submit(WRAPPER, 2)
    look = hosts.parts(host="b", MaxTotalJobs="2", Workspace_MaxHours="300/month").fleet.look()
    assert hosts.documents["b", "long"].pulls == 1
    assert [one.state for one in look.seen] == ["Running"] * 2 and [str(one) for one in look.balances]


def test_a_stamp_that_no_list_shows_yet_is_known_to_a_host_that_never_read_the_record(hosts: Hosts) -> None:
    stamps = hosts.parts(host="a").fleet.submit(WRAPPER, 2).stamps
    hosts.sky.hidden.add(next(iter(stamps)).removeprefix("cloud://"))
    sweep = hosts.parts(host="c").fleet.kill(stamps.values())
    assert {one.reference for one in sweep.removed} == set(stamps) and not hosts.living()


def test_a_host_without_anything_goes_on(hosts: Hosts) -> None:
    made = hosts.parts(host="a").fleet.submit(WRAPPER, 2).references
    fresh = hosts.parts(host="c")
    assert {one.pilot.key for one in fresh.fleet.status()} == set(fresh.workspace.load().pilots)
    assert fresh.fleet.kill(made[:1]).removed and len(hosts.living()) == 1
    settled(hosts)


class Killed(BaseException):
    """A process that slept is ended before it sees what it wrote."""


def sleeper(hosts: Hosts, meanwhile: Callable[[], None], killed: bool = False) -> None:
    """Host a sleeps while it writes what it is about to ask for; others break its lock, and go on. Then a wakes
    up, and an S3 takes what it still had to write."""
    parts, documents = hosts.parts(host="a", MaxTotalJobs="4"), hosts.documents["a", "long"]
    documents.asleep = meanwhile
    if killed:
        inner = documents.push

        def push(held: Revision) -> None:
            try:
                inner(held)
            except SleptError:
                raise Killed from None

        documents.push = push  # type: ignore[method-assign]
    with pytest.raises(Killed if killed else BackendError):
        parts.fleet.submit(WRAPPER, 2)


def late_write(hosts: Hosts) -> list[str]:
    """Meanwhile b starts pilots and lets one go; what b started."""
    first, told = hosts.parts(host="b").fleet.submit(WRAPPER, 2).references, list[str]()

    def meanwhile() -> None:
        other = hosts.parts(host="b", MaxTotalJobs="4").fleet
        told.extend([*first, *other.submit(WRAPPER, 1).references])
        other.kill(first[:1])

    sleeper(hosts, meanwhile)
    return told


def cycle(hosts: Hosts, name: str) -> None:
    """A sweep, once others may not be at work any more."""
    try:
        hosts.parts(host=name).fleet.reap()
    except BusyError:
        hosts.pass_lease(name)
        hosts.parts(host=name).fleet.reap()


@pytest.mark.parametrize("order", ["ab", "cab", "acb"])
def test_a_drain_and_the_reason_of_an_end_survive_a_late_write(hosts: Hosts, order: str) -> None:
    stopped, killed, third = hosts.parts(host="b").fleet.submit(WRAPPER, 3).references

    def meanwhile() -> None:
        other = hosts.parts(host="b").fleet
        hosts.stop(stopped.removeprefix("cloud://"))
        other.reap()
        other.kill([killed])
        other.drain(Drain(hosts.now()))

    sleeper(hosts, meanwhile)
    hosts.advance(7200)  # the cloud forgets what ended
    for name in order:
        with suppress(DamagedError):
            cycle(hosts, name)
    hosts.parts(host="b").fleet.repair()
    for name in "abc":
        cycle(hosts, name)
        assert hosts.parts(host=name).fleet.submit(WRAPPER, 1).references == []
        words = hosts.parts(host=name).fleet.poll([stopped, killed, third])
        assert words == {stopped: "Done", killed: "Deleted", third: "Running"}, name
    hosts.parts(host="c").fleet.drain(None)  # and ends where somebody ends it
    assert len(hosts.parts(host="b", MaxTotalJobs="4").fleet.submit(WRAPPER, 9).references) == 3
    settled(hosts)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("step", ["create", "created"])
def test_a_sleeper_that_wrote_over_a_lease_waits_for_it(hosts: Hosts, killed: bool, step: str) -> None:
    """Host b is in the middle of its turn when a's late write comes, and a goes on at once."""
    hosts.parts(host="b").fleet.reap()
    path = hosts.documents["b", "long"].path
    before = path.read_text()
    sleeper(hosts, lambda: None, killed)
    late = path.read_text()
    path.write_text(before)  # it did not arrive yet
    refused = list[BusyError]()

    def wakes() -> None:
        path.write_text(late)
        with pytest.raises(BusyError) as caught:
            hosts.parts(host="a", MaxTotalJobs="4").fleet.submit(WRAPPER, 4)
        refused.append(caught.value)

    hosts.sky.at(step, wakes)
    hosts.parts(host="b", MaxTotalJobs="4").fleet.submit(WRAPPER, 4)
    assert len(refused) == 1 and len(hosts.living()) == 4
    hosts.pass_lease("a")
    for name in "abab":
        cycle(hosts, name)
    settled(hosts)


@pytest.mark.parametrize("order", ["ba", "ab", "ca", "bca"])
def test_what_a_sleeper_writes_over_others_costs_no_vm_and_repair_mends_it(hosts: Hosts, order: str) -> None:
    told = late_write(hosts)
    living, repaired = set(hosts.living()), ""
    for name in some(order):
        fleet = hosts.parts(host=name).fleet
        try:
            fleet.reap()
        except BusyError:
            hosts.pass_lease(name)
            fleet.reap()
        except DamagedError as error:
            assert "tfce repair cloud.example.org/long" in error.message
            assert "put what this host knows into" in fleet.repair()[0]
            repaired += name
    assert set(hosts.living()) == living and repaired == ("b" if order[0] == "b" else "")
    for name in "abc":
        hosts.parts(host=name).fleet.reap()
    settled(hosts)
    assert set(hosts.parts(host="c").fleet.poll(told[1:]).values()) == {"Running"}
    made = hosts.parts(host="a", MaxTotalJobs="4").fleet.submit(WRAPPER, 9).references
    assert len(made) == 2 and len(hosts.living()) == 4
