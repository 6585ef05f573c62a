"""Running a program: bounded, interruptible, and nothing it did is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checking import alive
from tfce.model.reasons import Stopped
from tfce.terraform import process
from tfce.terraform.process import Ended, run

ENVIRONMENT = {"PATH": os.environ["PATH"]}
# What a Terraform does: it says what it begins, and after one SIGINT it records what came of it.
POLITE = "trap 'echo recorded; exit 1' INT; echo begun; while :; do sleep 0.05; done"
STUBBORN = "trap 'echo SIGINT' INT; trap {term} TERM; echo begun; while :; do sleep 0.05; done"


def shell(script: str, folder: Path, timeout: float = 30, **more: object) -> Ended:
    argv = ["/bin/sh", "-c", script]
    return run(argv, folder=folder, environment=ENVIRONMENT, timeout=timeout, **more)  # type: ignore[arg-type]


def python(code: str, folder: Path, timeout: float = 30, **more: object) -> Ended:
    argv = [sys.executable, "-c", code]
    return run(argv, folder=folder, environment=ENVIRONMENT, timeout=timeout, **more)  # type: ignore[arg-type]


def wait_for(true: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_what_it_did_is_what_is_told(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); print('ü', file=sys.stderr); sys.exit(7)"
    ended = python(code, tmp_path)
    assert ended == Ended(7, f"{tmp_path}\n", "ü\n", Stopped.NO)


def test_only_the_given_environment_gets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_pilots", "{}")
    assert "TF_VAR_pilots" not in python("import os; print(dict(os.environ))", tmp_path).out


def test_it_has_no_input_to_wait_for(tmp_path: Path) -> None:
    assert python("import sys; print(repr(sys.stdin.read()))", tmp_path).out == "''\n"


def test_output_larger_than_any_pipe_arrives_whole_on_both_channels(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys\nfor n in range(50000):\n print(n, 'x' * 50)\n print(n, 'y' * 50, file=sys.stderr)"
    ended = python(code, tmp_path, on_line=lines.append)
    assert len(ended.out) > 2_500_000 and len(ended.err) > 2_500_000
    assert ended.out.splitlines() == lines and lines[-1].startswith("49999 ")


def test_lines_come_while_it_runs_and_whole(tmp_path: Path) -> None:
    # The program goes on only when its first line, written in two halves, has been seen.
    seen: list[str] = []
    go = tmp_path / "go"

    def on_line(line: str) -> None:
        seen.append(line)
        go.touch()

    code = (
        "import sys, time, os\nsys.stdout.write('fi'); sys.stdout.flush(); time.sleep(0.15)\n"
        f"print('rst', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)\nprint('second')"
    )
    assert python(code, tmp_path, on_line=on_line).exit == 0
    assert seen == ["first", "second"]


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    lines: list[str] = []
    ended = python("import sys; sys.stdout.buffer.write(b'a\\xff\\n')", tmp_path, on_line=lines.append)
    assert lines == ["a\ufffd"] and ended.out == "a\ufffd\n"


def test_after_its_time_it_is_asked_once_and_what_it_records_counts(tmp_path: Path) -> None:
    start = time.monotonic()
    ended = shell(POLITE, tmp_path, timeout=0.5)
    assert ended == Ended(1, "begun\nrecorded\n", "", Stopped.TIMED_OUT)
    assert 0.5 <= time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("term", "code"),
    [("-", -signal.SIGTERM), ("''", -signal.SIGKILL)],
    ids=["ends at SIGTERM", "ends at SIGKILL"],
)
def test_who_does_not_listen_is_stopped_harder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, term: str, code: int
) -> None:
    monkeypatch.setattr(process, "INTERRUPT_GRACE", 0.3)
    monkeypatch.setattr(process, "TERMINATE_GRACE", 0.3)
    start = time.monotonic()
    ended = shell(STUBBORN.format(term=term), tmp_path, timeout=0.5)
    assert (ended.exit, ended.stopped) == (code, "timed out")
    assert ended.out.count("SIGINT") == 1
    assert 0.8 <= time.monotonic() - start < 15


def test_the_hardest_stop_reaches_its_children_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "INTERRUPT_GRACE", 0.1)
    monkeypatch.setattr(process, "TERMINATE_GRACE", 0.1)
    script = "sleep 60 & echo $!; " + STUBBORN.format(term="''")
    ended = shell(script, tmp_path, timeout=0.5)
    provider = int(ended.out.split()[0])
    wait_for(lambda: not alive(provider))


def test_defaults_leave_terraform_time_to_record() -> None:
    assert process.INTERRUPT_GRACE >= 60 and process.TERMINATE_GRACE >= 5


OUTER = """
import sys
from pathlib import Path
from tfce.terraform.process import run
ended = run(["/bin/sh", "-c", sys.argv[2]], folder=Path(sys.argv[1]), timeout=60,
            environment={"PATH": "/usr/bin:/bin"},
            keep_open=[int(n) for n in sys.argv[3:]], on_line=lambda line: print(line, flush=True))
