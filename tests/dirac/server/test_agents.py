"""SiteDirectors that go on, or work at the same time; beside ``test_server``, on a server of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.claims import subset
from tests.dirac.server.conftest import SECOND, Director, wait
from tests.rigs.proxy import ALWAYS, Fault


def test_slow_boots_are_waited_for_and_demand_is_met_once(director: Director) -> None:
    server, tenant = director.server, director.tenant
    director.usable(SECOND)
    # The list shows VMs that boot; Terraform's own look at a new VM, by its id, is left alone.
    tenant.proxy.add(Fault("DescribeInstances", "pending", times=ALWAYS, where="Filter."))
    tenant.proxy.counts(reset=True)
    server.jobs(3)
    with director.running() as agent:
        wait(lambda: len(server.pilots()) == 3)
        agent.cycles(3)
        assert tenant.proxy.counts()["RunInstances"] == len(tenant.vms()) == 3
        assert set(server.states().values()) == {"Waiting"}
        server.jobs(9)  # more than MaxWaitingJobs = 5
        wait(lambda: len(server.pilots()) == 5)
        agent.cycles(2)
        assert tenant.proxy.counts()["RunInstances"] == len(tenant.vms()) == 5
        assert set(server.states().values()) == {"Waiting"}
        server.jobs(0)
        tenant.proxy.clear()  # they have booted, and taken the jobs
        wait(lambda: set(server.states().values()) == {"Running"})
        stopped, *others = server.pilots()
        tenant.do("StopInstances", stopped)
        wait(lambda: server.states() == {stopped: "Done", **dict.fromkeys(others, "Running")})
        assert set(tenant.vms()) == set(others) and len(others) == 4
    assert "Traceback" not in agent.said()


def test_two_site_directors_at_once_stay_within_max_total_jobs(director: Director) -> None:
    server, tenant = director.server, director.tenant
    director.usable(SECOND)
    director.change(SECOND, MaxTotalJobs=2)
    # The first one's VMs come late, so that the second has counted none before it submits.
    tenant.proxy.add(Fault("RunInstances", "hang", times=2, seconds=10))
    tenant.proxy.counts(reset=True)
    try:
        server.jobs(5)
        with ThreadPoolExecutor() as pool:
            logs = [one.result() for one in [pool.submit(director.cycle) for _ in range(2)]]
    finally:
        director.change(SECOND, MaxTotalJobs=10)
    for said in logs:
        assert "to submit=2" in said, said
    assert tenant.proxy.counts()["RunInstances"] == len(tenant.vms()) == 2
    assert set(server.pilots()) == set(tenant.vms())
    assert sum("MaxTotalJobs = 2, 2 are there" in said for said in logs) == 1


def test_one_agent_through_changed_options_and_a_cloud_that_is_down(director: Director) -> None:
    server, tenant = director.server, director.tenant
    director.usable(SECOND)
    server.jobs(2)
    with director.running() as agent:
        wait(lambda: len(server.pilots()) == 2)
        server.jobs(0)
        first = wait(lambda: set(server.states().values()) == {"Running"} and server.states())
        # The options change: the agent makes another element, and no VM dies.
        director.change(SECOND, Instance_Flavor="name:t3.small")
        server.jobs(1)
        wait(lambda: len(server.pilots()) == 3)
        server.jobs(0)
        assert subset(set(first), set(tenant.vms()))
        # The cloud is down for several cycles: nobody is given up, and it goes on by itself.
        before = wait(lambda: set(server.states().values()) == {"Running"} and server.states())
        tenant.proxy.refuse()
        place = len(agent.said())
        server.jobs(1)
        agent.cycles(2)
        assert f"{SECOND}/long: unreachable: " in agent.said()[place:]
        assert server.states() == before
        tenant.proxy.listen()
        wait(lambda: len(server.pilots()) == 4)
        server.jobs(0)
        wait(lambda: set(server.states().values()) == {"Running"})
        assert set(tenant.vms()) == set(server.pilots())
    assert "Traceback" not in agent.said(), agent.said()[-3000:]
