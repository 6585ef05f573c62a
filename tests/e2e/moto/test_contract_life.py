"""The contract of a queue's life, with one API call for all VMs of a submission."""

import pytest

from tests.contract.edges import SiteEdge
from tests.contract.test_life import *  # noqa: F403
from tests.site import Site


@pytest.fixture
def edge(together: Site) -> SiteEdge:
    return SiteEdge(together, batch=100)