print("ended", ended.exit, ended.stopped, repr(ended.out), flush=True)
"""


def outer(folder: Path, code: str, *handles: int) -> subprocess.Popen[str]:
    """Another process that runs ``code`` through ``process.run``, as a session of its own like a terminal's."""
    argv = [sys.executable, "-c", OUTER, str(folder), code, *map(str, handles)]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, pass_fds=handles
    )


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def test_it_has_a_session_of_its_own_that_no_terminal_signals(tmp_path: Path) -> None:
    group, session, own = shell("cut -d' ' -f5,6 /proc/$$/stat; echo $$", tmp_path).out.split()
    assert group == session == own


def test_ctrl_c_reaches_it_once_and_we_wait_for_its_last_words(tmp_path: Path) -> None:
    child = outer(tmp_path, POLITE)
    assert first_line(child) == "begun\n"
    os.killpg(child.pid, signal.SIGINT)  # a terminal signals the whole group
    out, err = child.communicate(timeout=20)
    assert out.splitlines()[-1] == "ended 1 interrupted 'begun\\nrecorded\\n'", err
    assert "KeyboardInterrupt" not in err


def test_a_second_ctrl_c_is_stronger(tmp_path: Path) -> None:
    child = outer(tmp_path, STUBBORN.format(term="-"))
    assert first_line(child) == "begun\n"
    child.send_signal(signal.SIGINT)
    assert first_line(child) == "SIGINT\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert out.splitlines()[-1].startswith(f"ended {-signal.SIGTERM} interrupted"), err


def test_ctrl_c_while_a_line_is_taken_is_not_lost(tmp_path: Path) -> None:
    # KeyboardInterrupt may come up anywhere, also inside on_line.
    raised: list[str] = []

    def on_line(line: str) -> None:
        if not raised:
            raised.append(line)
            raise KeyboardInterrupt

    ended = shell(POLITE, tmp_path, on_line=on_line)
    assert (ended.exit, ended.stopped, ended.out) == (1, "interrupted", "begun\nrecorded\n")


def test_many_interrupts_end_in_an_answer_not_in_an_exception(tmp_path: Path) -> None:
    count = 0

    def on_line(line: str) -> None:
        nonlocal count
        count += 1
        if count <= 6:
            raise KeyboardInterrupt

    code = "import signal\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: print('x', flush=True)"
    ended = python(code, tmp_path, on_line=on_line)
    assert (ended.exit, ended.stopped) == (-signal.SIGKILL, "interrupted")


ORPHAN = """
echo $$
while [ ! -e go ]; do sleep 0.02; done
head -c 1000000 /dev/zero  # its output has nobody to read it
touch recorded
"""


def test_when_we_are_killed_it_finishes_and_records(tmp_path: Path) -> None:
    child = outer(tmp_path, ORPHAN)
    pid = int(first_line(child))
    os.killpg(child.pid, signal.SIGKILL)  # the whole group
    child.communicate(timeout=10)
    assert alive(pid) and not (tmp_path / "recorded").exists()
    (tmp_path / "go").touch()
    wait_for(lambda: (tmp_path / "recorded").exists() and not alive(pid))


def test_a_kept_open_lock_lives_as_long_as_the_orphan(tmp_path: Path) -> None:
    import fcntl

    handle = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    child = outer(tmp_path, ORPHAN, handle)
    pid = int(first_line(child))
    os.close(handle)
    child.kill()
    child.communicate(timeout=10)
    mine = os.open(tmp_path / "lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (tmp_path / "go").touch()
    wait_for(lambda: not alive(pid))
    fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(mine)


def test_what_a_killed_program_left_is_killed(tmp_path: Path) -> None:
    started: list[int] = []
    script = "(trap '' TERM HUP; touch ready; while :; do sleep 0.05; done) & echo $!; "
    script += "while [ ! -e ready ]; do sleep 0.02; done; kill -9 $$"
    ended = shell(script, tmp_path, on_start=started.append)
    assert (ended.exit, ended.how) == (-signal.SIGKILL, "was killed by signal 9")
    wait_for(lambda: not alive(int(ended.out)))
    assert len(started) == 1 and started[0] != os.getpid()


def test_a_zombie_is_not_at_work(tmp_path: Path) -> None:
    assert process.at_work(os.getpid()) and not process.at_work(2**22 + 1)
    child = subprocess.Popen(["/bin/true"])
    wait_for(lambda: not process.at_work(child.pid))
    child.wait()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(3):
        python("print('x')", tmp_path)
    with pytest.raises(OSError, match="no-such-program"):
        run(["no-such-program"], folder=tmp_path, environment=ENVIRONMENT, timeout=1)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
