"""Locks: one writer, bounded waits, and nothing left by the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tfce.model.errors import BusyError, WorkspaceError
from tfce.store.holder import holder
from tfce.store.locks import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from tfce.store.locks import exclusive
with exclusive(Path(sys.argv[1]), 0, "x"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_thread_is_told_that_it_is_busy_within_its_time(tmp_path: Path) -> None:
    told: list[BusyError] = []

    def second() -> None:
        try:
            with exclusive(tmp_path / "lock", 0.2, "ce/long"):
                pass
        except BusyError as error:
            told.append(error)

    with exclusive(tmp_path / "lock", 0, "ce/long"):
        start = time.monotonic()
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
    assert len(told) == 1 and 0.2 <= time.monotonic() - start < 5
    assert "ce/long is busy" in told[0].message and "0.2 s" in told[0].message and told[0].exit_code == 4
    second()
    assert len(told) == 1  # free again


def test_a_lock_is_free_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "lock", 0, "x"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "lock", 0, "x"):
        pass


def test_the_dead_hold_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError), exclusive(tmp_path / "lock", 0, "x"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    with exclusive(tmp_path / "lock", 0, "x"):
        pass
    holder.stdout.close()


def test_one_waits_for_the_other_and_then_gets_it(tmp_path: Path) -> None:
    waiting, order = threading.Event(), []

    def second() -> None:
        waiting.set()
        with exclusive(tmp_path / "lock", 10, "x"):
            order.append("second")

    thread = threading.Thread(target=second)
    with exclusive(tmp_path / "lock", 0, "x"):
        thread.start()
        waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_lock_is_private(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock", 0, "x"):
        assert (tmp_path / "lock").stat().st_mode & 0o077 == 0


def test_a_lock_that_cannot_be_made_names_its_file(tmp_path: Path) -> None:
    locked = exclusive(tmp_path / ("x" * 300), 0, "x")
    with pytest.raises(WorkspaceError, match=r"cannot be (opened|locked)") as caught, locked:
        pass
    assert str(tmp_path) in caught.value.message


def test_who_is_busy_is_named_and_a_killed_holder_is_nobody(tmp_path: Path) -> None:
    lock, note = tmp_path / "lock", tmp_path / "lock.json"
    code = (
        "import sys; from pathlib import Path; from tfce.store import actor, locks\n"
        "actor.doing.set('reap')\n"
        "with locks.exclusive(Path(sys.argv[1]), 0, 'x', Path(sys.argv[2])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(lock), str(note)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with (
        pytest.raises(BusyError, match=rf"x is busy: \S+ \(-c reap, process {process.pid}\), since 20"),
        exclusive(lock, 0, "x", note),
    ):
        pass
    process.kill()
    process.wait(timeout=10)
    assert note.exists() and holder(note) is None
    with exclusive(lock, 0, "x", note):
        mine = holder(note)
        assert mine is not None and mine.pid == os.getpid()
    assert not note.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pid": "x"}'])
def test_a_note_that_nobody_understands_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.json").write_text(text)
    assert holder(tmp_path / "lock.json") is None
