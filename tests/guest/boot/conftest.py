"""VMs that boot: one OpenStack with real guests, on which one batch of pilots lives and ends. `make test-boot`.

The rig at TFCE_OPENSTACK_PORT is used, and left running, where TFCE_OPENSTACK_GUESTS=qemu says it is one of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.openstack.api import CloudError
from tests.e2e.openstack.rig import Rig, running
from tests.guest.boot.batch import Batch, Booter
from tests.rigs.guest import image


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The cloud; where it cannot be had, its tests are skipped with the reason, or fail where they must run."""
    with ExitStack() as ending:
        try:
            if reason := image.missing():
                raise CloudError(reason)
            cloud = ending.enter_context(running("qemu"))
        except CloudError as error:
            if os.environ.get("CI") or os.environ.get("TFCE_REQUIRE_RIGS"):
                pytest.fail(f"no VM can be booted here: {error}")
            pytest.skip(f"no VM can be booted here: {error}")
        yield cloud


@pytest.fixture(scope="session")
def batch(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    """Every VM of the suite, all booted at once; each has ended when the first test begins."""
    folder: Path = tmp_path_factory.mktemp("boot")
    booter = Booter(rig, image.ensure(), folder)
    try:
        yield booter.run()
    finally:
        booter.clean()
