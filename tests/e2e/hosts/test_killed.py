"""The cloud or the backend is killed in the middle of a request, and comes back with what it held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.checking import until
from tests.claims import subset
from tests.e2e.hosts.backends import Backend, Fated, mortal
from tests.e2e.hosts.site import Hosts
from tests.rigs.fate import UNANSWERED, UNDONE, Moment
from tests.rigs.kept import KeptMoto

MOMENTS = (UNDONE, UNANSWERED)


@pytest.fixture
def kept() -> Iterator[KeptMoto]:
    """A cloud of the test's own."""
    with KeptMoto() as emulator:
        yield emulator


@pytest.fixture
def hosts(tmp_path: Path, kept: KeptMoto, pg: Backend, namespaces: None) -> Iterator[Hosts]:
    """Two of them, on that cloud."""
    with Hosts(tmp_path, kept, pg, MaxTotalJobs="3") as made:
        yield made


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_cloud_that_dies_while_it_starts_vms(hosts: Hosts, kept: KeptMoto, moment: Moment) -> None:
    a, b = hosts.all
    first = a.do("submit", 1)["stamps"]
    kept.doom(moment)
    answer = a.ask("submit", 2)
    until(lambda: not kept.running(), "the end of the cloud")
    assert not answer.get("said", {}).get("stamps"), answer
    assert b.ask("poll", *first)["error"] == "unreachable"
    kept.kill()
    kept.start()
    assert len(hosts.living()) == (3 if moment == UNANSWERED else 1)
    b.insist("reap")
    assert len(hosts.living()) >= 1 and subset(set(first), {f"cloud://{node}" for node in hosts.living()})
    b.insist("submit", 3)
    hosts.agree(3)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_cloud_that_dies_while_it_removes_one(hosts: Hosts, kept: KeptMoto, moment: Moment) -> None:
    a, b = hosts.all
    one, other = a.do("submit", 2)["stamps"]
    kept.doom(moment)
    a.ask("kill", one)
    until(lambda: not kept.running(), "the end of the cloud")
    kept.kill()
    kept.start()
    b.insist("kill", one)
    b.insist("reap")
    assert set(hosts.living()) == {other.removeprefix("cloud://")}
    assert b.do("poll", other) == {other: "Running"}
    hosts.agree(1)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", ["s3", "http"])
def test_a_backend_that_dies_while_it_writes(made: Callable[..., Hosts], kind: str, moment: Moment) -> None:
    with ExitStack() as stack:
        place, server = mortal(kind, stack)
        assert isinstance(server, Fated)
        hosts = made(place, MaxTotalJobs="3")
        a, b = hosts.all
        a.do("submit", 1)
        server.doom(moment)
        a.ask("submit", 1)
        server.kill()
        server.start()
        b.ask("submit", 1)
        b.pass_lease()
        b.insist("submit", 3)
        hosts.agree(3)
