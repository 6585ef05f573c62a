"""What goes wrong, on purpose, on real Terraform with tfce's own provider; the next cycle is always well."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess

import pytest

from tests.checking import WAIT, alive, child, consistent, kill_9, state_file, until
from tests.claims import every
from tests.drawn import some
from tests.rigs.proxy import Fault
from tests.site import Site


def test_a_refused_pilot_is_named_with_its_reason_and_nothing_is_tainted(site: Site) -> None:
    site.proxy.add(Fault("RunInstances", "error", nth=2, code="InstanceLimitExceeded", message="quota is full"))
    result = site.submit(3)
    assert result.code == 1 and len(result.json["references"]) == 2
    (failed,) = result.json["failed"]
    assert "InstanceLimitExceeded: quota is full" in failed["reason"]
    assert failed["key"] not in result.json["stamps"].values()
    assert "tainted" not in state_file(site).read_text()
    consistent(site, 2)


def test_a_lost_reply_leaves_one_vm_each(site: Site) -> None:
    site.proxy.add(Fault("RunInstances", "lose", nth=2))
    result = site.submit(3)
    assert result.code == 0 and len(result.json["references"]) == 3, result.out
    assert result.json["calls"] == {"DescribeSecurityGroups": 1, "DescribeInstances": 2, "RunInstances": 3}
    consistent(site, 3)


def test_a_state_that_was_half_written_is_in_nobodys_way(site: Site) -> None:
    site.submit(1)
    left, written = site.private / "errored.tfstate", json.loads(state_file(site).read_text())
    left.write_text(json.dumps({**written, "check_results": []}))  # of the same run, so with the same serial
    assert site.submit(1).code == 0 and not left.exists()
    consistent(site, 2)
    for other in ({"serial": 1}, {"lineage": "another"}):
        left.write_text(json.dumps({**written, **other}))
        assert site.submit(1).code == 0 and not left.exists() and left.with_suffix(".older").exists()
    consistent(site, 4)


def test_where_terraform_keeps_the_state_before_its_last_change_something_else_may_lie(site: Site) -> None:
    site.submit(1)
    backup = state_file(site).with_name("terraform.tfstate.backup")
    backup.unlink()
    backup.mkdir()
    assert site.submit(1).code == 0 and backup.is_file()
    backup.unlink()
    backup.symlink_to(site.folder / "precious")
    assert site.submit(1).code == 0 and not (site.folder / "precious").exists()
    consistent(site, 3)


def test_throttled_requests_are_repeated(site: Site) -> None:
    site.proxy.add(Fault("RunInstances", "error", times=2, status=503, code="RequestLimitExceeded"))
    site.configure(Terraform_MaxRetries="3")
    result = site.submit(2)
    assert result.code == 0 and result.json["calls"]["RunInstances"] == 4
    consistent(site, 2)


def test_a_cloud_that_does_not_answer_changes_nothing(site: Site) -> None:
    site.submit(1)
    before = site.parts().terraform.instances()
    site.proxy.refuse()
    refused = site.submit(2)
    assert refused.code == 3 and not refused.json["references"]
    assert site.run("plan", site.name).code == 3
    assert site.parts().terraform.instances() == before
    site.proxy.listen()
    assert site.submit(1).code == 0
    consistent(site, 2)


def test_an_empty_list_is_not_believed(site: Site) -> None:
    site.submit(2)
    site.proxy.add(Fault("DescribeInstances", "empty", times=1000))
    plan = site.run("plan", site.name)
    assert plan.code == 0 and "not believed" in plan.out
    site.proxy.clear()
    consistent(site, 2)


def test_a_lost_state_file_is_made_again_by_asking_the_cloud(site: Site) -> None:
    site.submit(3)
    state_file(site).unlink()
    assert site.submit(1).code == 0
    assert len(site.instances()) == 4
    assert site.run("repair", site.name).code == 0
    site.submit(1)
    consistent(site, 5)


def test_a_repair_touches_nothing_while_a_terraform_is_at_work(site: Site) -> None:
    site.submit(1)
    before = state_file(site).read_text()
    site.configure(Workspace_LockTimeout="1")
    with (site.private / "terraform.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = site.run("repair", site.name)
    assert refused.code == 4 and "is busy" in refused.err
    assert state_file(site).read_text() == before


def submitting(site: Site, slow: int) -> subprocess.Popen[str]:
    """A submission of three, one after the other, that hangs in the ``slow``-th request for a VM."""
    site.configure(Terraform_Parallelism="1")
    site.submit(1)
    site.proxy.counts(reset=True)
    site.proxy.add(Fault("RunInstances", "hang", nth=slow, seconds=4))
    process = site.start(*site.submission(3))
    until(lambda: site.proxy.counts().get("RunInstances", 0) >= slow, "RunInstances")
    return process


@pytest.mark.parametrize("slow", some([1, 2, 3], 1 / 3, "everything"))
def test_kill_9_of_everything_and_the_next_cycle_takes_over_what_is_there(site: Site, slow: int) -> None:
    process = submitting(site, slow)
    kill_9(process)
    until(lambda: len(site.instances()) == slow + 1, "the request in flight arrives")
    site.proxy.clear()
    assert site.submit(1).code == 0
    consistent(site, slow + 2)


def test_kill_9_of_terraform_alone_and_what_was_under_way_counts(site: Site) -> None:
    process = submitting(site, 2)
    os.kill(child(process, b"\0apply\0"), signal.SIGKILL)
    out, err = process.communicate(timeout=WAIT)
    result = json.loads(out)
    assert process.returncode == 1 and len(result["references"]) == 2, err
    (reason,) = {one["reason"] for one in result["failed"]}
    assert reason.endswith("(terraform apply was killed by signal 9)")
    assert site.proxy.counts()["RunInstances"] == 2  # nothing was begun after its end
    consistent(site, 3)


@pytest.mark.parametrize("slow", some([1, 2, 3], 1 / 3, "tfce"))
def test_kill_9_of_tfce_alone_and_its_terraform_ends(site: Site, slow: int) -> None:
    process = submitting(site, slow)
    terraform = child(process, b"\0apply\0")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not alive(terraform), "Terraform ends without its provider")
    until(lambda: len(site.instances()) == slow + 1, "the request in flight arrives")
    site.proxy.clear()
    after = site.submit(1)
    assert after.code == 0, after.err
    consistent(site, slow + 2)


def test_kill_9_of_tfce_and_terraform_and_the_next_cycle_is_not_kept_waiting(site: Site) -> None:
    process = submitting(site, 2)
    terraform = child(process, b"\0apply\0")
    for pid in (terraform, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    until(lambda: len(site.instances()) == 3, "the request in flight arrives")
    site.proxy.clear()
    after = site.submit(1)
    assert after.code == 0, after.err
    consistent(site, 4)


def test_the_process_that_terraform_may_kill_is_missed_by_nobody(site: Site) -> None:
    process = submitting(site, 2)
    os.kill(child(process, b"cat\0"), signal.SIGKILL)
    out, err = process.communicate(timeout=WAIT)
    assert process.returncode == 0 and len(json.loads(out)["references"]) == 3, err
    consistent(site, 4)


def test_sigint_lets_what_is_under_way_finish_and_records_it(site: Site) -> None:
    process = submitting(site, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT)
    assert process.returncode == -signal.SIGINT and "Traceback" not in err, err
    result = json.loads(out)
    assert len(result["references"]) == 2 and len(result["failed"]) == 1
    assert site.proxy.counts()["RunInstances"] == 2
    consistent(site, 3)


# -- batches -----------------------------------------------------------------------------------------------


def test_a_batchs_lost_reply_leaves_one_vm_each(together: Site) -> None:
    together.proxy.add(Fault("RunInstances", "lose"))
    result = together.submit(5)
    assert result.code == 0 and len(result.json["references"]) == 5, result.out
    assert result.json["calls"] == {"DescribeSecurityGroups": 1, "DescribeInstances": 2, "RunInstances": 1}
    consistent(together, 5)


def test_a_refused_batch_is_told_of_each_pilot(together: Site) -> None:
    # Asked for all of them, and then for as many as there is room for.
    together.proxy.add(
        Fault("RunInstances", "error", times=2, code="InstanceLimitExceeded", message="quota is full")
    )
    result = together.submit(3)
    assert result.code == 1 and not result.json["references"]
    assert every("quota is full" in failed["reason"] for failed in result.json["failed"])
    consistent(together, 0)
    again = together.submit(2)
    assert again.json["calls"]["RunInstances"] == 1
    consistent(together, 2)


def test_a_batch_that_is_granted_in_part(together: Site) -> None:
    together.proxy.room = 2
    result = together.submit(5)
    assert result.code == 1 and len(result.json["references"]) == 2
    assert every("granted 2 of 5" in failed["reason"] for failed in result.json["failed"])
    consistent(together, 2)


def test_kill_9_in_a_batch_and_the_next_cycle_takes_all_of_it_over(together: Site) -> None:
    together.submit(2)
    together.proxy.add(Fault("RunInstances", "hang", seconds=4))
    before = together.proxy.counts()["RunInstances"]
    process = together.start(*together.submission(6))
    until(lambda: together.proxy.counts()["RunInstances"] > before, "RunInstances")
    kill_9(process)
    until(lambda: len(together.instances()) == 8, "the request in flight arrives")
    together.proxy.clear()
    assert together.submit(1).code == 0
    consistent(together, 9)


def test_a_lost_state_and_a_lost_scale_file_are_made_again_of_batches(together: Site) -> None:
    together.submit(4)
    state_file(together).unlink()
    (together.private / "scale.auto.tfvars.json").write_text("")
    assert together.run("repair", together.name).code == 0
    together.submit(1)
    consistent(together, 5)


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o077], ids=oct)
def test_a_queue_works_under_any_umask(site: Site, mask: int) -> None:
    before = os.umask(mask)
    try:
        for number in (1, 2):
            assert site.submit().code == 0
            assert len(site.instances()) == number
        assert site.run("reap", site.name).code == 0
    finally:
        os.umask(before)
    open_ = [
        path for path in (site.folder / "root").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o002
    ]
    assert not open_, open_
