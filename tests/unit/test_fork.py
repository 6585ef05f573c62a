"""A process that forks while another thread of it is at work, as DIRAC's agents do."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.checking import until
from tfce.cloud.listing import Listing
from tfce.cloud.shared import SharedLists
from tfce.config.capabilities import Capabilities
from tfce.model import fork
from tfce.model.errors import BusyError
from tfce.model.vm import Owner
from tfce.store.journal import Journal
from tfce.terraform.run_lock import run_lock

OWNER = Owner("site", "ce", "long")


def left_alive(folder: Path) -> int:
    """Fork a child that lives until it is seen to be over; its pid."""
    pid = os.fork()
    if pid == 0:
        (folder / "ready").touch()
        while not (folder / "over").exists():
            time.sleep(0.02)
        os._exit(0)
    return pid


@contextmanager
def while_alive(pid: int, folder: Path) -> Iterator[None]:
    """The child of ``left_alive`` lives as long as this lasts."""
    try:
        until((folder / "ready").exists, "the child lives")
        yield
    finally:
        (folder / "over").touch()
        os.waitpid(pid, 0)


def in_child(work: Callable[[], object], seconds: float = 10) -> bool:
    """Whether a forked child does ``work`` and ends well, within ``seconds``."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return False


class Quick:
    """A cloud that answers at once. ``most``: for how many queues it filters a list."""

    def __init__(self, most: int | None = None) -> None:
        self.capabilities = Capabilities(list_owners=most)

    def vms(self, *owners: Owner) -> Listing:
        return Listing()

    def everyone(self) -> Listing:
        return self.vms()

    def part(self, found: Listing, owner: Owner) -> Listing:
        return found


class Slow(Quick):
    """A cloud whose list comes when it is let go."""

    def __init__(self, most: int | None) -> None:
        super().__init__(most)
        self.asked, self.go = threading.Event(), threading.Event()

    def vms(self, *owners: Owner) -> Listing:
        self.asked.set()
        self.go.wait(30)
        return Listing()


def test_a_lock_that_another_thread_holds_is_free_in_the_child() -> None:
    lock, held, go = fork.Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    try:
        assert in_child(lock.__enter__)
    finally:
        go.set()
        thread.join()
    with lock:
        pass


@pytest.mark.parametrize("most", [None, 100])
def test_a_list_that_another_thread_waits_for_is_asked_for_again_in_the_child(most: int | None) -> None:
    lists, slow = SharedLists(), Slow(most)
    thread = threading.Thread(target=lambda: lists.vms(slow, OWNER, 5))  # type: ignore[arg-type]
    thread.start()
    slow.asked.wait(30)
    try:
        assert in_child(lambda: lists.vms(Quick(most), OWNER, 5))  # type: ignore[arg-type]
    finally:
        slow.go.set()
        thread.join()


def test_what_another_thread_was_writing_is_nothing_the_child_waits_for() -> None:
    lists = SharedLists()
    with lists.writing(OWNER):
        assert in_child(lambda: lists.vms(Quick(), OWNER, 5) and lists.vms(Quick(), OWNER, 5))  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [None, KeyError])
def test_a_run_that_has_ended_leaves_the_queue_free_though_a_child_lives_on(
    tmp_path: Path, error: type[Exception] | None
) -> None:
    with pytest.raises(error) if error else nullcontext(), run_lock(tmp_path, "queue", 0):
        pid = left_alive(tmp_path)
        if error:
            raise error
    with while_alive(pid, tmp_path), run_lock(tmp_path, "queue", 0):
        pass


def test_what_a_run_started_keeps_its_lock_beyond_it(tmp_path: Path) -> None:
    with run_lock(tmp_path, "queue", 0) as handle:
        left = subprocess.Popen(["sleep", "60"], pass_fds=[handle])
    try:
        with pytest.raises(BusyError), run_lock(tmp_path, "queue", 0):
            pass
    finally:
        left.kill()
        left.wait()
    with run_lock(tmp_path, "queue", 0):
        pass


def test_a_child_of_a_line_that_is_written_keeps_nobody_from_the_next_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: datetime.now(UTC))
    with journal._opened(datetime.now(UTC)):
        pid = left_alive(tmp_path)
    with while_alive(pid, tmp_path):
        begun = time.monotonic()
        journal.append("submit")
        assert time.monotonic() - begun < 0.9  # a lock of a journal is waited for a second
    assert [entry["event"] for entry in journal.entries()] == ["submit"]


def test_no_lock_of_a_process_is_held_in_a_forked_child() -> None:
    package = Path(fork.__file__).parent.parent
    plain = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"threading\.(R?Lock|Condition|Semaphore)\b", path.read_text())
    }
    # The login's is tried, never waited for; a run's is of threads that serve its Terraform: no child has them.
    assert plain == {"model/fork.py", "cloud/openstack/login.py", "provider/run.py"}


def test_no_lock_on_a_file_goes_along_with_a_forked_child() -> None:
    package = Path(fork.__file__).parent.parent
    locking = {path for path in package.rglob("*.py") if "fcntl.flock(" in path.read_text()}
    plain = {str(path.relative_to(package)) for path in locking if "fork.Handle(" not in path.read_text()}
    # A run removes its folder whoever holds it, and nobody waits for it.
    assert len(locking) > len(plain) and plain == {"provider/attached.py"}


@pytest.mark.parametrize("error", [None, KeyError])
def test_a_lock_is_given_back_however_it_ends(error: type[Exception] | None) -> None:
    lock = fork.Lock()
    try:
        with lock:
            if error:
                raise error
    except KeyError:
        pass
    with lock:
        pass
