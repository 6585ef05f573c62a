"""Queues that tfce's own provider serves, on moto; one server for the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.edges import SiteEdge
from tests.drawn import keep
from tests.rigs.localstack import Emulator, Moto
from tests.rigs.proxy import Proxy
from tests.site import Site


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of what is tried with either module, a part is drawn of the native one's: its provider starts slowly."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    native = [item for item in here if "[native" in item.name]
    for item in native:
        item.add_marker("native")
    keep(config, items, native, 1 / 2)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Moto() as cloud:
        yield cloud


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    with Proxy(emulator.url, mend=False) as between:
        yield between


@pytest.fixture
def module() -> str:
    """The root module; a test that runs on both has it as a parameter."""
    return "bulk"


@pytest.fixture
def site(tmp_path: Path, emulator: Emulator, proxy: Proxy, module: str) -> Site:
    """A site whose CE no other test has, with a call for each VM."""
    ce = f"cloud-{uuid4().hex[:8]}.example.org"
    options = {"Terraform_Module": module, "Terraform_Batch": "1"}
    return Site(tmp_path / "site", emulator, proxy, ce=ce, options=options)


@pytest.fixture
def together(site: Site) -> Site:
    """The site, with one call for all VMs of a submission."""
    site.configure(Terraform_Batch="100")
    return site


@pytest.fixture
def edge(site: Site) -> SiteEdge:
    """For the contract tests."""
    return SiteEdge(site)
