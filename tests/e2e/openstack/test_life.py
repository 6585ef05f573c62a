"""The main job on a real OpenStack through the real provider: what an operator and a SiteDirector live through."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.checking import consistent, state_file, until
from tests.claims import every, subset
from tests.contract.edges import fleet_later
from tests.e2e.openstack.cloud import OpenStackSite, made_of_many_options, many_options, node
from tests.e2e.openstack.conftest import NewSite
from tests.e2e.openstack.rig import Rig


@pytest.mark.rig("it counts the requests that arrive")
@pytest.mark.takes("front")
def test_three_pilots_from_submission_to_the_last_reaping(site: OpenStackSite, rig: Rig) -> None:
    site.through_front()
    with rig.counted() as asked:
        submitted = site.submit(3)
    assert submitted.code == 0, submitted.err
    result = submitted.json
    assert len(set(result["references"])) == 3 and not result["failed"]
    assert {tags["tfce:key"] for _, tags in site.instances().values()} == set(result["stamps"].values())
    assert Counter(result["calls"]) == asked  # what is printed is what was asked
    assert asked["POST /servers"] == 3 and asked["GET /images"] == 1  # a name is looked up once

    with rig.counted() as asked:
        status = site.run("status", site.name, "--json").json
    assert Counter(status["calls"]) == asked == {"POST /auth/tokens": 1, "GET /servers/detail": 1}
    pilots = {pilot["reference"]: pilot for pilot in status["pilots"]}
    assert {p["state"] for p in pilots.values()} == {"Running"}
    assert every(p["name"] == f"tfce-{p['stamp']}" and p["age_s"] >= 0 for p in pilots.values())

    first, second, third = result["references"]
    site.power_off(first)
    assert {p["reference"]: p["state"] for p in site.status()}[first] == "Done"
    dry = site.run("reap", site.name, "--dry-run", "--json")
    assert [r["reference"] for r in dry.json["removed"]] == [first] and len(site.instances()) == 3
    with rig.counted() as asked:
        reaped = site.run("reap", site.name, "--json").json
    (removed,) = reaped["removed"]
    assert 0 <= removed.pop("lived_s") < 300
    assert removed == {"reference": first, "name": pilots[first]["name"], "cause": "stopped", "reason": "stopped"}
    assert reaped["kept"] == 2 and not reaped["failed"]
    expected = {"POST /auth/tokens": 1, "GET /servers/detail": 1, "DELETE /servers/ID": 1}
    expected["POST /servers/ID/action"] = 1  # it ended so soon that its console is kept
    assert Counter(reaped["calls"]) == asked == expected
    # A pilot that ended well stays Done in DIRAC after its VM is gone.
    assert site.parts().fleet.poll([first, second]) == {first: "Done", second: "Running"}

    killed = site.run("kill", site.name, second, "--json")
    assert killed.code == 0 and [r["reference"] for r in killed.json["removed"]] == [second]
    until(lambda: set(site.instances()) == {node(third)}, "only one VM is left")
    consistent(site, 1)


@pytest.mark.rig("it needs two networks and a second flavor")
def test_a_vm_is_made_as_the_options_say(site: OpenStackSite, rig: Rig) -> None:
    site.configure(**many_options(rig))
    reference = site.submit(1).json["references"][0]
    made_of_many_options(site, reference)
    key = site.status()[0]["stamp"]
    assert site.server(reference)["metadata"] == {"owner": "grid"} | site.metadata(tfce_key=key)
    state = state_file(site).read_text()
    (resource,) = (r for r in json.loads(state)["resources"] if r["type"] == "openstack_compute_instance_v2")
    ordered = [one["uuid"] for one in resource["instances"][0]["attributes"]["network"]]
    assert ordered == [rig.env["RIG_MY_PUBLIC_NET_ID"], rig.env["RIG_MY_PRIVATE_NET_ID"]]

    assert any(port["device_id"] == node(reference) for port in rig.api().ports())
    site.power_off(reference)
    assert site.run("reap", site.name).code == 0
    until(lambda: not [p for p in rig.api().ports() if p["device_id"] == node(reference)], "its ports are gone")
    consistent(site, 0)


def test_a_submission_costs_the_same_whatever_already_runs(site: OpenStackSite) -> None:
    site.submit(1)  # a new queue's first submission looks whether another host serves it: one call more
    lone = site.submit(1).json
    site.submit(1)
    among = site.submit(1).json
    for result in (lone, among):  # the provider looks every 3 s until the VM is up, and a few times more
        assert result["calls"].pop("GET /servers/ID") <= 8 + result["seconds"] / 3
    assert lone["calls"] == among["calls"]


def test_two_elements_in_one_project_live_beside_each_other(site: OpenStackSite, new_site: NewSite) -> None:
    other = new_site()
    here, there = site.submit(1), other.submit(1)
    assert here.code == there.code == 0
    assert [p["reference"] for p in other.status()] == there.json["references"]
    other.power_off(there.json["references"][0])
    assert site.run("reap", site.name, "--json").json["removed"] == []
    assert len(other.run("reap", other.name, "--json").json["removed"]) == 1
    assert [p["reference"] for p in site.status()] == here.json["references"]


@pytest.mark.rig("it needs two networks and a second flavor")
def test_a_changed_option_touches_no_running_pilot(site: OpenStackSite, rig: Rig) -> None:
    before = site.submit(1).json["references"]
    site.configure(
        Instance_Flavor="name:m1.small",
        Instance_Networks="name:my_public_net",
        Instance_SSHKey="mysshkey",
        Terraform_Tags="a=b",
        Context_ExtPackages="gcc",
        Workspace_NamePrefix="other-",
    )
    assert site.run("render", site.name, "--check").code == 1
    plan = site.run("plan", site.name)  # 2: new pilots will differ; none that runs is touched
    assert plan.code == 2 and "name:m1.small" in plan.out and "Plan:" not in plan.out
    after = site.submit(1).json["references"]
    assert set(site.instances()) == {node(reference) for reference in before + after}
    assert site.server(after[0])["flavor"]["id"] == rig.env["RIG_FLAVOR_SMALL_ID"]
    assert site.server(before[0])["flavor"]["id"] == rig.env["RIG_FLAVOR_TINY_ID"]


@pytest.mark.rig("it needs a second project")
def test_another_project_for_a_queue_with_pilots_is_refused(site: OpenStackSite) -> None:
    site.submit(1)
    site.configure(Driver_ex_tenant_name="clouduser")
    refused = site.submit(1)
    assert refused.code == 2 and "demo" in refused.err and len(site.instances()) == 1


@pytest.mark.rig("it needs an administrator")
def test_overdue_deleted_and_failed_pilots_are_told_apart(site: OpenStackSite) -> None:
    references = site.submit(3).json["references"]
    parts = site.parts()
    keys = {p["reference"]: p["stamp"] for p in site.status()}
    later = timedelta(days=15)
    soon = fleet_later(parts, later)
    record = parts.workspace.load()
    asked = datetime.now(UTC).replace(microsecond=0) + later - timedelta(hours=1)
    others = [replace(record.pilots[keys[text]], requested_at=asked) for text in references[1:]]
    parts.workspace.save(record.including(others))
    site.api.delete(node(references[1]))
    site.break_down(references[2])
    until(lambda: node(references[1]) not in site.servers(), "the VM is gone")
    assert soon.poll(references) == dict(zip(references, ("Running", "Deleted", "Failed"), strict=True))
    removed = {r.name: str(r.reason) for r in soon.reap().removed}
    assert removed.pop(f"tfce-{keys[references[0]]}").startswith("overdue")
    assert removed.pop(f"tfce-{keys[references[2]]}").startswith("failed")
    assert subset(set(removed.values()), {"gone"})
    consistent(site, 0)
