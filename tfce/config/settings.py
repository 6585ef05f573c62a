"""The options: typed groups, each field declared once.

The declaration serves parsing, faults, the reference's table and the element's docstring. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfce.config import readers as read
from tfce.config.allowance import Allowance
from tfce.config.approved import Source, source
from tfce.config.declared import Option, declared
from tfce.config.declared import option as _option
from tfce.config.readers import Spot
from tfce.model.proxy import ProxyRule

_DAY = 86400
_PUBLISHERS = (
    "self, amazon, aws-marketplace, 136693071363, 099720109477, 764336703387, 792107900819, "
    "309956199498, 125523088429"
)


@dataclass(frozen=True)
class Access:
    """Which cloud, and where its login is."""

    cloud_type: str = _option(
        "CloudType",
        read.text,
        "",
        "libcloud's name of the cloud (docs/drivers.md), or a driver class of yours: package.module.Class",
        "OPENSTACK",
        True,
    )
    auth_file: Path = _option(
        "CloudAuth",
        read.path,
        "<DIRAC root>/etc/cloud.auth",
        "file with key and secret, readable by its owner only; environment variables expand",
        "/opt/dirac/etc/cloud.auth",
    )


@dataclass(frozen=True)
class VmShape:
    """What a pilot's VM is made of, as the options say it: ids, or ``name:NAME``."""

    image: str = _option(
        "Instance_Image",
        read.image,
        "",
        "image id, name:NAME, or newest:PATTERN with * and ?: the one made last, looked up at each submission",
        "name:debian-12-amd64",
        True,
    )
    flavors: tuple[str, ...] = _option(
        "Instance_Flavor",
        read.alternatives,
        "",
        "flavor id, or name:NAME; several: the next one where there is no room",
        "name:t3.medium, name:t3a.medium",
        True,
    )
    networks: tuple[str, ...] = _option(
        "Instance_Networks",
        read.items,
        "",
        "network ids or name:NAME, in order; EC2: subnets, the next one where there is no room",
        "name:pilots",
    )
    ssh_key: str = _option("Instance_SSHKey", read.text, "", "SSH key pair id, or name:NAME", "operators")
    image_owners: tuple[str, ...] = _option(
        "Terraform_ImageOwners", read.items, _PUBLISHERS, "EC2: who may publish an image found by name", "self"
    )
    image_visibility: tuple[str, ...] = _option(
        "Terraform_ImageVisibility",
        read.visibilities,
        "public, private, shared",
        "OpenStack: which images newest:PATTERN may mean",
        "private",
    )
    security_groups: tuple[str, ...] = _option(
        "Terraform_SecurityGroups", read.items, "", "security group ids or name:NAME", "name:pilots"
    )
    zones: tuple[str, ...] = _option(
        "Terraform_AvailabilityZone",
        read.items,
        "",
        "availability zone of the VMs; several: the next one where there is no room",
        "us-east-1a, us-east-1b",
    )
    spot: Spot = _option(
        "Terraform_Spot",
        read.spot,
        "no",
        "EC2: yes: only spot instances, which EC2 may take back; first: others, too, where there is no room for "
        "these",
        "first",
    )
    spot_max_price: str = _option(
        "Terraform_SpotMaxPrice",
        read.price,
        "",
        "EC2: the most that a spot instance may cost an hour, in dollars; unset: the price of one that is not",
        "0.02",
    )
    root_volume: int = _option(
        "Terraform_RootVolume", read.natural, "0", "root volume in GB; 0: what the image gives", "40"
    )
    tags: Mapping[str, str] = _option(
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


@dataclass(frozen=True)
class UserData:
    """What a VM is told at its start."""

    template: Path | None = _option(
        "Context_Template", read.path, "", "cloud-init template instead of tfce's own", "/opt/dirac/etc/vm.yaml"
    )
    packages: tuple[str, ...] = _option(
        "Context_ExtPackages", read.items, "", "additional packages for the VM", "gcc, git"
    )
    cvmfs_proxies: str = _option(
        "Context_CVMFSProxies",
        read.text,
        "auto;DIRECT",
        "CVMFS_HTTP_PROXY of the VM",
        "http://squid.example.org:3128",
    )
    max_lifetime: int = _option(
        "Context_MaxLifetime", read.count, "1209600", "seconds after which a VM is overdue", "259200"
    )
    drain_margin: int | None = _option(
        "Context_DrainMargin",
        read.optional_natural,
        "",
        "seconds before its end in which a VM's pilot takes no further job; unset: a tenth of "
        "Context_MaxLifetime, at most a day",
        "21600",
    )
    proxy_lifetime: ProxyRule = _option(
        "Context_ProxyLifetime",
        read.proxy_rule,
        "",
        "seconds a proxy of its own in the VM must last; none: it gets none; unset: 1209600 (two weeks) where the "
        "pilot wrapper brings no proxy, else none",
        "604800",
    )
    linger: int = _option(
        "Context_Linger", read.natural, "0", "seconds a VM whose pilot failed stays up, for who debugs it", "3600"
    )

    @property
    def margin(self) -> int:
        """``drain_margin``, or what holds where it is unset."""
        return min(self.max_lifetime // 10, _DAY) if self.drain_margin is None else self.drain_margin

    @property
    def shortest(self) -> int:
        """The seconds that every VM lives at least: lifetimes are spread over the last tenth."""
        return self.max_lifetime - self.max_lifetime // 10


@dataclass(frozen=True)
class TerraformOptions:
    """Which Terraform, and how patiently. Times in seconds."""

    binary: Path | None = _option(
        "Terraform_Binary", read.path, "", "terraform or tofu program; unset: found on the PATH", "/usr/bin/tofu"
    )
    mirror: Path | None = _option(
        "Terraform_Mirror", read.path, "", "filesystem mirror of providers to prefer", "/srv/terraform/mirror"
    )
    module: str | Path = _option(
        "Terraform_Module",
        read.module,
        "bulk",
        "bulk: tfce's own provider, one resource for the queue; native (OpenStack, EC2): the cloud's ready-made "
        "provider, a resource for each pilot; or the folder of a root module of yours",
        "native",
    )
    parallelism: int = _option("Terraform_Parallelism", read.count, "10", "VMs created at once by one apply", "20")
    batch: int = _option(
        "Terraform_Batch",
        read.count,
        "100",
        "bulk on OpenStack and EC2: VMs started by one API call, if the template allows it; 1: a call for each",
        "20",
    )
    timeout: int = _option("Terraform_Timeout", read.count, "900", "seconds one Terraform run may take", "1800")
    create_timeout: int = _option(
        "Terraform_CreateTimeout", read.count, "600", "seconds one VM may take to become active", "300"
    )
    max_retries: int = _option(
        "Terraform_MaxRetries", read.natural, "5", "repeats of an API call that failed in passing", "3"
    )
    max_processes: int = _option(
        "Terraform_MaxProcesses", read.count, "4", "Terraform runs at once on this host, all queues", "2"
    )


@dataclass(frozen=True)
class WorkspaceOptions:
    """Where a queue's files are, what its VMs are called, when they go. Times in seconds."""

    root: Path = _option(
        "Workspace_Root",
        read.path,
        "<DIRAC root>/var/tfce",
        "private folder: state, journal, locks",
        "/var/lib/tfce",
    )
    files: Path = _option(
        "Workspace_Files",
        read.path,
        "<Workspace_Root>/workspaces",
        "folder of the reviewable files",
        "/srv/site/workspaces",
    )
    installation: str = _option(
        "Workspace_Installation",
        read.text,
        "",
        "name of this installation in the VMs' tags; unset: made once",
        "lz-prod",
    )
    name_prefix: str = _option("Workspace_NamePrefix", read.text, "tfce-", "start of the VMs' names", "lz-pilot-")
    adopt_prefix: str = _option(
        "Workspace_AdoptPrefix",
        read.prefix,
        "",
        "start of the names of VMs that CloudCE left: polled, counted and removed, too, until they are gone",
        "VMDIRAC3_",
    )
    cooldown: int = _option(
        "Workspace_Cooldown",
        read.natural,
        "600",
        "seconds without submissions after two in a row found no room (quota, capacity, throttling); 0: none",
        "1800",
    )
    young: int = _option(
        "Workspace_YoungSeconds", read.count, "600", "seconds after which a pilot has worked", "900"
    )
    protect_after: int = _option(
        "Workspace_ProtectAfter",
        read.natural,
        "10",
        "pilots in a row that end badly before the queue is protected: one pilot each Workspace_Cooldown until "
        "one works; 0: never",
        "5",
    )
    lock_timeout: int = _option(
        "Workspace_LockTimeout", read.natural, "60", "seconds to wait for a busy workspace", "10"
    )
    list_age: int = _option(
        "Workspace_ListAge",
        read.natural,
        "5",
        "seconds for which queues of one login in a SiteDirector share a list of VMs; 0: each has its own",
        "0",
    )
    trace: Path | None = _option(
        "Workspace_Trace",
        read.path,
        "",
        "folder for traces of where submissions, sweeps and polls spend their time, the newest 20 of each; unset: "
        "none",
        "/var/log/tfce/traces",
    )
    metrics: Path | None = _option(
        "Workspace_Metrics",
        read.path,
        "",
        "textfile for node_exporter with the metrics of all queues of this Workspace_Root that name it, written "
        "after each cycle; unset: none",
        "/var/lib/node_exporter/textfile/tfce.prom",
    )
    reap_share: float = _option(
        "Workspace_ReapShare", read.share, "0.5", "part of the running VMs (beyond 10) one sweep may end", "0.25"
    )


@dataclass(frozen=True)
class ReviewOptions:
    """Whether people approve the shape of new pilots, and where. Times in seconds."""

    mode: str = _option(
        "Workspace_Review",
        read.review,
        "off",
        "shape: new pilots have the shape that was merged at Workspace_Approved, what the options ask beyond it "
        "waits; off: the options count at once",
        "shape",
    )
    approved: Source | None = _option(
        "Workspace_Approved",
        source,
        "",
        "what was merged: a folder, or a git repository and its branch, REPOSITORY[//FOLDER]@REF",
        "https://git.example.org/site.git@main",
    )
    age: int = _option(
        "Workspace_ReviewAge", read.natural, "300", "seconds after which a repository is fetched again", "60"
    )

    @property
    def shape(self) -> bool:
        """Whether the shape of new pilots is the one that was approved."""
        return self.mode == "shape"


@dataclass(frozen=True)
class Limits:
    """How many VMs the queue may have; None: DIRAC alone decides."""

    total: int | None = _option(
        "MaxTotalJobs",
        read.optional_count,
        "",
        "VMs of the queue that may wait and run; DIRAC's default is 1",
        "50",
    )
    waiting: int | None = _option(
        "MaxWaitingJobs", read.optional_count, "", "VMs of the queue that may boot; DIRAC's default is 1", "10"
    )
    cpu_minutes: int | None = _option(
        "maxCPUTime",
        read.minutes,
        "",
        "minutes a job of the queue may take; compared by tfce doctor",
        "2880",
    )


GROUPS: Mapping[str, type[Any]] = {
    "access": Access,
    "shape": VmShape,
    "userdata": UserData,
    "terraform": TerraformOptions,
    "workspace": WorkspaceOptions,
    "review": ReviewOptions,
    "limits": Limits,
    "allowance": Allowance,
}


OPTIONS: tuple[Option, ...] = tuple(option for group in GROUPS.values() for _, option in declared(group))
