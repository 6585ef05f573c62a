"""The worked example of docs/modules.md on OpenStack: a module of one's own, with both providers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.checking import consistent, until
from tests.claims import every
from tests.e2e.openstack.cloud import OpenStackSite, node
from tests.e2e.openstack.conftest import NewSite
from tfce.config.data import data_path

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
PROVIDER = '    openstack = {\n      source = "terraform-provider-openstack/openstack"\n    }\n    tfce = {'


def own(folder: Path) -> Path:
    """A copy of terraform/bulk, changed as the page says."""
    place = folder / "own module"
    shutil.copytree(data_path("terraform") / "bulk", place)
    (place / "group.tf").write_text(GROUPS)
    versions, main = place / "versions.tf", place / "main.tf"
    versions.write_text(versions.read_text().replace("    tfce = {", PROVIDER))
    text = main.read_text()
    start, end = text.index("  security_groups = ["), text.index("  # The provider itself")
    refer = "  security_groups = [openstack_networking_secgroup_v2.pilots.id]\n"
    refer += "  options         = { group = openstack_compute_servergroup_v2.pilots.id }\n\n"
    main.write_text(text[:start] + refer + text[end:])
    return place


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
