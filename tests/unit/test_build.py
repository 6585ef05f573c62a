"""The wheel is the same, byte for byte, from the same tree; documents name tests that exist; rigs have hashes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(place: Path, umask: int) -> str:
    """The wheel of a copy of the tree with its own times and rights; its digest."""
    skip = shutil.ignore_patterns(".git", ".venv", ".cache", "tests", "benchmarks", "__pycache__", "docs")
    shutil.copytree(ROOT, place / "tree", ignore=skip, copy_function=shutil.copyfile)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    line = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place / "out")]
    subprocess.run(line, cwd=place / "tree", env=environment, check=True, capture_output=True, umask=umask)
    (wheel,) = (place / "out").glob("*.whl")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_wheel_is_reproducible(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install --group test")
    assert build(tmp_path / "one", 0o022) == build(tmp_path / "two", 0o077)


def test_the_threat_model_names_tests_that_are_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs" / "security.md").read_text()))
    assert len(named) > 10 and [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", ["moto", "localstack"])
def test_every_package_of_a_rig_has_hashes(name: str) -> None:
    text = (ROOT / "tests" / "rigs" / f"{name}-requirements.txt").read_text()
    pins = [block for block in re.split(r"\n(?! )", text) if "==" in block and block[0] != "#"]
    assert pins and [block for block in pins if "--hash=sha256:" not in block] == []
