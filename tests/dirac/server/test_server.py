"""Whole lives of pilots: a real DIRAC 9.1 server, its unmodified agents, real Terraform, an EC2 emulator."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.claims import some, subset
from tests.dirac.server.conftest import FIRST, SECOND, Director, wait
from tests.rigs import mirror
from tests.rigs.dirac_server import SITE
from tests.rigs.proxy import ALWAYS, Fault


def test_a_whole_life(director: Director) -> None:
    server, tenant = director.server, director.tenant
    director.usable(SECOND)
    server.jobs(3)
    said = director.cycle()
    pilots = server.pilots()
    assert set(pilots) == set(tenant.vms()) == tenant.of(SECOND) and len(pilots) == 3, said
    for reference, row in pilots.items():
        assert row["PilotStamp"] == tenant.vms()[reference][1]["tfce:key"]
        assert (row["GridType"], row["Queue"], row["GridSite"]) == ("Terraform", "long", SITE)
        assert row["Status"] == "Running"
    assert "planted-secret" not in said
    server.jobs(0)  # the pilots have taken them
    stopped, *others = pilots
    tenant.do("StopInstances", stopped)
    said = director.cycle()
    assert server.states() == {stopped: "Done", **dict.fromkeys(others, "Running")}, said
    assert set(tenant.vms()) == set(others)
    said = director.cycle()
    assert len(server.pilots()) == 3 and set(tenant.vms()) == set(others), said


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
    for said in some(logs):
        assert "to submit=2" in said, said
    assert tenant.proxy.counts()["RunInstances"] == len(tenant.vms()) == 2
    assert set(server.pilots()) == set(tenant.vms())
    assert sum("MaxTotalJobs = 2, 2 are there" in said for said in logs) == 1


def test_a_kill_from_elsewhere_without_state_or_a_place_to_write(director: Director, tmp_path: Path) -> None:
    server, tenant = director.server, director.tenant
    director.usable(SECOND)
    server.jobs(2)
    said = director.cycle()
    assert len(server.pilots()) == 2, said
    killed, stays = server.pilots()
    local = tmp_path / "admin.cfg"
    own = (
        f"Resources\n{{\nSites\n{{\nCLOUD\n{{\n{SITE}\n{{\nCEs\n{{\n{SECOND}\n{{\nWorkspace_Root = /proc/tfce\n"
        + "}\n" * 6
    )
    local.write_text(server.cfg.read_text() + own)
    done = server.run("dirac-admin-kill-pilot", killed, "--cfg", str(local), folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert set(tenant.vms()) == {stays}
    server.jobs(0)
    said = director.cycle()
    assert server.states() == {killed: "Deleted", stays: "Running"}, said


def test_stalled_pilots_are_killed_by_their_agent(director: Director) -> None:
    server, tenant = director.server, director.tenant
    director.usable(SECOND)
    server.jobs(2)
    said = director.cycle()
    assert len(server.pilots()) == 2, said
    stalled, stays = server.pilots()
    old = "LastUpdateTime = DATE_SUB(UTC_TIMESTAMP(), INTERVAL 4 DAY)"
    server.sql(f"UPDATE PilotAgents SET {old} WHERE PilotJobReference = '{stalled}'", "PilotAgentsDB")
    said = server.agent("WorkloadManagement/PilotStatusAgent", TFCE_PROVIDER_MIRROR=str(mirror.ensure()))
    assert server.states()[stalled] == "Deleted", said
    assert set(tenant.vms()) == {stays}, said


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


def test_a_bad_option_takes_one_queue_out_with_its_reason(director: Director) -> None:
    director.usable(FIRST)
    director.change(FIRST, **{"short/Terraform_Paralellism": "5", "short/Context_MaxLifetime": "soon"})
    try:
        director.server.jobs(1)
        said = director.cycle()
    finally:
        director.change(FIRST, **{"short/Terraform_Paralellism": None, "short/Context_MaxLifetime": None})
    assert "Terraform_Paralellism = 5: tfce has no such option; did you mean Terraform_Parallelism?" in said
    assert "Context_MaxLifetime = soon" in said
    assert {row["Queue"] for row in director.server.pilots().values()} == {"long"}, said


def test_a_refusal_reaches_the_log_with_its_kind(director: Director) -> None:
    director.usable(SECOND)
    director.change(SECOND, Instance_Image="ami-00000000")
    try:
        director.server.jobs(2)
        said = director.cycle()
    finally:
        director.change(SECOND, Instance_Image=director.tenant.image)
    assert f"{SECOND}/long: image: 2 of 2 failed: " in said
    assert not director.server.pilots() and not director.tenant.vms()


def test_queues_and_ces_in_one_tenant_keep_apart(director: Director) -> None:
    server, tenant = director.server, director.tenant
    director.usable(FIRST, SECOND)
    server.jobs(1)
    said = director.cycle()
    queues = [(FIRST, "long"), (FIRST, "short"), (SECOND, "long")]
    assert [len(tenant.of(*queue)) for queue in queues] == [1, 1, 1], said
    server.jobs(0)
    director.change(FIRST, **{"short/Context_MaxLifetime": 1})
    try:
        said = director.cycle()
        assert [len(tenant.of(*queue)) for queue in queues] == [1, 0, 1], said
    finally:
        director.change(FIRST, **{"short/Context_MaxLifetime": None})


def test_pilots_of_cloudce_live_on_after_the_one_line_was_changed(director: Director) -> None:
    server, tenant = director.server, director.tenant
    director.usable(SECOND)
    ends, runs = tenant.left_over("VMDIRAC3_0000000A"), tenant.left_over("VMDIRAC3_0000000B")
    stranger = tenant.left_over("database")
    for reference in (ends, runs):
        server.sql(
            "INSERT INTO PilotAgents (PilotJobReference, VO, GridType, SubmissionTime, LastUpdateTime, Status,"
            f" DestinationSite, GridSite, Queue, PilotStamp) VALUES ('{reference}', 'dteam', 'Cloud',"
            f" UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'Submitted', '{SECOND}', '{SITE}', 'long', '')",
            "PilotAgentsDB",
        )
    director.cycle()
    assert set(server.states().values()) == {"Submitted"}  # SiteDirector asks for its own CEType only
    director.change(SECOND, Workspace_AdoptPrefix="VMDIRAC3_")
    cfg = server.folder / "etc" / "Test-Prod.cfg"  # where the Configuration Service keeps it
    told = server.run("tfce", "migrate", f"{SECOND}/long", "--json", "--config", str(cfg)).stdout
    assert {vm["reference"] for vm in json.loads(told)["vms"]} == {ends, runs}, told
    server.sql(json.loads(told)["statement"], "PilotAgentsDB")
    said = director.cycle()
    assert set(server.states().values()) == {"Running"}, said
    for reference in (ends, stranger):
        tenant.do("StopInstances", reference)
    said = director.cycle()
    assert server.states() == {ends: "Done", runs: "Running"}, said
    assert set(tenant.vms()) == {runs, stranger}
    director.change(SECOND, Workspace_AdoptPrefix=None)


def test_the_server_leaves_no_process_behind(director: Director) -> None:
    mine = subprocess.run(
        ["pgrep", "-f", str(director.server.folder)], capture_output=True, text=True, check=False
    )
    assert len(mine.stdout.split()) <= 8  # the database and the services; every agent has ended
