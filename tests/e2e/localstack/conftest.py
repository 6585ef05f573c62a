"""One LocalStack for the session, one proxy and one site for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.checking import until
from tests.contract.edges import SiteEdge
from tests.drawn import keep
from tests.rigs.localstack import Emulator, LocalStack
from tests.rigs.proxy import Proxy
from tests.site import Site

DRAWN = {"test_faults.py": 1 / 4, "test_contract.py": 1 / 2, "test_life.py": 1 / 2}
ALWAYS = "test_three_pilots_from_submission_to_the_last_reaping"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All of this folder needs LocalStack; what is drawn of it: the native provider takes seconds to start."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("native")
    for name, share in DRAWN.items():
        here = Path(__file__).with_name(name)
        keep(config, items, [item for item in items if item.path == here and ALWAYS not in item.name], share)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """LocalStack: the one that TFCE_TEST_EC2_PORT names (parallel runs share it), else one of our own."""
    port = os.environ.get("TFCE_TEST_EC2_PORT")
    if port:
        shared = LocalStack(int(port))  # it may still be starting
        until(shared.answers, "LocalStack answers", shared.start_seconds, 0.2)
        yield shared
        return
    with LocalStack() as cloud:
        yield cloud


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    """A proxy that leaves the emulator's answers as they are, XML namespace and all."""
    with Proxy(emulator.url, mend=False) as between:
        yield between


@pytest.fixture
def module() -> str:
    """The root module; a test that runs on both has it as a parameter."""
    return "native"


@pytest.fixture
def site(tmp_path: Path, emulator: Emulator, proxy: Proxy, module: str) -> Site:
    """A site with an account of its own, and a CE that no other test has."""
    emulator.account = f"{uuid4().int % 10**12:012d}"
    options = {"Terraform_Module": module, "Terraform_Batch": "1"}
    return Site(tmp_path / "site", emulator, proxy, ce=f"cloud-{uuid4().hex[:8]}.example.org", options=options)


@pytest.fixture
def edge(site: Site) -> SiteEdge:
    """The real edge of the contract tests."""
    return SiteEdge(site)
