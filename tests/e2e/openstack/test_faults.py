"""What goes wrong, on purpose, on a real OpenStack; after each fault the next cycle is well."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from tests.checking import WAIT, assert_hidden, consistent, kill_9, seen_by_others, until
from tests.claims import every, subset
from tests.e2e.openstack.cloud import OpenStackSite, node
from tests.e2e.openstack.rig import Rig
from tests.site import WRAPPER
from tfce import userdata
from tfce.model.errors import CloudError, ConfigError
from tfce.pilots.recipes import recipe_for


def removed(site: OpenStackSite) -> None:
    """No VM of the site's is left."""
    until(lambda: not site.servers(), "no VM is left")


# -- no room -------------------------------------------------------------------------------------------------


@pytest.mark.rig("it needs a quota of two VMs")
@pytest.mark.takes("tiny")
def test_one_of_three_is_over_the_quota(tiny: OpenStackSite) -> None:
    tiny.configure(Terraform_Parallelism="1")
    result = tiny.submit(3)
    assert result.code == 1
    assert len(result.json["references"]) == 2 and len(result.json["failed"]) == 1, result.json
    assert "Quota exceeded for instances" in result.json["failed"][0]["reason"]
    consistent(tiny, 2)


@pytest.mark.rig("it needs a quota of two VMs")
@pytest.mark.takes("tiny")
def test_a_quota_that_fills_up_in_a_race(tiny: OpenStackSite) -> None:
    tiny.configure(Terraform_Parallelism="5")
    result = tiny.submit(5)
    assert result.code == 1
    assert len(result.json["references"]) <= 2
    assert len(result.json["references"]) + len(result.json["failed"]) == 5
    assert every("quota" in one["reason"].lower() for one in result.json["failed"]), result.json
    until(lambda: len(tiny.servers()) == len(result.json["references"]), "failed VMs are removed")
    consistent(tiny, len(result.json["references"]))


@pytest.mark.rig("its builds fail on purpose")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"Terraform_Tags": "rig_fault=Quota exceeded for instances: Requested 1 but already used 2 of 2"},
            "Quota exceeded for instances: Requested 1 but already used 2 of 2",
        ),
        ({"Instance_Flavor": "name:m1.toobig"}, "No valid host was found"),
    ],
)
def test_accepted_and_then_failed(site: OpenStackSite, options: dict[str, str], reason: str) -> None:
    site.configure(**options)
    result = site.submit(2)
    assert result.code == 1 and not result.json["references"]
    assert every(reason in one["reason"] for one in result.json["failed"]), result.json
    removed(site)
    consistent(site, 0)


@pytest.mark.rig("its guests end at once")
def test_a_pilot_that_ends_before_the_first_look_is_a_pilot(site: OpenStackSite) -> None:
    site.configure(Terraform_Tags="rig_lifetime=0")
    result = site.submit(1)
    assert result.code == 0, result.out
    (reference,) = result.json["references"]
    assert site.parts().fleet.poll([reference]) == {reference: "Done"}
    assert [r["reason"] for r in site.run("reap", site.name, "--json").json["removed"]] == ["stopped"]
    removed(site)
    consistent(site, 0)


# -- the cloud's services ------------------------------------------------------------------------------------


@pytest.mark.rig("it stops neutron")
@pytest.mark.alone
def test_neutron_is_down(site: OpenStackSite, rig: Rig) -> None:
    references = site.submit(1).json["references"]
    with rig.without("neutron"):
        with pytest.raises(CloudError):
            site.parts().fleet.poll(references)
        assert site.run("status", site.name).code == 3
        assert site.run("reap", site.name, "--json").code == 3
        failed = site.submit(1)
        assert failed.code in (1, 3) and "Traceback" not in failed.err
    until(lambda: site.run("status", site.name).code == 0, "the cloud is well again")
    assert site.run("reap", site.name).code == 0
    assert subset(set(references), {pilot["reference"] for pilot in site.status()})
    consistent(site, len(site.instances()))


@pytest.mark.rig("it stops keystone")
@pytest.mark.alone
def test_keystone_is_down(site: OpenStackSite, rig: Rig) -> None:
    site.configure(Terraform_MaxRetries="0")
    site.submit(1)
    with rig.without("keystone"):
        for command in (["status", site.name], ["reap", site.name], site.submission(1)):
            refused = site.run(*command)
            assert refused.code == 3, refused
        assert "does not answer" in site.run("status", site.name).err
    assert site.run("reap", site.name).code == 0
    consistent(site, 1)


@pytest.mark.rig("it holds up nova's answers")
@pytest.mark.takes("front")
def test_nova_stops_answering(site: OpenStackSite, rig: Rig) -> None:
    site.configure(
        Driver_ex_force_service_region=rig.env["RIG_FRONT_REGION"]
    )  # keystone answers, and others' nova
    references = site.submit(1).json["references"]
    site.configure(Driver_timeout="2", Terraform_Timeout="5")
    with rig.paused("front"):
        begun = time.monotonic()
        refused = site.run("status", site.name)
        assert refused.code == 3 and "timed out" in refused.err
        assert time.monotonic() - begun < 20
        begun = time.monotonic()
        stuck = site.submit(1)
        assert time.monotonic() - begun < WAIT
        assert stuck.code in (1, 3) and not json.loads(stuck.out)["references"]
    # Nova may still have taken the request that nobody waited for: its VM is found again, not made twice.
    site.configure(Driver_timeout="30", Terraform_Timeout="300")
    until(lambda: all(s["status"] != "BUILD" for s in site.servers().values()), "nova has built what it took")
    assert site.run("reap", site.name).code == 0
    assert subset(set(references), {pilot["reference"] for pilot in site.status()})
    consistent(site, len(site.instances()))


