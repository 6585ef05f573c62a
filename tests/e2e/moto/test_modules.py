"""An operator's own root module, as docs/modules.md describes it, and how the modules of tfce are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ownmodule
from tests.site import Site
from tfce.config.options import Queue, parse
from tfce.model.errors import ConfigError
from tfce.terraform.modules import AWS, BULK, module_for, strangers

GROUPS = """
provider "aws" {
  region                      = var.region
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    ec2 = var.endpoint
  }
}

resource "aws_security_group" "pilots" {
  name        = "pilots-of-${var.ce}"
  description = "No way in"
}
"""
PROVIDER = '    aws = {\n      source = "hashicorp/aws"\n    }\n'


def queue(**more: str) -> Queue:
    options = {"CloudType": "EC2", "Instance_Image": "ami-1", "Instance_Flavor": "t3.micro", **more}
    return parse("ce", "long", options, Path("/none"), Path("/none"))


def own(folder: Path) -> Path:
    """The worked example of docs/modules.md; moto knows no placement groups, so another option stands for it."""
    return ownmodule.own(folder, GROUPS, PROVIDER, "[aws_security_group.pilots.id]", '{ EbsOptimized = "true" }')


def test_the_worked_example_adds_a_security_group_and_an_option(site: Site) -> None:
    site.configure(Terraform_Module=str(own(site.folder)))
    first = site.submit(2)
    assert first.code == 0, first.out + first.err
    assert site.submit(1).code == 0
    (group,) = {
        item.findtext("groupId", "")
        for item in site.emulator.call("DescribeSecurityGroups").iterfind("securityGroupInfo/item")
        if item.findtext("groupName") == f"pilots-of-{site.ce}"
    }
    mine = {f"InstanceId.{number}": node for number, node in enumerate(site.instances(), 1)}
    answer = site.emulator.call("DescribeInstances", **mine)  # of all it would be a page
    instances = list(answer.iterfind("reservationSet/item/instancesSet/item"))
    assert len(instances) == 3
    assert {i.findtext("groupSet/item/groupId") for i in instances} == {group}
    assert {i.findtext("ebsOptimized") for i in instances} == {"true"}
    assert site.audit()["mismatches"] == 0 and site.run("plan", site.name).code == 0
    # Back to tfce's own module: its pilots stay, what the operator made is the operator's.
    site.configure(Terraform_Module="bulk")
    assert site.submit(1).code == 0 and len(site.instances()) == 4 and site.audit()["mismatches"] == 0


def test_which_module_serves_a_queue() -> None:
    assert module_for(queue()) is BULK and module_for(queue(Terraform_Module="native")) is AWS
    assert module_for(queue(Terraform_Module="bulk")) is BULK
    assert module_for(queue(CloudType="CLOUDSTACK")) is BULK  # nobody else can


def test_an_own_module_is_of_the_kind_its_pilots_are(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "tfce_pilots" "mine" {\n}\n')
    bulk = module_for(queue(Terraform_Module=str(tmp_path)))
    assert bulk.bulk and bulk.resource == "tfce_pilots.mine" and bulk.folder == tmp_path
    (tmp_path / "main.tf").write_text('resource "aws_instance" "pilot" {\n}\n')
    native = module_for(queue(Terraform_Module=str(tmp_path)))
    assert not native.bulk and native.resource == AWS.resource and native.name != AWS.name
    (tmp_path / "main.tf").write_text('resource "aws_instance" "web" {\n}\n')
    with pytest.raises(ConfigError, match="make no pilots"):
        module_for(queue(Terraform_Module=str(tmp_path)))
    with pytest.raises(ConfigError, match="absolute"):
        queue(Terraform_Module="bulky")


def test_pilots_of_another_module_are_found_in_a_state() -> None:
    native = {
        "mode": "managed",
        "type": "aws_instance",
        "name": "pilot",
        "instances": [{"index_key": "0000000A", "attributes": {"id": "i-1"}}],
    }
    bulk = {
        "mode": "managed",
        "type": "tfce_pilots",
        "name": "queue",
        "instances": [{"attributes": {"ids": {"0000000B": "i-2"}}}],
    }
    group = {"mode": "managed", "type": "aws_security_group", "name": "pilots", "instances": [{}]}
    data = {"mode": "data", "type": "tfce_image", "name": "pilot", "instances": [{}]}
    state = {"resources": [native, bulk, group, data]}
    assert strangers(state, BULK) == {"aws_instance.pilot": ["0000000A"]}
    assert strangers(state, AWS) == {"tfce_pilots.queue": ["0000000B"]}
    assert {key: i.id for key, i in BULK.instances(state).items()} == {"0000000B": "i-2"}
