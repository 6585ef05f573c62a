"""Logins to a real keystone, the words for what is wrong with one, and tokens that end."""

from __future__ import annotations

import pytest

from tests.checking import consistent
from tests.e2e.openstack.cloud import OpenStackSite
from tests.e2e.openstack.rig import Rig
from tfce.model.errors import CloudError


@pytest.mark.rig("it needs an application credential")
def test_an_application_credential_serves_both_clients(site: OpenStackSite, rig: Rig) -> None:
    site.authenticate(rig.env["RIG_APPCRED_ID"], rig.env["RIG_APPCRED_SECRET"])
    site.configure(Driver_ex_force_auth_version="3.x_appcred", Driver_ex_tenant_name="")
    result = site.submit(1)
    assert result.code == 0, result.err
    consistent(site, 1)
    assert site.run("kill", site.name, *result.json["references"]).code == 0


@pytest.mark.rig("it needs a second project")
def test_the_project_may_be_named_by_its_id(site: OpenStackSite, rig: Rig) -> None:
    site.project = "clouduser"
    site.configure(Driver_ex_tenant_name="", Driver_ex_tenant_id=rig.env["RIG_CLOUDUSER_PROJECT_ID"])
    assert site.submit(1).code == 0
    assert len(site.servers()) == 1  # in clouduser, not in demo
    consistent(site, 1)


@pytest.mark.rig("some clouds lock a user after a wrong password")
def test_a_wrong_password(site: OpenStackSite) -> None:
    site.authenticate("demo", "not-the-password")
    refused = site.run("status", site.name)
    assert refused.code == 3 and "credentials" in refused.err and "not-the-password" not in refused.err
    submitted = site.submit(1)
    assert submitted.code == 3 and "not-the-password" not in submitted.out + submitted.err


def test_a_wrong_region(site: OpenStackSite) -> None:
    site.configure(Driver_ex_force_service_region="Nowhere")
    refused = site.run("status", site.name)
    assert refused.code == 3 and "Driver_ex_force_service_region" in refused.err and "Nowhere" in refused.err
    assert site.submit(1).code in (1, 3)


@pytest.mark.rig("it needs an authority that the system does not know")
def test_an_authority_that_is_not_known(site: OpenStackSite) -> None:
    site.configure(Driver_ca_cert="")
    refused = site.run("status", site.name)
    assert refused.code == 3 and "certificate" in refused.err and "Driver_ca_cert" in refused.err


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("Instance_Image", "name:no-such-image", "image"),
        ("Instance_Image", "00000000-0000-4000-8000-000000000000", "image"),
        ("Instance_Flavor", "name:no.such.flavor", "flavor"),
        ("Instance_Networks", "name:no-such-network", "network"),
        ("Instance_Networks", "00000000-0000-4000-8000-000000000000", "network"),
        ("Instance_SSHKey", "no-such-key", "key pair"),
    ],
)
def test_what_does_not_exist_is_said(site: OpenStackSite, option: str, value: str, kind: str) -> None:
    site.configure(**{option: value})
    failed = site.submit(2)
    assert failed.code == 1 and len(failed.json["failed"]) == 2, failed
    assert {one["kind"] for one in failed.json["failed"]} == {kind}, failed.json
    site.configure(**{option: site.defaults().get(option, "")})
    consistent(site, 0, plan_ends=2)


def revoke(rig: Rig, token: str) -> None:
    """End a token before its time, as an administrator may."""
    rig.admin.ask("DELETE", "identity", "/auth/tokens", headers={"X-Subject-Token": token})


@pytest.mark.rig("it needs an administrator")
def test_a_token_that_ends_early_is_renewed(site: OpenStackSite, rig: Rig) -> None:
    references = site.submit(1).json["references"]
    parts = site.parts()
    ended = parts.cloud.token()
    revoke(rig, ended)  # before nova has seen it, which would believe it for five minutes more
    before = parts.cloud.calls.copy()
    assert parts.fleet.poll(references) == {references[0]: "Running"}
    asked = parts.cloud.calls - before
    assert asked["POST /auth/tokens"] == 1 and asked["GET /servers/detail"] == 2  # refused once, then answered
    assert parts.cloud.token() != ended


@pytest.mark.rig("it sets the life of tokens")
@pytest.mark.alone
def test_tokens_that_end_in_the_middle_of_an_apply(site: OpenStackSite, rig: Rig) -> None:
    site.configure(Terraform_Parallelism="1")
    rig.verb("tokens", "6")
    try:
        result = site.submit(3)
    finally:
        rig.verb("tokens", "86400")
    assert result.code == 0, result.out
    assert result.json["seconds"] > 6 and result.json["calls"]["POST /auth/tokens"] > 2  # two without renewal
    consistent(site, 3)


@pytest.mark.rig("some clouds lock a user after a wrong password")
def test_a_password_that_changes_is_said(site: OpenStackSite, rig: Rig) -> None:
    references = site.submit(1).json["references"]
    parts = site.parts()
    parts.fleet.poll(references)
    site.authenticate("demo", "changed-meanwhile")
    fresh = site.parts()
    with pytest.raises(CloudError) as caught:
        fresh.fleet.poll(references)
    assert caught.value.kind == "authentication" and "changed-meanwhile" not in caught.value.message
    assert parts.fleet.poll(references) == {references[0]: "Running"}  # the old token serves until it ends
