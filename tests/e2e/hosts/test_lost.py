"""A host that dies, sleeps or loses its disk in the middle of its work: another one goes on within a lease."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checking import until
from tests.e2e.hosts.backends import Backend, OnHttp, OnPostgres, OnS3
from tests.e2e.hosts.site import Host, Hosts, ended, strike
from tests.rigs.localstack import Emulator
from tests.rigs.postgres import Postgres
from tests.rigs.proxy import Fault
from tests.rigs.statehttp import StateServer

HOUR = 3600


def hours_apart(a: Host, b: Host) -> None:
    """Neither clock tells the truth."""
    a.clock(-HOUR / 2, 0)
    b.clock(HOUR / 2, 0)


def killed_while_it_asks(host: Host, seconds: float = 2) -> None:
    """The host dies while its request for VMs is on its way, which arrives all the same."""
    host.proxy.counts(reset=True)
    host.proxy.add(Fault("RunInstances", "hang", seconds=seconds))
    asking = host.begin("submit", 2)
    until(lambda: host.proxy.counts().get("RunInstances") or asking.poll() is not None, "the request")
    assert asking.poll() is None, ended(asking)
    strike(asking)
    asking.communicate()


def test_killed_in_an_apply_and_taken_over_within_a_lease(made: Callable[..., Hosts], pg: Backend) -> None:
    hosts = made(pg, MaxTotalJobs="3")
    a, b = hosts.all
    hours_apart(a, b)
    a.do("submit", 1)
    killed_while_it_asks(a)
    until(lambda: len(hosts.living()) == 3, "the VMs that the dead host asked for")
    busy = b.ask("submit", 3)  # the lease stands
    assert busy["error"] == "busy" and "is at work on it" in busy["message"], busy
    b.pass_lease()
    assert b.do("submit", 3)["stamps"] == {}  # all three are there
    hosts.agree(3)
    assert set(a.do("status")) == set(b.do("status"))


def test_a_request_of_the_dead_that_never_arrives_leaves_no_pilot(made: Callable[..., Hosts], pg: Backend) -> None:
    hosts = made(pg, MaxTotalJobs="2")
    a, b = hosts.all
    a.proxy.add(Fault("RunInstances", "drop", times=100))
    asking = a.begin("submit", 2)
    until(lambda: a.proxy.counts().get("RunInstances"), "the request")
    strike(asking)
    asking.communicate()
    b.ask("submit", 1)
    b.pass_lease()
    assert len(b.insist("submit", 2)["stamps"]) == 2
    hosts.agree(2)


def test_a_host_that_slept_through_its_lease_asks_for_nothing(
    made: Callable[..., Hosts], states: StateServer
) -> None:
    hosts = made(OnHttp(states), MaxTotalJobs="2")
    a, b = hosts.all
    a.do("submit", 1)
    # The answer to the end of the push that carries the lease is held back, and with it the host.
    leased = states.gate(lambda method, path, body: method == "POST" and b'\\"holder\\"' in body)
    asking = a.begin("submit", 1)
    assert leased.reached.wait(120)
    leased.opened.set()
    until(lambda: not states.locks, "the end of the push", pause=0.001)
    strike(asking, signal.SIGSTOP)
    before = a.proxy.counts(reset=True)
    b.ask("submit", 1)
    b.pass_lease()
    assert len(b.insist("submit", 1)["stamps"]) == 1
    a.pass_lease()
    strike(asking, signal.SIGCONT)
    answer = ended(asking)
    assert not answer.get("said", {}).get("stamps"), answer
    assert "RunInstances" not in a.proxy.counts(), before
    hosts.agree(2)


def test_a_lost_disk_with_what_terraform_could_not_write_costs_no_vm(
    made: Callable[..., Hosts], cloud: Emulator
) -> None:
    with Postgres() as server:
        hosts = made(OnPostgres(server), MaxTotalJobs="4")
        a, b = hosts.all
        a.do("submit", 1)
        a.proxy.add(Fault("RunInstances", "hang", seconds=3))
        asking = a.begin("submit", 2)
        until(lambda: a.proxy.counts().get("RunInstances", 0) == 2, "the request")
        server.kill()  # the apply ends, and nobody can be told
        ended(asking)
        assert list(a.private.rglob("errored.*")), "Terraform wrote its state after all"
        shutil.rmtree(a.folder)
        server.start()
        b.ask("submit", 1)
        b.pass_lease()
        assert len(b.insist("submit", 5)["stamps"]) == 1
        hosts.all.remove(a)
        hosts.add("new")
        assert set(hosts[1].do("status")) == set(b.do("status"))
        hosts.agree(4)


@pytest.mark.parametrize("backend", ["s3", "http", "gitlab"], indirect=True)
def test_the_lock_of_a_dead_host_is_broken_once_its_lease_is_over(
    made: Callable[..., Hosts], backend: Backend
) -> None:
    """PostgreSQL's lock ends with the connection; S3 and http keep theirs."""
    hosts = made(backend, MaxTotalJobs="3")
    a, b = hosts.all
    a.do("submit", 1)
    killed_while_it_asks(a, 0.5)
    until(lambda: len(hosts.living()) == 3, "the VMs that the dead host asked for")
    b.ask("submit", 1)
    b.pass_lease()
    assert b.insist("submit", 1)["stamps"] == {}
    hosts.agree(3)


@pytest.mark.parametrize("suffix", ["", ".record"])
def test_a_host_that_died_while_it_made_a_state_on_s3_is_in_nobodys_way(
    made: Callable[..., Hosts], s3: Emulator, suffix: str
) -> None:
    """Terraform's own way to break such a lock wants to take it first."""
    held = OnS3(s3)
    hosts = made(held)
    held.lock(f"{hosts.ce}.long{suffix}")
    (a, _) = hosts.all
    assert a.ask("submit", 1)["error"] == "backend"
    a.pass_lease()
    assert len(a.insist("submit", 1)["stamps"]) == 1
    hosts.agree(1)


def test_a_backend_that_was_set_back_costs_no_vm(
    made: Callable[..., Hosts], backend: Backend, tmp_path: Path
) -> None:
    hosts = made(backend, MaxTotalJobs="4")
    a, b = hosts.all
    a.do("submit", 1)
    restore = backend.backup(a.name.replace("/", "."), tmp_path)
    running = b.do("submit", 2)["stamps"]
    restore()
    told = b.ask("submit", 1)
    assert told["error"] == "workspace" and "tfce repair" in told["message"], told
    a.do("repair")
    assert set(b.do("poll", *running).values()) == {"Running"}
    assert len(b.insist("submit", 4)["stamps"]) == 1
    hosts.agree(4)
