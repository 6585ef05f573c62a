"""``tfce demo`` as a pip user has it: it starts the emulated cloud itself."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checking import until
from tests.drawn import some
from tests.e2e.localstack.test_demo import left, processes
from tests.rigs.localstack import Moto
from tfce.cli.emulator import started
from tfce.model.errors import ConfigError

MOMENTS = ["preparing", "an EC2 cloud answers", ": start", "terraform plan"]


def start(temporary: Path) -> subprocess.Popen[str]:
    """The demo, with moto as if it were installed beside tfce."""
    packages = next(Moto.ensure().parents[1].glob("lib/python3*/site-packages"))
    return subprocess.Popen(
        [sys.executable, "-m", "tfce.cli", "demo"],
        cwd="/",
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(packages)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_the_demo_shows_what_it_promises(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    for words in ("0 mismatches", "is running; Terraform's plan is empty", "killed", "stopped", "RunInstances 1"):
        assert words in out
    assert left(tmp_path) == []


@pytest.mark.parametrize("moment", some(MOMENTS, 1 / 2, "tfce demo"))
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if moment in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT, out
    assert "Traceback" not in out
    until(lambda: left(tmp_path) == [], "the emulated cloud ends with the demo", 60)


def test_a_demo_that_is_killed_leaves_no_cloud(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "an EC2 cloud answers" in line)
        assert any("moto" in line for line in processes(tmp_path))
        process.kill()
    until(lambda: processes(tmp_path) == [], "the emulated cloud ends with the demo", 60)


@pytest.mark.skipif(importlib.util.find_spec("moto") is not None, reason="moto is installed here")
def test_without_the_emulated_cloud_the_cure_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught, started(tmp_path):
        pass
    assert "pip install 'TfceDIRAC[demo]'" in caught.value.message
