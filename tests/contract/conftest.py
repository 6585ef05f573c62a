"""The edge of this folder is the fakes'; see ``edges``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.edges import FakeEdge


@pytest.fixture(params=[1, 100], ids=["singles", "batches"])
def edge(request: pytest.FixtureRequest, tmp_path: Path) -> FakeEdge:
    return FakeEdge(tmp_path, batch=request.param)
