"""The worked example of docs/modules.md on OpenStack: a module of one's own, with both providers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ownmodule
from tests.checking import consistent, until
from tests.claims import every
from tests.e2e.openstack.cloud import OpenStackSite, node
from tests.e2e.openstack.conftest import NewSite

GROUPS = """
provider "openstack" {
  auth_url = var.endpoint
  region   = var.region
}

resource "openstack_networking_secgroup_v2" "pilots" {
  name        = "pilots-of-${var.ce}"
  description = "No way in"
}

resource "openstack_compute_servergroup_v2" "pilots" {
  name     = "pilots-of-${var.ce}"
  policies = ["affinity"]
}
"""
PROVIDER = '    openstack = {\n      source = "terraform-provider-openstack/openstack"\n    }\n'


def own(folder: Path) -> Path:
    """The worked example of docs/modules.md."""
    group = "{ group = openstack_compute_servergroup_v2.pilots.id }"
    return ownmodule.own(folder, GROUPS, PROVIDER, "[openstack_networking_secgroup_v2.pilots.id]", group)


@pytest.mark.rig("it leaves a security group and a server group behind")
def test_pilots_in_a_security_group_and_a_server_group(new_site: NewSite) -> None:
    site: OpenStackSite = new_site()
    site.configure(Terraform_Module=str(own(site.folder)))
    submitted = site.submit(2)
    assert submitted.code == 0, submitted.out + submitted.err
    ids = {node(reference) for reference in submitted.json["references"]}
    until(lambda: {s["status"] for s in site.servers().values()} == {"ACTIVE"}, "the VMs are built", pause=1)
    name = f"pilots-of-{site.ce}"
    assert every([g["name"] for g in s["security_groups"]] == [name] for s in site.servers().values())
    groups = site.api.ask("GET", "compute", "/os-server-groups")["server_groups"]
    assert [set(group["members"]) for group in groups if group["name"] == name] == [ids]
    consistent(site, 2)
