"""Which cloud a queue is in, and how its API is reached. Pure: standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tfce.config import ec2_regions, openstack_logins, readers
from tfce.config.capabilities import Capabilities, capabilities_of
from tfce.model.errors import Fault

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
OTHERS = frozenset(
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
    "secure": readers.flag,
    "port": readers.count,
    "timeout": readers.count,
    "retry_delay": readers.count,
}
SECRET_DRIVER_OPTIONS = frozenset({"token", "password", "secret", "ex_force_auth_token"})


@dataclass(frozen=True)
class Endpoint:
    """One cloud: its API, region and driver options.

    ``cloud``: OPENSTACK, EC2, another libcloud name in upper case, or a dotted class; ``region``: the one that the
    cloud type or the driver options name; ``driver``: the ``Driver_*`` options without their prefix; ``repeats``:
    how often a request that failed in passing is made again.
    """

    cloud: str
    region: str | None
    driver: Mapping[str, Any] = field(repr=False)  # may hold a token
    repeats: int = 5

    @property
    def url(self) -> str | None:
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
    def capabilities(self) -> Capabilities:
        """What its API can do."""
        return capabilities_of(self.cloud)

    @property
    def entry(self) -> str:
        """The cloud of clouds.yaml that has the login, "" where another file has it."""
        return str(self.driver.get("cloud") or "") if self.cloud == "OPENSTACK" else ""

    @property
    def home(self) -> str:
        """Which cloud this is: VMs of one home cannot be seen from another."""
        project = self.driver.get("ex_tenant_id") or self.driver.get("ex_tenant_name")
        return " ".join(filter(None, (self.cloud, self.region, self.url, project)))


def endpoint(cloud_type: str, options: Mapping[str, str], faults: list[Fault]) -> Endpoint:
    """The endpoint that CloudType and the ``Driver_*`` of ``options`` name; what is wrong goes to ``faults``."""
    driver = {
        key.removeprefix("Driver_"): _driver_value(key, value, faults)
        for key, value in options.items()
        if key.startswith("Driver_") and value
    }
    cloud, region = _cloud(cloud_type, driver, faults)
    return Endpoint(cloud, region, driver)


def pointed(cloud_type: str, driver: Mapping[str, Any], region: str | None, url: str | None) -> dict[str, Any]:
    """The ``driver`` options, completed by a region and an API's URL where they say nothing of it."""
    if cloud_type.upper() == "OPENSTACK":
        extra = {"ex_force_service_region": region, "ex_force_auth_url": url}
        return {**{name: value for name, value in extra.items() if value}, **driver}
    options = {**({"region": region} if region else {}), **driver}
    if url and not options.get("host"):
        parts = urlsplit(url)
        options |= {
            "host": parts.netloc if "@" in parts.netloc else parts.hostname or "",
            "secure": str(parts.scheme == "https"),
        }
        options |= {"port": str(parts.port)} if parts.port else {}
        options |= {"path": parts.path} if parts.path else {}
    return options


_USERINFO = re.compile(r"(?<=://)[^/@\s]*@|^[^/@\s]+@(?!.*://)")


def _driver_value(key: str, text: str, faults: list[Fault]) -> Any:
    if ("://" in text or key == "Driver_host") and _USERINFO.search(text):
        cure = "take the login out of it: key and secret belong into the file that CloudAuth names"
        faults.append(Fault(key, _USERINFO.sub("****@", text), "holds a login, which would be shown", cure))
    try:
        return _DRIVER_TYPES.get(key.removeprefix("Driver_"), readers.text)(text)
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
        if name in OTHERS:
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
    found = region or str(driver.get("region") or "us-east-1")
    if found not in ec2_regions.REGIONS and not driver.get("host"):
        cure = "correct it, or set Driver_host to the address of its API"
        faults.append(Fault("Driver_region", found, "AWS has no such region that tfce knows", cure))
    return "EC2", found
