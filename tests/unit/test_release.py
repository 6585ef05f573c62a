"""What ``make release`` finds wrong in a wheel."""

from __future__ import annotations

import re
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


def test_what_a_release_needs_is_told() -> None:
    done = "# Changelog\n\n## [1.2.0] - 2027-01-31\n"
    assert list(release.missing("1.2.0", done, "v1.2.0\n", "")) == []
    for version, changelog, tags, changes, word in (
        ("1.2.1", done, "v1.2.1", "", "CHANGELOG.md"),
        ("1.2.0", done, "v1.2", "", "the tag v1.2.0"),
        ("1.2.0", done, "v1.2.0", " M README.md\n", "changed files"),
    ):
        (one,) = release.missing(version, changelog, tags, changes)
        assert word in one


def test_the_changelog_is_kept_as_keep_a_changelog_has_it() -> None:
    lines = (release.CLONE / "CHANGELOG.md").read_text().splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    heading = re.compile(r"## \[Unreleased\]|## \[[\d.]+\] - \d{4}-\d\d-\d\d")
    assert versions and [one for one in versions if not heading.fullmatch(one)] == []
    kinds = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert kinds and not set(kinds) - {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    first = lines.index(versions[0])
    assert [line for line in lines[first:] if line and not line.startswith(("## ", "### ", "- ", "  "))] == []
