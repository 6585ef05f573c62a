"""EC2: a CloudType for each region of libcloud's old table, and one for all regions. Pure."""

from __future__ import annotations

from tfce.config import ec2_regions
from tfce.config.capabilities import Capabilities, Limit
from tfce.config.clouds.kind import DRIVER, CloudKind
from tfce.config.driver_options import DriverOptions
from tfce.model.errors import Fault

NAME = "EC2"
USER_DATA = Limit(16384, False, "EC2", takes_bytes=True)
_DEFAULT = "us-east-1"
_REGIONS = {
    NAME: None,
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


class Ec2(CloudKind):
    """The rules of EC2 and of what speaks like it."""

    name = NAME
    types = tuple(_REGIONS)
    # Beside those of EC2NodeDriver tfce's own `path`.
    arguments = DRIVER | {"path", "signature_version", "token"}
    capabilities = Capabilities(
        USER_DATA,
        batches=True,
        partial=True,
        native="aws",
        networks=1,
        grid_proxy=False,
        session_token=True,
        spot=True,
        marketplace=True,
        list_owners=100,  # a filter of CEs, one of queues: 200 values are EC2's most
    )

    def region(self, cloud_type: str, driver: DriverOptions) -> tuple[str | None, list[Fault]]:
        """The CloudType's own region, or that of Driver_region, or us-east-1."""
        faults, region = [], _REGIONS[cloud_type.upper()]
        if region and driver.get("region", region) != region:
            problem = f"contradicts CloudType = {cloud_type}, which is {region}"
            cure = f"set CloudType = {NAME}, or remove Driver_region"
            faults.append(Fault("Driver_region", str(driver["region"]), problem, cure))
        found = region or str(driver.get("region") or _DEFAULT)
        if found not in ec2_regions.REGIONS and not driver.get("host"):
            cure = "correct it, or set Driver_host to the address of its API"
            faults.append(Fault("Driver_region", found, "AWS has no such region that tfce knows", cure))
        return found, faults
