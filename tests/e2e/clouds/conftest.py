"""Queues in clouds that libcloud's own drivers reach, each an emulator of ours that speaks the vendor's API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.edges import Parts, SiteEdge, Words
from tests.drawn import keep
from tests.e2e.clouds.site import NamedSite
from tests.rigs.clouds.base import RestCloud
from tests.rigs.clouds.cloudstack import CloudStack
from tests.rigs.clouds.digitalocean import DigitalOcean
from tests.rigs.clouds.linode import Linode
from tests.rigs.clouds.vultr import Vultr
from tfce.cloud.generic.nodes import name_of

CLOUDS: tuple[type[RestCloud], ...] = (CloudStack, DigitalOcean, Linode, Vultr)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the contracts in which Terraform runs a part is drawn: what differs from cloud to cloud is the driver."""
    runs = ("tests.contract.test_life", "tests.contract.test_provisioner")
    here = [one for one in items if one.path.parent == Path(__file__).parent and isinstance(one, pytest.Function)]
    keep(config, items, [one for one in here if one.function.__module__ in runs], 0.4)


class _Names(Words):
    def name(self, parts: Parts, key: str) -> str:
        return name_of(parts.workspace.owner(), "tfce-", key)


@pytest.fixture(params=CLOUDS, ids=lambda made: made.__name__)
def cloud(request: pytest.FixtureRequest) -> Iterator[RestCloud]:
    """Each of the clouds, empty."""
    with request.param() as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, cloud: RestCloud) -> NamedSite:
    """A queue in it."""
    return NamedSite(tmp_path / "site", cloud)


@pytest.fixture
def edge(site: NamedSite) -> SiteEdge:
    """For the contract tests."""
    edge = SiteEdge(site)
    edge.words = _Names("list_nodes", "create_node", site.cloud.other)
    return edge
