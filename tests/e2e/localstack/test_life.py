"""The main job on a real API through real Terraform: what an operator and a SiteDirector live through."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.claims import every
from tests.contract.edges import fleet_later
from tests.site import Site
from tfce.model.vm import State


@pytest.mark.parametrize("module", ["native", "bulk"])
def test_three_pilots_from_submission_to_the_last_reaping(site: Site) -> None:
    submitted = site.submit(3)
    assert submitted.code == 0, submitted.err
    result = submitted.json
    assert len(set(result["references"])) == 3 and not result["failed"]
    assert set(result["stamps"]) == set(result["references"])
    assert {tags["tfce:key"] for _, tags in site.instances().values()} == set(result["stamps"].values())
    counted = site.proxy.counts()
    assert counted["RunInstances"] == 3
    assert result["calls"] == counted  # what is printed is what was asked

    pilots = {pilot["reference"]: pilot for pilot in site.status()}
    assert {p["state"] for p in pilots.values()} == {"Running"}
    assert every(p["name"] == f"tfce-{p['stamp']}" and p["age_s"] >= 0 for p in pilots.values())
    assert site.audit()["mismatches"] == 0
    assert site.run("plan", site.name).code == 0

    first, second, third = result["references"]
    site.do("StopInstances", first)
    assert {p["reference"]: p["state"] for p in site.status()}[first] == "Done"
    dry = site.run("reap", site.name, "--dry-run", "--json")
    assert [r["reference"] for r in dry.json["removed"]] == [first] and len(site.instances()) == 3
    site.proxy.counts(reset=True)
    reaped = site.run("reap", site.name, "--json").json
    (removed,) = reaped["removed"]
    assert 0 <= removed.pop("lived_s") < 300
    assert removed == {"reference": first, "name": pilots[first]["name"], "cause": "stopped", "reason": "stopped"}
    assert reaped["kept"] == 2 and not reaped["failed"]
    # It ended so soon that its console is kept.
    expected = {"DescribeInstances": 1, "GetConsoleOutput": 1, "TerminateInstances": 1}
    assert reaped["calls"] == site.proxy.counts() == expected
    assert site.run("plan", site.name).code == 0
    # A pilot that ended well stays Done in DIRAC after its VM is gone.
    assert site.parts().fleet.poll([first, second]) == {first: "Done", second: "Running"}

    living = site.run("log", site.name, second, "--lines", "1")
    assert living.code == 0 and "created as" in living.out and "as the cloud shows it now" in living.out
    ended = site.run("log", site.name, result["stamps"][first], "--json").json
    assert (ended["reference"], ended["source"], ended["calls"]) == (first, "kept", {}) and ended["console"]
    assert site.run("log", site.name, "cloud://i-0123456789abcdef0").code == 2

    killed = site.run("kill", site.name, second, "--json")
    assert killed.code == 0 and [r["reference"] for r in killed.json["removed"]] == [second]
    assert set(site.instances()) == {third.removeprefix("cloud://")}
    audit = site.run("audit", site.name, "--json")
    assert audit.code == 0 and [row["verdict"] for row in audit.json["rows"]] == ["ok"]


def test_overdue_terminated_and_vanished_pilots_are_told_apart(site: Site) -> None:
    references = site.submit(3).json["references"]
    parts = site.parts()
    keys = {p["reference"]: p["stamp"] for p in site.status()}
    later = timedelta(days=15)
    soon = fleet_later(parts, later)
    record = parts.workspace.load()
    asked = datetime.now(UTC).replace(microsecond=0) + later - timedelta(hours=1)
    others = [replace(record.pilots[keys[text]], requested_at=asked) for text in references[1:]]
    parts.workspace.save(record.including(others))
    site.do("TerminateInstances", references[1])

    assert soon.poll(references) == {
        references[0]: "Running",
        references[1]: "Deleted",
        references[2]: "Running",
    }
    removed = {r.name: str(r.reason) for r in soon.reap().removed}
    assert removed[f"tfce-{keys[references[0]]}"].startswith("overdue")
    assert removed[f"tfce-{keys[references[1]]}"] == "gone"
    assert len(removed) == 2
    assert set(site.instances()) == {references[2].removeprefix("cloud://")}
    assert site.run("plan", site.name).code == 0 and site.audit()["mismatches"] == 0


def test_a_submission_costs_the_same_whatever_already_runs(site: Site) -> None:
    site.submit(1)  # a new queue's first submission looks whether another host serves it: one call more
    alone = site.submit(1).json
    site.submit(1)
    site.proxy.counts(reset=True)
    among = site.submit(1).json
    assert among["calls"] == alone["calls"] == site.proxy.counts()
    assert len(site.instances()) == 4


def test_a_changed_option_touches_no_running_pilot(site: Site) -> None:
    before = site.submit(2).json["references"]
    site.configure(
        Instance_Image="ami-24f3215d",
        Instance_Flavor="t3.large",
        Terraform_Tags="a=b",
        Terraform_RootVolume="20",
        Context_ExtPackages="gcc",
        Workspace_NamePrefix="other-",
    )
    assert site.run("render", site.name, "--check").code == 1
    plan = site.run("plan", site.name)  # 2: new pilots will differ; none that runs is touched
    assert plan.code == 2 and "t3.large" in plan.out and "Plan:" not in plan.out
    after = site.submit(1).json["references"]
    assert set(site.instances()) == {ref.removeprefix("cloud://") for ref in before + after}
    types = [item.text for item in site.emulator.call("DescribeInstances").iter("instanceType")]
    assert types.count("t3.large") >= 1


def test_another_cloud_for_a_queue_with_pilots_is_refused(site: Site) -> None:
    site.submit(1)
    site.configure(Driver_region="eu-west-1")
    refused = site.submit(1)
    assert refused.code == 2 and "us-east-1" in refused.err and len(site.instances()) == 1


def test_the_journal_answers_why_there_are_so_many(site: Site) -> None:
    result = site.submit(2).json
    lines = [json.loads(line) for line in (site.private / "journal.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["submit", "submitted", "done"]
    assert set(lines[0]["keys"]) == set(result["stamps"].values()) == set(lines[1]["created"])
    assert lines[2]["asked"] == lines[2]["granted"] == 2


def test_names_are_looked_up_once_and_unknown_ones_are_said(site: Site) -> None:
    site.configure(Instance_Image="name:ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20170727")
    result = site.submit(2)
    assert result.code == 0, result.err
    assert result.json["calls"]["DescribeImages"] == 1
    site.configure(Instance_Image="name:no-such-image")
    failed = site.submit(2)
    assert failed.code == 1 and len(failed.json["failed"]) == 2 and not failed.json["references"]
    assert len(site.instances()) == 2 and site.audit()["mismatches"] == 0


def test_states_are_polled_with_one_call_whatever_the_number(site: Site) -> None:
    references = site.submit(3).json["references"]
    site.proxy.counts(reset=True)
    assert set(site.parts().fleet.poll(references).values()) == {State.RUNNING.value}
    assert site.proxy.counts() == {"DescribeInstances": 1}