# -- one VM --------------------------------------------------------------------------------------------------


def test_one_refusal_does_not_stop_a_sweep(site: OpenStackSite) -> None:
    references = site.submit(2).json["references"]
    for reference in references:
        site.power_off(reference)
    site.api.act(node(references[0]), "lock")
    sweep = site.run("reap", site.name, "--json")
    assert sweep.code == 1
    assert [one["reference"] for one in sweep.json["removed"]] == [references[1]]
    assert "locked" in sweep.json["failed"][0]["reason"]
    site.api.act(node(references[0]), "unlock")
    assert site.run("reap", site.name, "--json").json["failed"] == []
    removed(site)
    consistent(site, 0)


@pytest.mark.rig("few clouds let a user pause, suspend and shelve")
def test_states_between_running_and_ended_count_as_running(site: OpenStackSite) -> None:
    (reference,) = site.submit(1).json["references"]
    fleet = site.parts().fleet
    for action, state, back in (
        ("pause", "PAUSED", "unpause"),
        ("suspend", "SUSPENDED", "resume"),
        ("shelve", "SHELVED_OFFLOADED", "unshelve"),
    ):
        site.api.act(node(reference), action)
        site.becomes(reference, state)
        assert fleet.poll([reference]) == {reference: "Running"}, state
        assert fleet.count()["RunningJobs"] == 1 and not fleet.reap().removed
        site.api.act(node(reference), back)
        site.becomes(reference, "ACTIVE")
    consistent(site, 1)


@pytest.mark.rig("it needs an administrator")
def test_a_vm_that_an_administrator_broke_is_removed(site: OpenStackSite) -> None:
    (reference,) = site.submit(1).json["references"]
    site.break_down(reference)
    assert [pilot["state"] for pilot in site.status()] == ["Failed"]
    assert [r["reason"] for r in site.run("reap", site.name, "--json").json["removed"]] == ["failed"]
    removed(site)
    assert site.parts().fleet.poll([reference]) == {reference: "Failed"}
    consistent(site, 0)


# -- our own end ---------------------------------------------------------------------------------------------


def running(site: OpenStackSite, count: int) -> subprocess.Popen[str]:
    """A submission that is in the middle of its apply: VMs are being created."""
    process = site.start(*site.submission(count))
    until(site.servers, "the first VM")
    return process


def test_kill_9_of_everything_in_the_middle_of_an_apply(site: OpenStackSite) -> None:
    process = running(site, 3)
    kill_9(process)
    made = len(site.servers())
    after = site.submit(1)
    assert after.code == 0, after.err
    assert len(site.servers()) >= made + 1
    consistent(site, len(site.servers()))


def test_user_data_up_to_the_limit_and_over_it(site: OpenStackSite) -> None:
    recipe, noise = recipe_for(site.parts().fleet.queue), os.urandom(100_000)
    fits, over = 1000, len(noise)
    while over - fits > 1:
        middle = (fits + over) // 2
        try:
            userdata.render(recipe, key="00000000", wrapper=noise[:middle])
            fits = middle
        except ConfigError:
            over = middle
    wrapper = site.folder / "wrapper.sh"
    wrapper.write_bytes(noise[:over])
    refused = site.submit(1)
    assert refused.code == 2 and "65535" in refused.err and not site.servers()
    wrapper.write_bytes(noise[: fits - 64])  # another key, another compression
    assert site.submit(1).code == 0
    consistent(site, 1)


@pytest.mark.rig("it needs an application credential")
def test_the_secret_of_an_application_credential_is_nowhere(site: OpenStackSite, rig: Rig) -> None:
    site.authenticate(rig.env["RIG_APPCRED_ID"], rig.env["RIG_APPCRED_SECRET"])
    site.configure(Driver_ex_force_auth_version="3.x_appcred", Driver_ex_tenant_name="")
    nowhere(rig.env["RIG_APPCRED_SECRET"], site)


def test_no_secret_is_anywhere(site: OpenStackSite) -> None:
    nowhere(site.login()[1], site)


def nowhere(secret: str, site: OpenStackSite) -> None:
    """A pilot's life leaves neither the secret nor the wrapper on the disk, in the output or in arguments."""
    process = site.start(*site.submission(1))
    lines = seen_by_others(process)
    out, err = process.communicate()
    said = [out, err, *lines]
    said += [site.run(verb, site.name).out for verb in ("status", "plan", "audit", "doctor")]
    site.power_off(json.loads(out)["references"][0])
    said.append(site.run("reap", site.name).out)
    assert_hidden([secret, WRAPPER.splitlines()[1]], said, site.folder / "root")
    assert any("terraform" in line for line in lines)
