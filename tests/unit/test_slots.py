"""Slots: so many runs, who waits for a cloud holds none, and a cloud that hangs keeps back only its own queues."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tfce.model.errors import BusyError
from tfce.store.slots import slot

RESTING = """
import sys
from pathlib import Path
from tfce.store.slots import slot
with slot(Path(sys.argv[1]), "cloud", 1, 0) as rest, rest():
    print("resting", flush=True)
    sys.stdin.read()
"""
SOON = 10.0  # seconds on a machine that has much else to do


class Crowd:
    """How many are at work, and how many were at most."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def work(self, seconds: float) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(seconds)
        with self._lock:
            self.inside -= 1


def at_once(works: Sequence[Callable[[], None]], seconds: float) -> None:
    """Each in a thread of its own, waited for this long."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)


def test_so_many_runs_and_no_more(tmp_path: Path) -> None:
    with slot(tmp_path, "cloud", 2, 0), slot(tmp_path, "cloud", 2, 0):
        start = time.monotonic()
        with pytest.raises(BusyError, match="Terraform_MaxProcesses"), slot(tmp_path, "cloud", 2, 0.2):
            pass
        assert 0.2 <= time.monotonic() - start < 5
    with slot(tmp_path, "cloud", 2, 0), slot(tmp_path, "cloud", 2, 0):
        pass


def test_a_slot_is_free_after_an_exception_and_a_busy_body_is_not_tried_again(tmp_path: Path) -> None:
    entered = 0
    with pytest.raises(BusyError, match="inner"), slot(tmp_path, "cloud", 3, 1):
        entered += 1
        raise BusyError("inner")
    assert entered == 1
    with slot(tmp_path, "cloud", 1, 0):
        pass


def test_many_threads_share_two_slots(tmp_path: Path) -> None:
    crowd = Crowd()

    def work() -> None:
        with slot(tmp_path, "cloud", 2, 20):
            crowd.work(0.02)

    at_once([work] * 6, 30)
    assert (crowd.inside, crowd.most) == (0, 2)


def test_who_waits_long_for_runs_that_only_wait_themselves_gets_a_slot(tmp_path: Path) -> None:
    with slot(tmp_path, "cloud", 1, 0), pytest.raises(BusyError), slot(tmp_path, "cloud", 1, 0.2, patience=5):
        pass
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(slot(tmp_path, "cloud", 1, 5, patience=0.1))
        with pytest.raises(BusyError), slot(tmp_path, "cloud", 1, 1, patience=0.1):
            pass


def free(folder: Path, cloud: str, count: int) -> int:
    """How many runs of ``cloud`` may begin now."""
    with ExitStack() as held:
        for number in range(count + 1):
            try:
                held.enter_context(slot(folder, cloud, count, 0))
            except BusyError:
                return number
    return count + 1


@contextmanager
def hanging(folder: Path, clouds: list[str], count: int) -> Iterator[None]:
    """A run of each of ``clouds`` (named again: another run) waits for it, as long as this lasts."""
    with ExitStack() as held:
        for cloud in clouds:
            rest = held.enter_context(slot(folder, cloud, count, 5, patience=0.1))
            held.enter_context(rest())
        yield


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("runs", [1, 4])
@pytest.mark.parametrize("clouds", [1, 5, 20])
def test_clouds_that_hang_do_not_hold_back_others_whatever_their_number(
    tmp_path: Path, clouds: int, runs: int, count: int
) -> None:
    with hanging(tmp_path, [f"hangs{n}" for n in range(clouds) for _ in range(min(runs, count))], count):
        start = time.monotonic()
        with slot(tmp_path, "well", count, 0):
            assert time.monotonic() - start < SOON
        assert free(tmp_path, "well", count) == count


def test_a_cloud_that_hangs_has_four_times_its_slots_at_most(tmp_path: Path) -> None:
    with hanging(tmp_path, ["hangs"] * 8, 2):
        with (
            pytest.raises(BusyError, match="2 Terraform runs of this cloud were under way"),
            slot(tmp_path, "hangs", 2, 1, patience=0.1),
        ):
            pass
        assert free(tmp_path, "well", 2) == 2


def test_who_comes_back_from_a_cloud_waits_for_work_of_others(tmp_path: Path) -> None:
    order: list[str] = []
    with slot(tmp_path, "a", 1, 0) as rest:
        other = slot(tmp_path, "b", 1, 5)
        with rest():
            other.__enter__()

        def back() -> None:
            with rest():
                pass
            order.append("back")

        thread = threading.Thread(target=back)
        thread.start()
        time.sleep(0.2)
        order.append("work")
        other.__exit__(None, None, None)
        thread.join(10)
        assert order == ["work", "back"] and free(tmp_path, "c", 1) == 0
    assert free(tmp_path, "c", 1) == 1


def test_who_comes_back_goes_on_without_a_slot_where_nobody_gives_one(tmp_path: Path) -> None:
    with ExitStack() as held:
        rest = held.enter_context(slot(tmp_path, "a", 1, 0, patience=0.3))
        with rest():
            for number in range(4):  # as many as there ever are
                held.enter_context(slot(tmp_path, f"b{number}", 1, 5, patience=0.1))
            began = time.monotonic()
        assert time.monotonic() - began < SOON


def test_a_run_that_is_over_takes_no_slot_any_more(tmp_path: Path) -> None:
    waits, goes_on = threading.Event(), threading.Event()
    with slot(tmp_path, "a", 1, 0) as rest:

        def late() -> None:
            with rest():
                waits.set()
                goes_on.wait(10)

        thread = threading.Thread(target=late)
        thread.start()
        waits.wait(10)
    goes_on.set()
    thread.join(10)
    assert free(tmp_path, "a", 1) == 1


def test_threads_of_a_run_rest_together(tmp_path: Path) -> None:
    with slot(tmp_path, "a", 1, 0) as rest:
        with rest():
            with rest():
                assert free(tmp_path, "b", 1) == 1
            assert free(tmp_path, "b", 1) == 1  # another thread still waits
        assert free(tmp_path, "b", 1) == 0


def test_no_more_work_than_slots_whoever_rests(tmp_path: Path) -> None:
    crowd = Crowd()

    def run(cloud: str) -> None:
        with slot(tmp_path, cloud, 2, 30) as rest:
            for _ in range(3):
                crowd.work(0.01)
                with rest():
                    time.sleep(0.01)
            crowd.work(0.01)

    at_once([partial(run, f"cloud{n % 4}") for n in range(8)], 60)
    assert (crowd.inside, crowd.most) == (0, 2)


def test_slots_that_cannot_be_had_back_stop_no_run(tmp_path: Path) -> None:
    place = tmp_path / "slots"
    place.mkdir()
    with slot(place, "a", 1, 0) as rest, rest():
        place.rename(tmp_path / "away")


def test_a_killed_run_that_rested_holds_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RESTING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdin and process.stdout.readline() == "resting\n"
    assert free(tmp_path, "cloud", 1) == 0 and free(tmp_path, "other", 1) == 1
    process.kill()
    process.wait(10)
    process.stdin.close()
    process.stdout.close()
    assert free(tmp_path, "cloud", 1) == 1
