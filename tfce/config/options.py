"""CE parameters -> Queue. Every fault is found before any is reported. Pure: standard library only."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfce.config import openstack_logins
from tfce.model.errors import ConfigError, Fault

OUR_PREFIXES = ("Terraform_", "Workspace_")


@dataclass(frozen=True)
class Option:
    """One option: how its text is read, what it is when absent, and what the documentation says."""

    name: str
    read: Callable[[str], Any]
    default: str
    help: str
    example: str
    required: bool = False


def _text(value: str) -> str:
    return value


def _list(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _count(value: str) -> int:
    number = _whole(value)
    if number < 1:
        raise ValueError("must be a whole number of at least 1")
    return number


def _prefix(value: str) -> str:
    if value and len(value) < 4:
        raise ValueError("must have at least 4 characters, so that no other VM's name begins like that")
    return value


def _natural(value: str) -> int:
    number = _whole(value)
    if number < 0:
        raise ValueError("must be a whole number, not negative")
    return number


def _optional_count(value: str) -> int | None:
    return _count(value) if value else None


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError("must be a number, such as 0.5") from None
    if not 0 < number <= 1:
        raise ValueError("must be above 0 and at most 1")
    return number


def _flag(value: str) -> bool:
    try:
        return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[value.lower()]
    except KeyError:
        raise ValueError("must be True or False") from None


def _path(value: str) -> Path | None:
    if not value:
        return None
    expanded = os.path.expanduser(os.path.expandvars(value))  # noqa: PTH111  expandvars has no Path twin
    if "$" in expanded:
        raise ValueError("names an environment variable that is not set")
    if not os.path.isabs(expanded):  # noqa: PTH117
        raise ValueError("must be an absolute path")
    return Path(expanded)


def _module(value: str) -> str | Path:
    return value if value in ("native", "bulk") else _path(value) or "bulk"


def _tags(value: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in _list(value)]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise ValueError("must read NAME=VALUE, NAME=VALUE")
    return {name.strip(): text.strip() for name, _, text in pairs}


_PUBLISHERS = (
    "self, amazon, aws-marketplace, 136693071363, 099720109477, 764336703387, 792107900819, "
    "309956199498, 125523088429"
)

OPTIONS: tuple[Option, ...] = (
    Option(
        "CloudType",
        _text,
        "",
        "libcloud's name of the cloud (docs/drivers.md), or a driver class of yours: package.module.Class",
        "OPENSTACK",
        True,
    ),
    Option(
        "CloudAuth",
        _path,
        "<DIRAC root>/etc/cloud.auth",
        "file with key and secret, readable by its owner only; environment variables expand",
        "/opt/dirac/etc/cloud.auth",
    ),
    Option("Instance_Image", _text, "", "image id, or name:NAME", "name:debian-12-amd64", True),
    Option("Instance_Flavor", _text, "", "flavor id, or name:NAME", "name:t3.medium", True),
    Option("Instance_Networks", _list, "", "network (EC2: subnet) ids or name:NAME, in order", "name:pilots"),
    Option("Instance_SSHKey", _text, "", "SSH key pair id, or name:NAME", "operators"),
    Option("Context_Template", _path, "", "cloud-init template instead of tfce's own", "/opt/dirac/etc/vm.yaml"),
    Option("Context_ExtPackages", _list, "", "additional packages for the VM", "gcc, git"),
    Option(
        "Context_CVMFSProxies", _text, "auto;DIRECT", "CVMFS_HTTP_PROXY of the VM", "http://squid.example.org:3128"
    ),
    Option("Context_MaxLifetime", _count, "1209600", "seconds after which a VM is overdue", "259200"),
    Option(
        "Context_ProxyLifetime",
        _optional_count,
        "",
        "seconds a proxy of its own in the VM must last; unset: the proxy comes in the pilot wrapper",
        "1209600",
    ),
    Option("Terraform_Binary", _path, "", "terraform or tofu program; unset: found on the PATH", "/usr/bin/tofu"),
    Option("Terraform_Mirror", _path, "", "filesystem mirror of providers to prefer", "/srv/terraform/mirror"),
    Option(
        "Terraform_Module",
        _module,
        "bulk",
        "bulk: tfce's own provider, one resource for the queue; native (OpenStack, EC2): the cloud's ready-made "
        "provider, a resource for each pilot; or the folder of a root module of yours",
        "native",
    ),
    Option("Terraform_Parallelism", _count, "10", "VMs created at once by one apply", "20"),
    Option(
        "Terraform_Batch",
        _count,
        "100",
        "bulk on OpenStack and EC2: VMs started by one API call, if the template allows it; 1: a call for each",
        "20",
    ),
    Option("Terraform_Timeout", _count, "900", "seconds one Terraform run may take", "1800"),
    Option("Terraform_CreateTimeout", _count, "600", "seconds one VM may take to become active", "300"),
    Option("Terraform_MaxRetries", _natural, "5", "repeats of an API call that failed in passing", "3"),
    Option("Terraform_MaxProcesses", _count, "4", "Terraform runs at once on this host, all queues", "2"),
    Option("Terraform_ImageOwners", _list, _PUBLISHERS, "EC2: who may publish an image found by name", "self"),
    Option("Terraform_SecurityGroups", _list, "", "security group ids or name:NAME", "name:pilots"),
    Option("Terraform_AvailabilityZone", _text, "", "availability zone of the VMs", "us-east-1a"),
    Option("Terraform_RootVolume", _natural, "0", "root volume in GB; 0: what the image gives", "40"),
    Option("Terraform_Tags", _tags, "", "additional tags of the VMs", "project=lz, owner=grid"),
    Option(
        "Workspace_Root",
        _path,
        "<DIRAC root>/var/tfce",
        "private folder: state, journal, locks",
        "/var/lib/tfce",
    ),
    Option(
        "Workspace_Files",
        _path,
        "<Workspace_Root>/workspaces",
        "folder of the reviewable files",
        "/srv/site/workspaces",
    ),
    Option(
        "Workspace_Installation",
        _text,
        "",
        "name of this installation in the VMs' tags; unset: made once",
        "lz-prod",
    ),
    Option("Workspace_NamePrefix", _text, "tfce-", "start of the VMs' names", "lz-pilot-"),
    Option(
        "Workspace_AdoptPrefix",
        _prefix,
        "",
        "start of the names of VMs that CloudCE left: polled, counted and removed, too, until they are gone",
        "VMDIRAC3_",
    ),
    Option(
        "Workspace_Cooldown",
        _natural,
        "600",
        "seconds without submissions after two in a row met no quota, no capacity or throttling; 0: none",
        "1800",
    ),
    Option("Workspace_LockTimeout", _natural, "60", "seconds to wait for a busy workspace", "10"),
    Option("Workspace_ReapShare", _share, "0.5", "part of the running VMs (beyond 10) one sweep may end", "0.25"),
    Option(
        "MaxTotalJobs", _optional_count, "", "VMs of the queue that may wait and run; DIRAC's default is 1", "50"
    ),
    Option("MaxWaitingJobs", _optional_count, "", "VMs of the queue that may boot; DIRAC's default is 1", "10"),
)

_BY_NAME = {option.name: option for option in OPTIONS}

_EC2_REGIONS = {
    "EC2": None,
    "EC2_US_EAST": "us-east-1",
    "EC2_US_EAST_OHIO": "us-east-2",
    "EC2_US_WEST": "us-west-1",
    "EC2_US_WEST_OREGON": "us-west-2",
    "EC2_EU": "eu-west-1",
    "EC2_EU_WEST": "eu-west-1",
    "EC2_EU_WEST2": "eu-west-2",
    "EC2_AP_SOUTHEAST": "ap-southeast-1",
    "EC2_AP_SOUTHEAST2": "ap-southeast-2",
    "EC2_AP_NORTHEAST": "ap-northeast-1",
    "EC2_AP_NORTHEAST1": "ap-northeast-1",
    "EC2_AP_NORTHEAST2": "ap-northeast-2",
    "EC2_SA_EAST": "sa-east-1",
    "EC2_CA_CENTRAL1": "ca-central-1",
}

# libcloud's other compute drivers; docs/drivers.md says what each can do. A test keeps both in step.
_OTHERS = frozenset(
    (  # noqa: SIM905  forty-five lines else
        "ABIQUO ALIYUN_ECS AURORA_COMPUTE AZURE AZURE_ARM BRIGHTBOX CLOUDSCALE CLOUDSIGMA CLOUDSTACK "
        "DIGITALOCEAN DIMENSIONDATA DUMMY EQUINIXMETAL EUCALYPTUS EXOSCALE GANDI GCE GIG_G8 GRIDSCALE IKOULA "
        "INTERNETSOLUTIONS KAMATERA KTUCLOUD KUBEVIRT LIBVIRT LINODE MAXIHOST NIMBUS NTTA NTTCIS ONAPP "
        "OPENNEBULA OUTSCALE OUTSCALE_INC OUTSCALE_SAS OVH RACKSPACE RACKSPACE_FIRST_GEN RIMUHOSTING SCALEWAY "
        "TERREMARK UPCLOUD VCL VCLOUD VPSNET VSPHERE VULTR"
    ).split()
)

# Driver options are text in DIRAC's configuration, where 'False' would be true: these have a type.
_DRIVER_TYPES: Mapping[str, Callable[[str], Any]] = {
    "secure": _flag,
    "port": _count,
    "timeout": _count,
    "retry_delay": _count,
}
SECRET_DRIVER_OPTIONS = frozenset({"token", "password", "secret", "ex_force_auth_token"})


@dataclass(frozen=True)
class Queue:
    """The immutable wish: one (CE, queue) with its validated options.

    ``values`` holds every option of ``OPTIONS`` by name in its own type, ``driver`` the ``Driver_*``
    options without their prefix, ``region`` the region the cloud type or the driver options name.
    """

    ce: str
    name: str
    cloud: str  # OPENSTACK, EC2, another libcloud name in upper case, or a dotted class
    region: str | None
    values: Mapping[str, Any]
    driver: Mapping[str, Any] = field(repr=False)  # may hold a token

    def __getitem__(self, option: str) -> Any:
        return self.values[option]

    @property
    def label(self) -> str:
        """``CE/QUEUE``, as operators name it."""
        return f"{self.ce}/{self.name}"

    @property
    def endpoint(self) -> str | None:
        """The API's URL where the options name one, else None for the cloud's public endpoint."""
        if self.cloud == "OPENSTACK":
            return openstack_logins.auth_url(self.driver)
        host = self.driver.get("host")
        if not host:
            return None
        scheme = "https" if self.driver.get("secure", True) else "http"
        port = f":{self.driver['port']}" if "port" in self.driver else ""
        return f"{scheme}://{host}{port}{self.driver.get('path', '')}".rstrip("/")

    @property
    def home(self) -> str:
        """Which cloud this is: VMs of one home cannot be seen from another."""
        project = self.driver.get("ex_tenant_id") or self.driver.get("ex_tenant_name")
        return " ".join(filter(None, (self.cloud, self.region, self.endpoint, project)))


def parse(ce: str, name: str, parameters: Mapping[str, Any], dirac_root: Path, state_root: Path) -> Queue:
    """The queue that the merged CE ``parameters`` describe; values may be text, numbers or lists.

    Raises ``ConfigError`` with every fault: unknown option of ours, wrong type, missing requirement.
    """
    text = {key: _plain(value) for key, value in parameters.items()}
    faults = [_unknown(key, text[key]) for key in text if key.startswith(OUR_PREFIXES) and key not in _BY_NAME]
    values = {option.name: _value(option, text.get(option.name, ""), faults) for option in OPTIONS}
    driver = {
        key.removeprefix("Driver_"): _driver_value(key, value, faults)
        for key, value in text.items()
        if key.startswith("Driver_") and value
    }
    cloud, region = _cloud(values["CloudType"], driver, faults)
    if cloud == "EC2" and len(values["Instance_Networks"]) > 1:
        faults.append(
            Fault(
                "Instance_Networks",
                text["Instance_Networks"],
                "an EC2 pilot has one network",
                "name one subnet",
            )
        )
    if not ce or not name:
        faults.append(Fault("Queue", f"{ce}/{name}", "CE and queue need a name", "write CE/QUEUE"))
    if faults:
        raise ConfigError.of(faults)
    values["CloudAuth"] = values["CloudAuth"] or dirac_root / "etc" / "cloud.auth"
    values["Workspace_Root"] = values["Workspace_Root"] or state_root
    values["Workspace_Files"] = values["Workspace_Files"] or values["Workspace_Root"] / "workspaces"
    return Queue(ce, name, cloud, region, values, driver)


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value).strip()


def _unknown(name: str, value: str) -> Fault:
    near = difflib.get_close_matches(name, _BY_NAME, 1)
    hint = f"did you mean {near[0]}?" if near else "remove it; the README lists tfce's options"
    return Fault(name, value, "tfce has no such option", hint)


def _value(option: Option, text: str, faults: list[Fault]) -> Any:
    if not text and option.required:
        faults.append(
            Fault(option.name, "", "is missing", f"set it, for example {option.name} = {option.example}")
        )
        return option.read("")
    default = "" if option.default.startswith("<") else option.default
    try:
        return option.read(text or default)
    except ValueError as error:
        faults.append(Fault(option.name, text, str(error), f"for example {option.name} = {option.example}"))
        return option.read(default)


def _driver_value(key: str, text: str, faults: list[Fault]) -> Any:
    try:
        return _DRIVER_TYPES.get(key.removeprefix("Driver_"), _text)(text)
    except ValueError as error:
        faults.append(Fault(key, text, str(error), "correct the value"))
        return text


def _cloud(cloud_type: str, driver: Mapping[str, Any], faults: list[Fault]) -> tuple[str, str | None]:
    name = cloud_type.upper()
    if not name:
        return "", None
    if name == "OPENSTACK":
        faults += openstack_logins.faults(driver)
        return name, driver.get("ex_force_service_region")
    if name not in _EC2_REGIONS:
        if name in _OTHERS:
            return name, None
        if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", cloud_type):
            return cloud_type, None  # a class of one's own; whether it is there is found when it is needed
        known = ", ".join(["OPENSTACK", *_EC2_REGIONS])
        cure = f"use one of {known}, another of docs/drivers.md, or package.module.Class"
        faults.append(Fault("CloudType", cloud_type, "libcloud has no such driver", cure))
        return "", None
    region = _EC2_REGIONS[name]
    if region and driver.get("region", region) != region:
        faults.append(
            Fault(
                "Driver_region",
                driver["region"],
                f"contradicts CloudType = {cloud_type}, which is {region}",
                "set CloudType = EC2, or remove Driver_region",
            )
        )
    return "EC2", region or driver.get("region") or "us-east-1"
