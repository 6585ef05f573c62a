"""A whole life from any host: every verb, one answer everywhere, limits exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.hosts.backends import S3_SECRET, Backend, OnHttp
from tests.e2e.hosts.site import Hosts, said
from tests.rigs import postgres, statehttp
from tests.rigs.gitlab import GitLab
from tests.site import SECRET

SECRETS = (SECRET, S3_SECRET, postgres.PASSWORD, postgres.PASSWORD.replace("%40", "@"), statehttp.PASSWORD)


def test_a_whole_life_from_any_host(made: Callable[..., Hosts], backend: Backend) -> None:
    hosts = made(backend, MaxTotalJobs="3")
    a, b = hosts.all
    with ThreadPoolExecutor(2) as pool:  # at once
        first, second = pool.map(lambda host: host.insist("submit", 2), (a, b))
    references = [ref for one in (first, second) for ref in one["stamps"]]
    assert len(references) == len(set(references)) == len(hosts.living()) == 3
    assert "MaxTotalJobs" in first["why"] + second["why"]
    c = hosts.add("c")  # from nothing
    for host in (a, b, c):
        assert host.do("poll", *references) == dict.fromkeys(references, "Running"), host.letter
        assert set(host.do("status").values()) == {"Running"}
    assert c.do("submit", 1)["stamps"] == {}
    c.do("drain")
    hosts.stop(references[0])
    assert set(b.do("reap")["removed"]) == {references[0]}
    assert a.do("submit", 1)["stamps"] == {}  # c drained it
    b.do("open")
    assert set(c.do("kill", references[1])["removed"]) == {references[1]}
    words = a.do("poll", *references)
    assert words[references[2]] == "Running" and words[references[1]] in ("Aborted", "Deleted", "Killed"), words
    assert b.do("poll", *references) == c.do("poll", *references) == words
    assert len(a.do("submit", 5)["stamps"]) == 2
    hosts.agree(3)
    nowhere_in_clear(hosts)


def nowhere_in_clear(hosts: Hosts) -> None:
    """No secret stands in a file of a host, but in those that hold the logins."""
    for path in hosts.folder.rglob("*"):
        if path.is_file() and path.suffix != ".auth":
            text = path.read_bytes()
            found = [secret for secret in SECRETS if secret.encode() in text]
            assert not found and not re.search(rb"postgres://[^:/]+:[^*@]", text), path


def test_gitlabs_way_of_locking(made: Callable[..., Hosts], gitlab: GitLab) -> None:
    hosts = made(OnHttp(gitlab, gitlab=True))
    a, b = hosts.all
    references = list(a.do("submit", 1)["stamps"])
    assert set(b.do("kill", *references)["removed"]) == set(references)
    assert not {line.split()[0] for line in gitlab.asked} & {"LOCK", "UNLOCK"} and not gitlab.locks
    hosts.agree(0)


def test_the_first_cycles_of_many_queues_at_once(made: Callable[..., Hosts], pg: Backend) -> None:
    """A PostgreSQL makes one state at a time."""
    queues = [made(pg, letter)[0] for letter in "abcdefgh"]
    begun = [queue.begin("submit", 1) for queue in queues]
    assert [len(said(one)["stamps"]) for one in begun] == [1] * len(queues)
