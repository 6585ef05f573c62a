"""`tfce doctor` on a real OpenStack: each fault is found, with its cure, and nothing is created."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.claims import every
from tests.e2e.openstack.cloud import OpenStackSite
from tests.e2e.openstack.rig import Rig


def examined(site: OpenStackSite) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings."""
    result = site.run("doctor", site.name, "--json")
    return result.code, result.json["checks"]


def fault(site: OpenStackSite, **options: str) -> dict[str, Any]:
    """The one finding that is not well."""
    site.configure(**options)
    code, checks = examined(site)
    bad = [check for check in checks if not check["ok"]]
    assert code == 1 and len(bad) == 1 and bad[0]["cure"], checks
    return bad[0]


@pytest.mark.rig("it counts the requests that arrive")
@pytest.mark.takes("front")
def test_a_sound_queue_is_well_and_nothing_is_created(site: OpenStackSite, rig: Rig) -> None:
    site.through_front()
    site.configure(
        Instance_SSHKey="mysshkey", Terraform_SecurityGroups="default", Terraform_AvailabilityZone="nova"
    )
    before = set(site.folder.rglob("*"))
    with rig.counted() as asked:
        code, checks = examined(site)
    assert code == 0 and every(check["ok"] for check in checks), checks
    assert {
        "credentials",
        "user data",
        "terraform",
        "provider",
        "login",
        "image",
        "flavor",
        "network",
        "key pair",
    } < {check["check"] for check in checks}
    assert {call.partition(" ")[0] for call in asked if call != "POST /auth/tokens"} == {"GET"}
    assert set(site.folder.rglob("*")) == before
    assert "CURE" in site.run("doctor", site.name).out


def test_the_queue_of_the_other_tests_is_well(site: OpenStackSite) -> None:
    site.configure(MaxTotalJobs="2")
    code, checks = examined(site)
    assert code == 0 and every(check["ok"] for check in checks), checks


@pytest.mark.rig("it looks for the rig's names")
@pytest.mark.parametrize(
    ("options", "check", "detail", "cure"),
    [
        ({"Instance_Image": "name:CentOS-7"}, "image", "there is none", "name:CentOS-7-x86_64-GenericCloud-1905"),
        ({"Instance_Flavor": "name:m1.medum"}, "flavor", "there is none", "one of: name:m1.medium"),
        ({"Instance_Networks": "name:my_privat_net"}, "network", "there is none", "one of: name:my_private_net"),
        ({"Instance_Networks": ""}, "network", "nova wants to be told which", "name:my_private_net"),
        ({"Instance_SSHKey": "mykey"}, "key pair", "there is none", "name:mysshkey"),
        ({"Terraform_SecurityGroups": "pilots"}, "security group", "there is none", "name:default"),
        ({"Terraform_AvailabilityZone": "moon"}, "availability zone", "there is none", "one of: nova"),
        ({"MaxTotalJobs": "100000"}, "quota", "MaxTotalJobs is 100000", "lower MaxTotalJobs"),
    ],
)
def test_what_is_not_there_is_said_with_candidates(
    site: OpenStackSite, options: dict[str, str], check: str, detail: str, cure: str
) -> None:
    found = fault(site, **options)
    assert found["check"] == check and detail in found["detail"] and cure in found["cure"], found


@pytest.mark.rig("it needs an administrator")
def test_two_images_of_one_name_are_told_apart_by_id(site: OpenStackSite, rig: Rig) -> None:
    made = [
        rig.admin.ask(
            "POST",
            "image",
            "/v2/images",
            {"name": site.ce, "disk_format": "raw", "container_format": "bare", "visibility": "public"},
        )["id"]
        for _ in range(2)
    ]
    try:
        found = fault(site, Instance_Image=f"name:{site.ce}")
        assert found["check"] == "image" and every(one in found["detail"] for one in made)
        found = fault(site, Instance_Image=made[0])
        assert "queued" in found["detail"]  # it has no data
    finally:
        for one in made:
            rig.admin.ask("DELETE", "image", f"/v2/images/{one}")


@pytest.mark.rig("it needs an administrator")
def test_a_flavor_too_small_for_the_image(site: OpenStackSite, rig: Rig) -> None:
    flavor = {"name": site.ce, "vcpus": 1, "ram": 64, "disk": 1}
    made = rig.admin.ask("POST", "compute", "/flavors", {"flavor": flavor})["flavor"]["id"]
    try:
        found = fault(site, Instance_Flavor=f"name:{site.ce}")
        assert found["check"] == "size" and "the image needs 2" in found["detail"]
    finally:
        rig.admin.ask("DELETE", "compute", f"/flavors/{made}")


@pytest.mark.rig("it needs a quota of two VMs")
@pytest.mark.takes("tiny")
def test_a_full_project(tiny: OpenStackSite) -> None:
    found = fault(tiny, MaxTotalJobs="3")
    assert found["check"] == "quota" and "2 more VMs (instances bounds them)" in found["detail"]


def test_a_secret_that_others_can_read(site: OpenStackSite) -> None:
    (site.folder / "cloud.auth").chmod(0o644)
    code, checks = examined(site)
    (found,) = [check for check in checks if not check["ok"]]
    assert code == 1 and "chmod 600" in found["cure"] and site.login()[1] not in str(checks)


@pytest.mark.rig("some clouds lock a user after a wrong password")
def test_a_password_that_is_wrong(site: OpenStackSite) -> None:
    site.authenticate("demo", "not-the-password")
    found = fault(site)
    assert found["check"] == "cloud" and "credentials" in found["detail"]


@pytest.mark.rig("it makes an application credential")
def test_an_application_credential_that_soon_ends(site: OpenStackSite, rig: Rig) -> None:
    me = rig.api().ask("GET", "identity", "/auth/tokens", headers={"X-Subject-Token": rig.api().token})
    path = f"/users/{me['token']['user']['id']}/application_credentials"
    soon = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%S}"
    body = {"application_credential": {"name": site.ce, "expires_at": soon}}
    made = rig.api().ask("POST", "identity", path, body)["application_credential"]
    try:
        site.authenticate(made["id"], made["secret"])
        found = fault(site, Driver_ex_force_auth_version="3.x_appcred", Driver_ex_tenant_name="")
        assert found["check"] == "credential" and "1.0 days" in found["detail"]
    finally:
        rig.api().ask("DELETE", "identity", f"{path}/{made['id']}")


@pytest.mark.rig("it writes a file of the rig's logins")
def test_an_entry_of_clouds_yaml_serves_all_commands(site: OpenStackSite, rig: Rig) -> None:
    place = site.folder / "elsewhere" / "clouds.yaml"
    place.parent.mkdir()
    place.touch(0o600)
    place.write_text(
        f"""clouds:
  rig:
    auth:
      auth_url: {rig.env["OS_AUTH_URL"]}
      username: demo
      password: {rig.env["OS_PASSWORD"]}
      project_name: demo
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
    cacert: {rig.env["OS_CACERT"]}
"""
    )
    dropped = [name for name in site.defaults() if name.startswith("Driver_")]
    site.configure(Driver_cloud="rig", CloudAuth=str(site.folder / "none"), **dict.fromkeys(dropped, ""))
    named = {"OS_CLIENT_CONFIG_FILE": str(place)}
    doctor = site.run("doctor", site.name, **named)
    assert doctor.code == 0 and "clouds.yaml, rig" in doctor.out, doctor.out
    submitted = site.run(*site.submission(1), **named)
    assert submitted.code == 0, submitted.err
    assert site.run("kill", site.name, *submitted.json["references"], **named).code == 0
    assert site.run("status", site.name).code == 2  # without the file
