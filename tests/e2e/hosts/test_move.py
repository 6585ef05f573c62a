"""A queue's record and state move from one backend to another, while its pilots run."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.hosts.backends import Backend, OnHttp
from tests.e2e.hosts.site import Host, Hosts
from tests.rigs.gitlab import GitLab


def moved(host: Host, backend: Backend | None) -> None:
    """One command; then the options of that host say where the record is now."""
    name = backend.name if backend else "local"
    before = host.options["Terraform_Backend"]
    host.use(backend)
    host.configure(Terraform_Backend=before)
    told = host.run("move-state", host.name, name)
    assert told.code == 0, told.out + told.err
    host.configure(Terraform_Backend=name)


def test_where_a_queue_moves_to_its_pilots_count(made: Callable[..., Hosts], pg: Backend, gitlab: GitLab) -> None:
    http, life = OnHttp(gitlab, gitlab=True), {"Context_MaxLifetime": "14400", "Terraform_CreateTimeout": "3600"}
    hosts = made(pg, "a", others=[http], Workspace_MaxHours="16/month ce", **life)  # 5 hours a pilot
    a, b = hosts[0], hosts.add("b", "short")
    assert len(a.do("submit", 2)["stamps"]) == 2
    moved(a, http)
    b.use(http)  # it has not asked any backend yet
    b.configure()
    assert len(b.do("submit", 2)["stamps"]) == 1
    assert a.do("submit", 1)["stamps"] == {}
    moved(b, pg)
    moved(a, pg)  # there it was before
    assert b.do("submit", 1)["stamps"] == a.do("submit", 1)["stamps"] == {}


def test_a_queue_moves_to_any_backend_and_back(made: Callable[..., Hosts], pg: Backend, gitlab: GitLab) -> None:
    http = OnHttp(gitlab, gitlab=True)
    hosts = made(pg, others=[http], MaxTotalJobs="4")
    a, b = hosts.all
    references = list(a.do("submit", 3)["stamps"])
    hosts.stop(references[0])
    assert set(b.do("reap")["removed"]) == {references[0]}
    words = a.do("poll", *references)
    moved(a, http)
    late = b.ask("submit", 1)  # its options still say pg
    assert late["error"] == "configuration" and "was moved to http" in late["message"], late
    assert b.ask("poll", *references[1:])["said"] == dict.fromkeys(references[1:], "Running")
    b.use(http)
    b.configure()
    assert a.do("poll", *references) == b.do("poll", *references) == words
    assert len(b.insist("submit", 1)["stamps"]) == 1
    hosts.agree(3)
    hosts.all.remove(b)
    moved(a, None)
    assert a.do("poll", *references) == words and len(a.do("submit", 4)["stamps"]) == 1
    hosts.agree(4)
