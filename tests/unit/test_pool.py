"""Jobs that are shared out, also such as come one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tfce.cloud.pool import run_pool


def test_a_job_is_begun_when_it_comes() -> None:
    begun = threading.Event()

    def jobs() -> Iterator[int]:
        yield 1
        assert begun.wait(20), "the first job waits for the second one"
        yield 2

    done: list[int] = []

    def do(_: str, job: int) -> bool:
        begun.set()
        done.append(job)
        return True

    assert run_pool(["one", "two"], jobs(), do) == [] and sorted(done) == [1, 2]


def test_what_nobody_took_is_told_though_it_came_late() -> None:
    assert run_pool(["one", "two"], iter(range(5)), lambda _, job: False) == [2, 3, 4]
    assert run_pool(["one"], [], lambda _, job: False) == []


def test_jobs_that_end_with_an_error_leave_no_worker_behind() -> None:
    done: list[int] = []

    def jobs() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        run_pool(["one", "two"], jobs(), lambda _, job: not done.append(job))
    assert done == [1]
    assert not [one for one in threading.enumerate() if one.name.startswith("tfce-cloud")]


def test_what_a_job_raises_is_raised() -> None:
    def do(_: str, job: int) -> bool:
        if job == 1:
            raise ValueError("one")
        return True

    with pytest.raises(ValueError, match="one"):
        run_pool(["one", "two"], range(3), do)
