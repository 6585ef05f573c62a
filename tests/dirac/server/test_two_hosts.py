"""Two hosts, each with its SiteDirector, serve one queue of a real DIRAC 9.1; their record is in a PostgreSQL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.dirac.server.conftest import SHARED, Director
from tests.dirac.server.hosts import Host, island
from tests.rigs.errors import RigError
from tests.rigs.postgres import Postgres
from tests.rigs.proxy import ALWAYS, Fault

LIMIT = 4


@pytest.fixture
def hosts(director: Director, tmp_path: Path) -> Iterator[list[Host]]:
    """Three, from nothing: options, login and backend are all they have."""
    with ExitStack() as stack:
        try:
            database = stack.enter_context(Postgres())
        except RigError as error:
            if os.environ.get("TFCE_REQUIRE_RIGS"):
                raise
            pytest.skip(str(error))
        short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfce-hosts-")))
        ports = [*director.server.ports, director.tenant.proxy.port, database.port]
        made = []
        for letter in "abc":
            auth, root = tmp_path / f"{letter}.auth", tmp_path / letter / "root"
            auth.touch(0o600)
            auth.write_text(f"[pg]\nconn_str = {database.dsn()}\n")
            own = {"Terraform_BackendFile": auth, "Workspace_Root": root, "MaxTotalJobs": LIMIT}
            (short / letter).mkdir()
            network = island(stack, ports, short / letter)
            made.append(Host(director.server, tmp_path / letter, own, network))
        yield made


def test_two_site_directors_and_a_kill_from_a_third_host(director: Director, hosts: list[Host]) -> None:
    server, tenant, (a, b, c) = director.server, director.tenant, hosts
    # Both at once: the first one's VMs come late, so that the other has counted none before it submits.
    tenant.proxy.add(Fault("RunInstances", "hang", seconds=8))
    server.jobs(3)
    with ThreadPoolExecutor() as pool:
        logs = [one.result() for one in [pool.submit(host.cycle) for host in (a, b)]]
    assert not [said for said in logs if "to submit=3" not in said], logs
    assert sum(f"MaxTotalJobs = {LIMIT}" in said for said in logs) == 1, logs
    assert set(server.pilots()) == tenant.of(SHARED) and len(server.pilots()) == LIMIT, logs
    assert set(server.states().values()) == {"Running"}, logs

    # One ends by itself, one by the cloud's doing, one is killed from a host that never saw the queue.
    done, failed, killed, stays = server.pilots()
    tenant.do("StopInstances", done)
    tenant.do("TerminateInstances", failed)
    node = failed.removeprefix("cloud://")
    tenant.proxy.add(Fault("DescribeInstances", "ended", times=ALWAYS, body=node, code="Server.InternalError"))
    said = c.dirac("dirac-admin-kill-pilot", killed)
    assert killed not in tenant.vms(), said

    # In turns: the first sees it and fills the room again, the other says the same, from the record alone.
    states = b.words()
    over = {done: "Done", failed: "Failed", killed: "Deleted"}
    assert {reference: states[reference] for reference in over} == over
    assert {reference for reference, word in states.items() if word == "Running"} == tenant.of(SHARED)
    assert stays in tenant.of(SHARED) and len(tenant.of(SHARED)) == LIMIT
    tenant.proxy.clear()
    assert a.words() == states and len(tenant.of(SHARED)) == LIMIT
    assert c.tfce("audit")["mismatches"] == 0
