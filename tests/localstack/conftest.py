"""One LocalStack for the session, one proxy and one site for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rigs.localstack import Emulator, LocalStack
from tests.rigs.proxy import Proxy
from tests.site import Site


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """LocalStack: the one that TFCE_TEST_EC2_PORT names (parallel runs share it), else one of our own."""
    port = os.environ.get("TFCE_TEST_EC2_PORT")
    if port:
        yield LocalStack(int(port))
        return
    with LocalStack() as cloud:
        yield cloud


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    """A proxy that leaves the emulator's answers as they are, XML namespace and all."""
    with Proxy(emulator.url, mend=False) as between:
        yield between


@pytest.fixture
def site(tmp_path: Path, emulator: Emulator, proxy: Proxy) -> Site:
    """A site whose CE no other test has."""
    return Site(tmp_path / "site", emulator, proxy, ce=f"cloud-{uuid4().hex[:8]}.example.org")
