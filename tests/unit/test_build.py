"""The supply chain: the same wheel from the same tree; hashes and commits where something comes from elsewhere."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
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


def test_the_wheel_brings_its_page_of_the_manual_and_of_the_report(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install --group test")
    build(tmp_path, 0o022)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "tfce/cli/report.html.j2" in names
    assert [name for name in names if name.endswith(".data/data/share/man/man1/tfce.1")]


def test_the_threat_model_names_tests_that_are_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs" / "security.md").read_text()))
    assert len(named) > 10 and [name for name in named if not (ROOT / name).exists()] == []


RIGS = ROOT / "tests" / "rigs"


@pytest.mark.parametrize("path", sorted(RIGS.rglob("*requirements*.txt")), ids=lambda path: path.stem)
def test_every_package_of_a_rig_has_hashes(path: Path) -> None:
    text = path.read_text()
    pins = [block for block in re.split(r"\n(?! )", text) if "==" in block and block[0] != "#"]
    assert pins and [block for block in pins if "--hash=sha256:" not in block] == []


def test_rigs_are_installed_with_hashes_only() -> None:
    lines = [line for path in RIGS.rglob("*.py") for line in path.read_text().splitlines() if '"-r"' in line]
    assert len(lines) >= 4 and [line for line in lines if "--require-hashes" not in line] == []


def test_actions_and_hooks_are_pinned_to_commits() -> None:
    actions = re.findall(r"uses: (\S+)", (ROOT / ".github" / "workflows" / "ci.yml").read_text())
    hooks = re.findall(r"rev: (\S+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert actions and hooks
    assert [one for one in actions + hooks if not re.fullmatch(r"(\S+@)?[0-9a-f]{40}", one)] == []


# The first version of each without a hole that touches what we use it for.
SOUND = {
    "filelock": (3, 20, 1),
    "jinja2": (3, 1, 6),
    "requests": (2, 32, 4),
    "urllib3": (2, 6, 3),
    "cryptography": (44, 0, 1),
}


@pytest.mark.parametrize("name", SOUND)
def test_lower_bounds_leave_out_known_holes(name: str) -> None:
    found = re.search(rf'"{name}>=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    assert found and tuple(map(int, found[1].split("."))) >= SOUND[name]
