"""How many may wait, and what the preflight finds of a backend, is the same for every host."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.claims import every
from tests.e2e.hosts.backends import Backend, OnHttp, OnPostgres, OnS3
from tests.e2e.hosts.site import Host, Hosts
from tests.rigs.proxy import ALWAYS, Fault
from tests.rigs.statehttp import StateServer


def test_as_many_wait_as_the_queue_allows_whichever_host_asks(made: Callable[..., Hosts], pg: Backend) -> None:
    hosts = made(pg, MaxWaitingJobs="3", MaxTotalJobs="9")
    a, b = hosts.all
    for host in (a, b):
        host.proxy.add(Fault("DescribeInstances", "pending", times=ALWAYS))
    asked = [len(host.do("submit", 2)["stamps"]) for host in (a, b, a, b)]
    assert asked == [2, 1, 0, 0] and len(hosts.living()) == 3
    b.proxy.clear()  # they run by now
    assert len(b.do("submit", 4)["stamps"]) == 3


def test_an_allocation_of_the_whole_ce_holds_on_all_hosts_together(
    made: Callable[..., Hosts], backend: Backend
) -> None:
    life = {"Context_MaxLifetime": "14400", "Terraform_CreateTimeout": "3600"}  # 5 hours a pilot
    hosts = made(backend, "a", Workspace_MaxHours="16/month ce", **life)
    a, b = hosts[0], hosts.add("b", "short")
    with ThreadPoolExecutor(2) as pool:  # at once
        first, second = pool.map(lambda host: host.insist("submit", 2), (a, b))
    assert len(first["stamps"]) + len(second["stamps"]) == 3 == len(a.instances()) + len(b.instances())
    assert "of the whole CE" in first["why"] + second["why"]
    assert a.insist("submit", 1)["stamps"] == b.insist("submit", 1)["stamps"] == {}


def kept(backend: Backend) -> list[str]:
    """What the backend itself has."""
    if isinstance(backend, OnPostgres):
        return backend.server.sql(f"select name from {backend.schema}.states")
    if isinstance(backend, OnHttp):
        assert isinstance(backend.server, StateServer)
        return list(backend.server.states)
    assert isinstance(backend, OnS3)
    with urllib.request.urlopen(f"{backend.emulator.url}/{backend.bucket}?list-type=2", timeout=60) as answer:
        text = answer.read().decode()
    return [part.partition("</Key>")[0] for part in text.split("<Key>")[1:]]


def found(host: Host) -> dict[str, dict[str, Any]]:
    """The preflight's findings."""
    return {one["check"]: one for one in json.loads(host.run("doctor", host.name, "--json").out)["checks"]}


def test_the_preflight_finds_the_backend_well_and_leaves_nothing_there(
    made: Callable[..., Hosts], backend: Backend
) -> None:
    (host,) = made(backend, "a").all
    checks = found(host)
    assert checks["backend"]["ok"] and "stays" not in checks["backend"]["detail"], checks["backend"]
    told = checks["backend's clock"]["detail"]
    says = r"the backend does not say its time" if backend.name == "pg" else r"\d s from the backend's"
    assert re.fullmatch(says, told), told
    # What is read in S3 or PostgreSQL Terraform makes first, empty: the queue's own states, which its first
    # submission fills.
    made_by_reading = () if backend.name == "http" else (".record", ".record/tfce.tfstate")
    assert not [name for name in kept(backend) if not name.endswith(made_by_reading)]


def test_what_cannot_be_removed_is_said(made: Callable[..., Hosts], states: StateServer) -> None:
    (host,) = made(OnHttp(states), "a").all
    states.refused = "DELETE"
    finding = found(host)["backend"]
    assert finding["ok"] and "the check's own state stays there: the server answered 403" in finding["detail"]


@pytest.mark.parametrize("broken", ["[pg]\nconn_str = postgres://nobody:wrong@127.0.0.1:9/none\n", ""])
def test_a_backend_that_is_not_there_is_a_finding(made: Callable[..., Hosts], pg: Backend, broken: str) -> None:
    (host,) = made(pg, "a").all
    (host.folder / "backend.auth").write_text(broken)
    finding = found(host)["backend"]
    assert not finding["ok"] and every(finding[part] for part in ("detail", "cure"))
