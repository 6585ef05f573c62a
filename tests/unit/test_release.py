"""What ``make release`` finds wrong in a wheel."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests import release


def test_what_is_missing_and_what_does_not_belong_there_is_named(tmp_path: Path) -> None:
    wheel = tmp_path / "one.whl"
    strays = ("tests/fakes.py", "tfce/_extension/TfceDIRAC/__init__.py", "tfce/cli/__pycache__/main.pyc")
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (*release.NEEDED[1:], *strays, "tfcedirac-0.1.0.dist-info/METADATA"):
            archive.writestr(name, "")
    missing = f"{release.NEEDED[0]} is missing"
    assert list(release.faults(wheel)) == [missing, *(f"{name} does not belong there" for name in strays)]
