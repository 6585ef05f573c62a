"""One OpenStack for the session, one site with a CE of its own for each test: `pytest tests/e2e/openstack`.

The cloud that OS_CLOUD names is used, else the rig at TFCE_OPENSTACK_PORT, which is left running; without either a
rig is started, and stopped at the end. Three markers:

    rig("why")      the test needs the rig, and is skipped on a cloud of one's own
    takes("what")   the test uses a part of the rig that serves one test at a time: a region, a project, a service
    alone           the test stops services; it runs when no other does
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.checking import until
from tests.drawn import keep
from tests.e2e.openstack.api import AnyCloud, CloudError
from tests.e2e.openstack.cloud import OpenStackSite
from tests.e2e.openstack.own import OwnCloud
from tests.e2e.openstack.rig import Rig, provider_mirror, running

NewSite = Callable[..., OpenStackSite]
OWN = os.environ.get("OS_CLOUD")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the contracts with Terraform's own provider a part is drawn."""
    contracts = [item for item in items if item.path == Path(__file__).with_name("test_contract.py")]
    keep(config, items, [item for item in contracts if "native" in item.name], 1 / 3)


@pytest.fixture(scope="session")
def cloud() -> Iterator[AnyCloud]:
    """The cloud; where it cannot be had, its tests are skipped with the reason, or fail where they must run."""
    with ExitStack() as ending:
        try:
            if OWN:
                provider_mirror()
            found = OwnCloud(OWN) if OWN else ending.enter_context(running())
        except CloudError as error:
            if OWN or os.environ.get("CI") or os.environ.get("TFCE_REQUIRE_RIGS"):
                raise
            pytest.skip(f"no OpenStack here: {error}")
        yield found


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Skips what needs the rig on a cloud of one's own; keeps apart what must not run side by side."""
    needs = request.node.get_closest_marker("rig")
    if needs and OWN:
        pytest.skip(f"not on OS_CLOUD={OWN}: {needs.args[0]}")
    parts = sorted(mark.args[0] for mark in request.node.iter_markers("takes"))
    with request.getfixturevalue("cloud").turn(parts, alone=bool(request.node.get_closest_marker("alone"))):
        yield


@pytest.fixture
def rig(cloud: AnyCloud) -> Rig:
    """The rig, for tests with the marker."""
    assert isinstance(cloud, Rig), "this test lacks the marker rig"
    return cloud


@pytest.fixture
def new_site(tmp_path: Path, cloud: AnyCloud) -> Iterator[NewSite]:
    """Makes sites whose CE no other test has; their VMs are deleted after the test."""
    made: list[OpenStackSite] = []

    def make(project: str = "demo", **options: str) -> OpenStackSite:
        ce = f"cloud-{uuid4().hex[:8]}.example.org"
        made.append(OpenStackSite(tmp_path / f"site{len(made)}", cloud, ce, project=project, options=options))
        return made[-1]

    yield make
    for site in made:
        site.clean()


@pytest.fixture
def site(new_site: NewSite) -> OpenStackSite:
    """A site in the project demo."""
    return new_site()


@pytest.fixture
def tiny(new_site: NewSite) -> OpenStackSite:
    """A site in the project tiny, which has room for two VMs, and none yet; its tests take("tiny")."""
    site = new_site("tiny")
    until(lambda: not site.api.servers(), "the VMs of the test before are gone")
    return site
