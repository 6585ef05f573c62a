"""The preflight's word on the document a VM would get, with a small executable in cloud-init's place (the real
one is asked in tests/guest/stages)."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.conftest import MakeProgram, MakeQueue
from tfce.cli.doctor import examine
from tfce.cloud.api import Check
from tfce.model.drain import Drain
from tfce.store.workspace import Workspace

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
NAME = "cloud-init's schema"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def findings(make_queue: MakeQueue, **options: str) -> dict[str, Check]:
    return {check.check: check for check in examine(make_queue(**options))}


def test_a_workspace_that_tfce_made_is_well_and_one_that_others_read_is_not(
    programs: Path, make_queue: MakeQueue
) -> None:
    before = os.umask(0o022)
    try:
        assert findings(make_queue)["workspace"].ok
        workspace = Workspace(make_queue())
        with workspace.locked():
            workspace.prepare()
        assert findings(make_queue)["workspace"].ok
    finally:
        os.umask(before)
    workspace.private.parent.parent.chmod(0o755)
    check = findings(make_queue)["workspace"]
    assert not check.ok and "chmod 700" in check.cure


def test_without_cloud_init_that_is_said_and_no_fault(programs: Path, make_queue: MakeQueue) -> None:
    check = findings(make_queue)[NAME]
    assert check.ok and "not installed" in check.detail


def test_with_cloud_init_its_verdict_is_the_finding(
    programs: Path, make_queue: MakeQueue, make_program: MakeProgram
) -> None:
    make_program("bin/cloud-init", "#!/bin/sh\nexit 0\n")
    check = findings(make_queue)[NAME]
    assert check.ok and check.detail == f"{programs}/cloud-init accepts the document"
    make_program("bin/cloud-init", "#!/bin/sh\necho 'runcmd: wrong'; exit 1\n")
    check = findings(make_queue)[NAME]
    assert not check.ok and check.detail == "Context_Template = tfce's own: runcmd: wrong" and check.cure


def test_a_broken_template_is_a_fault_with_its_line_with_or_without_cloud_init(
    programs: Path, make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("#cloud-config\nwrite_files:\n- path: /x\n  content: EXECUTABLE_STR\nruncmd: [\n")
    for installed in (False, True):
        if installed:
            make_program("bin/cloud-init", "#!/bin/sh\nexit 0\n")
        found = findings(make_queue, Context_Template=str(own))
        assert not found["user data"].ok and "line 6" in found["user data"].detail
        assert NAME not in found


@pytest.mark.parametrize(("minutes", "fits"), [(900, True), (901, False)])
def test_jobs_that_the_end_of_a_vm_would_kill_are_said(make_queue: MakeQueue, minutes: int, fits: bool) -> None:
    found = findings(make_queue, maxCPUTime=str(minutes), Context_MaxLifetime="60000")["job length"]
    assert found.ok is fits
    if not fits:
        assert "longer than 900 min would be killed" in found.detail
        assert found.cure == "set Context_MaxLifetime = 60077 or more, or maxCPUTime = 900 or less"


def test_a_queue_that_does_not_say_how_long_jobs_are_is_not_judged(make_queue: MakeQueue) -> None:
    assert "job length" not in findings(make_queue)


def test_a_drain_is_told_and_no_fault(programs: Path, make_queue: MakeQueue) -> None:
    assert "drain" not in findings(make_queue)
    workspace = Workspace(make_queue())
    with workspace.locked():
        workspace.save(replace(workspace.prepare(), drain=Drain(NOON, image="ami-1")))
    check = findings(make_queue)["drain"]
    assert check.ok and check.detail == "drained of image ami-1 since 2026-11-27T12:00:00Z"
    assert "--undo" in check.cure
