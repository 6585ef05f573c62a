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
    stamp = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=CLONE, capture_output=True, text=True, check=False
    ).stdout.strip()
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


def main() -> int:
    """Build, compare, look, check; the exit code."""
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
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
