"""What a release is made of: built twice from the same files, equal byte by byte, looked into, checked.

``make release`` writes it into ``dist/``. Nothing is uploaded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tfce import __version__

CLONE = Path(__file__).resolve().parent.parent
DIST = CLONE / "dist"
NEEDED = (
    "TfceDIRAC/__init__.py",
    "TfceDIRAC/Resources/Computing/TerraformComputingElement.py",
    "tfce/__init__.py",
    "tfce/Resources/Computing/TerraformComputingElement.py",
    "tfce/_data/terraform/bulk/main.tf",
    "tfce/_data/templates/default/90-pilot.yaml",
    "tfce/py.typed",
)
_TOP = re.compile(r"(tfce|TfceDIRAC|tfcedirac-[\w.]+\.dist-info|tfcedirac-[\w.]+\.data/data/share/man)/")
_FOREIGN = re.compile(r"__pycache__|\.pyc$|\.tfstate|/tests/.*\.py$|^tfce/_extension/")


def build(folder: Path) -> dict[str, str]:
    """Build sdist and wheel; their sha256 by name. The time in them is the last commit's."""
    stamp = _git("log", "-1", "--format=%ct").strip()
    environment = os.environ | {"SOURCE_DATE_EPOCH": stamp or "1577836800"}
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(CLONE)],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def faults(wheel: Path) -> Iterator[str]:
    """What is wrong with the wheel's contents."""
    names = zipfile.ZipFile(wheel).namelist()
    yield from (f"{name} is missing" for name in NEEDED if name not in names)
    yield from (f"{name} does not belong there" for name in names if not _TOP.match(name) or _FOREIGN.search(name))


def missing(version: str, changelog: str, tags: str, changes: str) -> Iterator[str]:
    """What is to be done before ``version`` is published, by the texts of CHANGELOG.md, of git's tags at this
    commit and of git's list of changed files."""
    if not re.search(rf"^## \[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md: a section `## [{version}] - YEAR-MONTH-DAY` of what is unreleased"
    if f"v{version}" not in tags.split():
        yield f"git: the tag v{version} at this commit, after .ci/run is green on it"
    if changes.strip():
        yield "git: a commit of the changed files"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=CLONE, capture_output=True, text=True, check=False).stdout


def main() -> int:
    """Build, compare, look, check, say what is still to be done; the exit code."""
    shutil.rmtree(DIST, ignore_errors=True)
    first = build(DIST)
    with tempfile.TemporaryDirectory() as name:
        second = build(Path(name))
    found = [f"{name} differs when it is built again" for name in first if first[name] != second.get(name)]
    wheels = sorted(DIST.glob("*.whl"))
    found += [fault for wheel in wheels for fault in faults(wheel)]
    if len(wheels) != 1 or len(first) != 2:
        found.append(f"one wheel and one sdist were expected, not {', '.join(first)}")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(DIST.iterdir()))]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if checked.returncode:
        found.append(f"twine check: {checked.stdout}{checked.stderr}")
    print("\n".join([*found] or [f"{mark}  dist/{name}" for name, mark in first.items()]))
    changelog = (CLONE / "CHANGELOG.md").read_text()
    for one in missing(__version__, changelog, _git("tag", "--points-at", "HEAD"), _git("status", "--porcelain")):
        print(f"before it is published: {one}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
