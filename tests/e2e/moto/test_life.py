"""A queue's life on real Terraform with tfce's own provider: what it costs, what a plan shows, what is nowhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.checking import assert_hidden, seen_by_others, state_file
from tests.claims import every
from tests.rigs.proxy import Fault
from tests.site import SECRET, WRAPPER, Site
from tfce.model.pilot import Pilot, timestamp

BORN = datetime(2026, 1, 1, tzinfo=UTC)
PLANTED = WRAPPER.splitlines()[1]


def plan(site: Site, *arguments: str) -> tuple[int, str]:
    result = site.run("plan", site.name, *arguments)
    return result.code, result.out


def test_from_submission_to_the_last_reaping(site: Site) -> None:
    submitted = site.submit(3)
    assert submitted.code == 0, submitted.err
    result = submitted.json
    assert len(set(result["references"])) == 3 and not result["failed"]
    assert {tags["tfce:key"] for _, tags in site.instances().values()} == set(result["stamps"].values())
    # a new queue's first submission looks whether another host serves it
    assert (
        result["calls"]
        == site.proxy.counts()
        == {"DescribeSecurityGroups": 1, "DescribeInstances": 1, "RunInstances": 3}
    )
    assert {pilot["state"] for pilot in site.status()} == {"Running"} and plan(site)[0] == 0
    first, second, third = result["references"]
    site.do("StopInstances", first)
    code, text = plan(site)
    assert code == 0 and "has stopped" in text and "No changes" in text
    reaped = site.run("reap", site.name, "--json").json
    assert [removed["reference"] for removed in reaped["removed"]] == [first]
    assert plan(site)[0] == 0
    site.do("TerminateInstances", second)
    code, text = plan(site)
    assert code == 2 and "was removed (terminated)" in text
    assert [r["reason"] for r in site.run("reap", site.name, "--json").json["removed"]] == ["gone"]
    assert site.run("kill", site.name, third).code == 0
    assert not site.instances() and plan(site)[0] == 0 and site.audit()["mismatches"] == 0


def test_a_submission_is_one_request_however_many_pilots(together: Site) -> None:
    site = together
    result = site.submit(12).json
    assert (
        result["calls"]
        == site.proxy.counts()
        == {"DescribeSecurityGroups": 1, "DescribeInstances": 1, "RunInstances": 1}
    )
    assert len(set(result["references"])) == 12 and not result["failed"]
    keys = {f"cloud://{node}": tags["tfce:key"] for node, (_, tags) in site.instances().items()}
    assert keys == result["stamps"]
    assert {pilot["state"] for pilot in site.status()} == {"Running"} and plan(site)[0] == 0
    assert len({pilot["name"] for pilot in site.status()}) == 12
    first, second, *_ = result["references"]
    site.do("StopInstances", first)
    reaped = site.run("reap", site.name, "--json").json
    assert [removed["reference"] for removed in reaped["removed"]] == [first]
    assert site.run("kill", site.name, second).code == 0
    assert len(site.instances()) == 10 and plan(site)[0] == 0 and site.audit()["mismatches"] == 0


@pytest.mark.native
def test_pilots_of_batches_survive_a_change_of_modules(together: Site) -> None:
    site = together
    references = site.submit(3).json["references"]
    site.configure(Terraform_Module="native")
    site.do("StopInstances", references[0])
    reaped = site.run("reap", site.name, "--json").json
    assert [removed["reference"] for removed in reaped["removed"]] == references[:1]
    assert set(site.instances()) == {ref.removeprefix("cloud://") for ref in references[1:]}
    assert site.audit()["mismatches"] == 0 and plan(site)[0] == 0


def test_each_pilot_gets_its_own_user_data(site: Site) -> None:
    pilots = {p["reference"].removeprefix("cloud://"): p["stamp"] for p in site.submit_and_status(2)}
    data = {}
    for node in pilots:
        attribute = {"InstanceId": node, "Attribute": "userData"}
        data[node] = site.emulator.call("DescribeInstanceAttribute", **attribute).findtext("userData/value", "")
    assert every(data.values()) and len(set(data.values())) == 2


def test_the_cost_is_flat_and_the_plan_short_at_1000_pilots(site: Site) -> None:
    """A state of 1000 pilots is written by hand: what is measured is Terraform and the provider."""
    site.submit(10)
    few, least = cpu(site)
    crowd(site, 1000)
    many, most = cpu(site)
    assert many["calls"] == few["calls"] and len(many["references"]) == 3
    assert most < least + 1  # about 0.4 more; seconds on the clock say nothing on a shared machine
    workspace = site.parts().workspace
    record = workspace.load()
    dismissed, wanted = sorted(record.pilots)[0], ["FFFFFFF1", "FFFFFFF2", "FFFFFFF3"]
    workspace.save(record.without({dismissed}).including(Pilot(key, BORN, "b") for key in wanted))
    code, text = plan(site, "--no-refresh")
    assert code == 2 and len(text.strip().splitlines()) < 40
    assert every(f'+ "{key}"' in text for key in wanted) and text.count(f'- "{dismissed}"') == 2


def cpu(site: Site) -> tuple[dict[str, Any], float]:
    """A submission of three, and the seconds of CPU that it and all it started took."""
    before = os.times()
    result = site.submit(3).json
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return result, spent


def crowd(site: Site, size: int) -> None:
    """Pilots of whom only record and state know."""
    path = state_file(site)
    state = json.loads(path.read_text())
    (values,) = (r["instances"][0]["attributes"] for r in state["resources"] if r["type"] == "tfce_pilots")
    ids = {f"{number:08X}": f"i-{number:017x}" for number in range(size)}
    values["pilots"] |= dict.fromkeys(ids, timestamp(BORN))
    values["ids"] |= ids
    state["serial"] += 1
    path.write_text(json.dumps(state))
    workspace = site.parts().workspace
    workspace.save(workspace.load().including(Pilot(key, BORN, "b", one) for key, one in ids.items()))


def test_names_are_looked_up_and_unknown_ones_are_said(site: Site) -> None:
    site.configure(Instance_Image="name:ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20170727")
    site.submit(1)
    result = site.submit(2)
    assert result.code == 0 and result.json["calls"]["DescribeImages"] == 1
    site.configure(Instance_Image="name:no-such-image")
    failed = site.submit(2)
    assert failed.code == 1 and not failed.json["references"]
    assert "There is no image called no-such-image" in failed.json["failed"][0]["reason"]
    site.configure(Instance_Image="ami-1e749f67")
    assert len(site.instances()) == 3 and site.submit(1).code == 0 and site.audit()["mismatches"] == 0


def test_no_secret_is_anywhere(site: Site) -> None:
    site.proxy.add(Fault("RunInstances", "error", nth=2, code="Odd", message=f"no: {SECRET}"))
    process = site.start(*site.submission(3))
    lines = seen_by_others(process, environments=True)
    out, err = process.communicate()
    said = [out, err, *lines, site.run("plan", site.name).out, site.run("status", site.name).out]
    assert_hidden([SECRET, PLANTED], said, site.folder / "root")
    assert any("\0apply\0" in line for line in lines) and any("TF_REATTACH" in line for line in lines)


def untimed(text: str) -> str:
    """A plan without the seconds that its look-ups took."""
    return re.sub(r"after \d+s", "", text).strip()


def test_bare_terraform_shows_the_same_plan(site: Site) -> None:
    site.submit(1)
    script = f"cd '{site.private}' && . ./env.sh && terraform plan -detailed-exitcode -no-color"
    login = {"TFCE_CLOUD_KEY": "test", "TFCE_CLOUD_SECRET": "test"}
    bare = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=site.environment() | login)
    assert bare.returncode == 0 and untimed(bare.stdout) == untimed(plan(site)[1]), bare.stdout + bare.stderr
    without = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=site.environment())
    assert without.returncode == 1 and "TFCE_CLOUD_KEY is not set" in without.stderr


def test_bare_terraform_can_neither_start_nor_end_a_pilot(site: Site) -> None:
    site.submit(2)
    scale_file = site.private / "scale.auto.tfvars.json"
    kept = scale_file.read_text()
    login = {"TFCE_CLOUD_KEY": "test", "TFCE_CLOUD_SECRET": "test"}

    def bare(command: str) -> str:
        script = f"cd '{site.private}' && . ./env.sh && terraform {command} -auto-approve -no-color"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=site.environment() | login)
        assert done.returncode == 1, done.stdout
        return " ".join(done.stderr.replace("│", " ").split())

    before = site.instances()
    scale_file.write_text(json.dumps(json.loads(kept) | {"instance_count": 0, "pilots": {}}))
    assert "still exists" in bare("apply")
    pilots = {"FFFFFFFF": {"born": "2026-01-01T00:00:00Z", "submission": "b"}}
    scale_file.write_text(json.dumps(json.loads(kept) | {"instance_count": 1, "pilots": pilots}))
    assert "there is no user data" in bare("apply")
    assert "Instance cannot be destroyed" in bare("destroy")
    scale_file.write_text(kept)
    assert site.instances() == before and plan(site)[0] == 0 and site.audit()["mismatches"] == 0


@pytest.mark.native
def test_switching_modules_loses_no_pilot_and_starts_none(site: Site) -> None:
    site.configure(Terraform_Module="native")
    native = site.submit(2).json["references"]
    site.configure(Terraform_Module="bulk")
    bulk = site.submit(1).json["references"]
    assert set(site.instances()) == {ref.removeprefix("cloud://") for ref in native + bulk}
    assert site.audit()["mismatches"] == 0 and plan(site)[0] == 0
    site.configure(Terraform_Module="native")
    site.do("StopInstances", native[0])
    reaped = site.run("reap", site.name, "--json").json
    assert [removed["reference"] for removed in reaped["removed"]] == [native[0]]
    assert set(site.instances()) == {ref.removeprefix("cloud://") for ref in native[1:] + bulk}
    assert site.audit()["mismatches"] == 0 and plan(site)[0] == 0
