"""This folder runs cloud-init for real. A suite of its own: `pytest tests/guest/stages` (root, debootstrap)."""

from __future__ import annotations

import os

import pytest

from tests.rigs import cloudinit


@pytest.fixture(scope="session", autouse=True)
def debian() -> None:
    """Debian 12 with cloud-init. TFCE_REQUIRE_RIGS=1 (CI) makes its absence a failure."""
    reason = cloudinit.available()
    if reason and os.environ.get("TFCE_REQUIRE_RIGS"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    cloudinit.root()
