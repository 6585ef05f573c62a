"""The demo comes out well, and leaves nothing behind when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drawn import some

ROOT = Path(__file__).resolve().parents[3]


def start(temporary: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left(temporary: Path) -> list[str]:
    """The command lines of living processes that know the demo's folder, and what is in it."""
    return processes(temporary) + [str(path) for path in temporary.iterdir()]


def processes(temporary: Path) -> list[str]:
    """The command lines of living processes that know the demo's folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(temporary).encode() in path.read_bytes():
                lines.append((path.parent / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return [line for line in lines if line]


def test_the_demo_shows_what_it_promises(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    for words in ("0 mismatches", "is running; Terraform's plan is empty", "killed", "stopped", "RunInstances 1"):
        assert words in out
    assert left(tmp_path) == []


@pytest.mark.parametrize("moment", some(["an EC2 cloud answers", ": start", "terraform plan"], 1 / 3, "make demo"))
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if moment in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, out
    assert "Traceback" not in out
    assert left(tmp_path) == []
