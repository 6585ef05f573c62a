"""What all tests share: no secret of one hides a word of another's, no cloud that was down leaves others without
repeats, and fewer examples where a part is enough."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drawn import drawn, everything
from tfce.cloud import retries
from tfce.model import redact

pytest.register_assert_rewrite("tests.checking", "tests.site")  # they say what they saw, as tests do

if drawn():
    from hypothesis import settings

    settings.register_profile("drawn", max_examples=30)
    settings.load_profile("drawn")


WHOLE = 4 * 3600.0  # seconds that a test may take where nothing is spared: it may walk a long matrix


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items if everything() else ():
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(WHOLE))


@pytest.fixture(autouse=True)
def a_process_begins() -> Iterator[None]:
    redact.forget()
    retries.BUDGETS.clear()
    yield
    redact.forget()
