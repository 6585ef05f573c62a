"""One cloud and one server of each backend for the session; hosts of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from tests.drawn import keep
from tests.e2e.hosts.backends import Backend, OnHttp, OnPostgres, OnS3
from tests.e2e.hosts.site import Hosts
from tests.rigs.errors import RigError
from tests.rigs.gitlab import GitLab
from tests.rigs.localstack import Emulator, LocalStack, Moto
from tests.rigs.postgres import Postgres
from tests.rigs.statehttp import StateServer
from tests.rigs.wire import Island

Had = TypeVar("Had")
_SOME = 4  # of the tests, beside the one that always runs
_ALWAYS = "test_a_whole_life_from_any_host[pg]"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where a part is enough: one whole life, and some of the others, as the seed draws them."""
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    others = [item for item in mine if item.name != _ALWAYS]
    if len(others) > _SOME:
        keep(config, items, others, _SOME / len(others))


@pytest.fixture(scope="session")
def cloud() -> Iterator[Emulator]:
    with Moto() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A database that no test stops."""
    with _had(Postgres) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[Emulator]:
    with LocalStack(settings={"SERVICES": "s3,ec2"}) as emulator:
        yield emulator


@pytest.fixture
def states() -> Iterator[StateServer]:
    with StateServer() as server:
        yield server


def _had(make: Callable[[], Had]) -> Had:
    """What the machine has; a skip with the reason where it has not."""
    try:
        return make()
    except (RigError, OSError) as error:
        if os.environ.get("TFCE_REQUIRE_RIGS"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Whether hosts can have networks of their own."""
    island = _had(Island({}).__enter__)
    island.__exit__()


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    with GitLab() as server:
        yield server


@pytest.fixture(params=["pg", "s3", "http", "gitlab"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend."""
    if request.param == "pg":
        return OnPostgres(request.getfixturevalue("postgres"))
    if request.param == "s3":
        return OnS3(request.getfixturevalue("s3"))
    if request.param == "gitlab":
        return OnHttp(request.getfixturevalue("gitlab"), gitlab=True)
    return OnHttp(request.getfixturevalue("states"))


@pytest.fixture
def pg(postgres: Postgres) -> Backend:
    """A place in the database."""
    return OnPostgres(postgres)


@pytest.fixture
def made(tmp_path: Path, cloud: Emulator, namespaces: None) -> Iterator[Callable[..., Hosts]]:
    """Makes hosts, which end with the test."""
    with ExitStack() as stack:
        yield lambda backend, letters="ab", **options: stack.enter_context(
            Hosts(tmp_path, cloud, backend, letters, **options)
        )
