"""The backend does not answer, or one host's way to it or to the cloud is cut."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.hosts.backends import Backend
from tests.e2e.hosts.site import Hosts

GONE = {"Done", "Failed", "Aborted", "Deleted", "Killed"}


def test_with_the_backend_down_nothing_starts_and_what_ended_still_goes(
    made: Callable[..., Hosts], pg: Backend
) -> None:
    hosts = made(pg, MaxTotalJobs="4")
    a, b = hosts.all
    references = list(a.do("submit", 4)["stamps"])
    ended, named, *rest = references
    b.do("status")
    a.apart(backend=True)
    assert set(a.do("poll", *references).values()) == {"Running"}
    hosts.stop(ended)
    assert set(a.do("reap")["removed"]) == {ended}
    assert set(a.do("kill", named)["removed"]) == {named}
    refused = a.ask("submit", 1)
    assert refused["error"] == "backend" and "does not answer" in refused["message"], refused
    assert len(hosts.living()) == 2
    words = a.do("poll", *references)
    assert [words[one] for one in rest] == ["Running"] * 2 and {words[ended], words[named]} <= GONE
    # The other host reaches the backend, and sees two VMs that somebody removed: none of its business is lost.
    assert len(b.insist("submit", 4)["stamps"]) == 2
    a.apart()
    a.insist("reap")
    b.insist("reap")
    assert a.do("poll", *references) == b.do("poll", *references)
    hosts.agree(4)


def test_with_the_cloud_out_of_reach_a_host_says_so_and_the_other_goes_on(
    made: Callable[..., Hosts], pg: Backend
) -> None:
    hosts = made(pg, MaxTotalJobs="4")
    a, b = hosts.all
    references = list(a.do("submit", 2)["stamps"])
    a.apart(cloud=True)
    for verb, words in (("submit", (1,)), ("poll", references), ("reap", ())):
        answer = a.ask(verb, *words)
        assert answer["error"] == "unreachable", answer
    assert len(b.insist("submit", 1)["stamps"]) == 1
    a.apart()
    assert set(a.do("poll", *references).values()) == {"Running"}
    hosts.agree(3)
