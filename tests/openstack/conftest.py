"""One OpenStack for the session, one site with a CE of its own for each test: `python -m pytest tests/openstack`.

The rig at TFCE_OPENSTACK_PORT is used, and left running; without it one is started, and stopped at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.openstack.cloud import OpenStackSite
from tests.openstack.rig import Rig, RigError, running

NewSite = Callable[..., OpenStackSite]


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The cloud; where it cannot be had, its tests are skipped with the reason, or fail where they must run."""
    with ExitStack() as ending:
        try:
            cloud = ending.enter_context(running())
        except RigError as error:
            if os.environ.get("CI") or os.environ.get("TFCE_REQUIRE_RIGS"):
                raise
            pytest.skip(f"no OpenStack here: {error}")
        yield cloud


@pytest.fixture
def new_site(tmp_path: Path, rig: Rig) -> Iterator[NewSite]:
    """Makes sites whose CE no other test has; their VMs are deleted after the test."""
    made: list[OpenStackSite] = []

    def make(project: str = "demo", **options: str) -> OpenStackSite:
        ce = f"cloud-{uuid4().hex[:8]}.example.org"
        made.append(OpenStackSite(tmp_path / f"site{len(made)}", rig, ce, project=project, options=options))
        return made[-1]

    yield make
    for site in made:
        site.clean()


@pytest.fixture
def site(new_site: NewSite) -> OpenStackSite:
    """A site in the project demo."""
    return new_site()
