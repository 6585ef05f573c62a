"""Options of the cloud and its VMs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfce.config import readers as read
from tfce.config.declared import option
from tfce.config.readers import Spot

_PUBLISHERS = (
    "self, amazon, aws-marketplace, 136693071363, 099720109477, 764336703387, 792107900819, "
    "309956199498, 125523088429"
)


@dataclass(frozen=True)
class Access:
    """Which cloud, and where its login is."""

    cloud_type: str = option(
        "CloudType",
        read.text,
        "",
        "libcloud's name of the cloud (docs/drivers.md), or a driver class of yours: package.module.Class",
        "OPENSTACK",
        True,
    )
    auth_file: Path = option(
        "CloudAuth",
        read.path,
        "<DIRAC root>/etc/cloud.auth",
        "file with key and secret, readable by its owner only; environment variables expand",
        "/opt/dirac/etc/cloud.auth",
    )


@dataclass(frozen=True)
class VmShape:
    """What a pilot's VM is made of, as the options say it: ids, or ``name:NAME``."""

    image: str = option(
        "Instance_Image",
        read.image,
        "",
        "image id, name:NAME, or newest:PATTERN with * and ?: the one made last, looked up at each submission",
        "name:debian-12-amd64",
        True,
    )
    flavors: tuple[str, ...] = option(
        "Instance_Flavor",
        read.alternatives,
        "",
        "flavor id, or name:NAME; several: the next one where there is no room",
        "name:t3.medium, name:t3a.medium",
        True,
    )
    networks: tuple[str, ...] = option(
        "Instance_Networks",
        read.items,
        "",
        "network ids or name:NAME, in order; EC2: subnets, the next one where there is no room",
        "name:pilots",
    )
    ssh_key: str = option("Instance_SSHKey", read.text, "", "SSH key pair id, or name:NAME", "operators")
    image_owners: tuple[str, ...] = option(
        "Terraform_ImageOwners", read.items, _PUBLISHERS, "EC2: who may publish an image found by name", "self"
    )
    image_visibility: tuple[str, ...] = option(
        "Terraform_ImageVisibility",
        read.visibilities,
        "public, private, shared",
        "OpenStack: which images newest:PATTERN may mean",
        "private",
    )
    security_groups: tuple[str, ...] = option(
        "Terraform_SecurityGroups", read.items, "", "security group ids or name:NAME", "name:pilots"
    )
    zones: tuple[str, ...] = option(
        "Terraform_AvailabilityZone",
        read.items,
        "",
        "availability zone of the VMs; several: the next one where there is no room",
        "us-east-1a, us-east-1b",
    )
    spot: Spot = option(
        "Terraform_Spot",
        read.spot,
        "no",
        "EC2: yes: only spot instances, which EC2 may take back; first: others, too, where there is no room for "
        "these",
        "first",
    )
    spot_max_price: str = option(
        "Terraform_SpotMaxPrice",
        read.price,
        "",
        "EC2: the most that a spot instance may cost an hour, in dollars; unset: the price of one that is not",
        "0.02",
    )
    root_volume: int = option(
        "Terraform_RootVolume", read.natural, "0", "root volume in GB; 0: what the image gives", "40"
    )
    tags: Mapping[str, str] = option(
        "Terraform_Tags", read.tags, "", "additional tags of the VMs", "project=lz, owner=grid"
    )

    @property
    def flavor(self) -> str:
        """The preferred one."""
        return self.flavors[0] if self.flavors else ""

    @property
    def availability_zone(self) -> str:
        """The preferred one; "" for the cloud's own choice."""
        return self.zones[0] if self.zones else ""
