"""What differs between the clouds' APIs and is known before one is asked: a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tfce.model import userdata


@dataclass(frozen=True)
class Limit:
    """A cloud's bound on user data: ``size`` in bytes, of the base64 text where ``base64`` says so. ``binary``:
    bytes reach the VM as they are, not only text."""

    size: int
    base64: bool
    name: str
    binary: bool = False

    def measure(self, data: bytes) -> int:
        """How many bytes of the bound ``data`` takes."""
        size = len(userdata.as_bytes(data.decode("ascii"))) if self.binary else len(data)
        return 4 * ((size + 2) // 3) if self.base64 else size


EC2 = Limit(16384, False, "EC2")
EC2_BINARY = replace(EC2, binary=True)
OPENSTACK = Limit(65535, True, "OpenStack")
CLOUDSTACK = Limit(4096, True, "CloudStack")  # in an URL, where libcloud puts it


@dataclass(frozen=True)
class Capabilities:
    """What a cloud's API can do, and how it wants things.

    ``user_data``: the bound on it (of clouds that nobody measured: nova's); ``batches``: several VMs in one
    request, each of which knows its number in it; ``partial``: of such a request as many are granted as there is
    room for, where others are refused as a whole; ``native``: the root module over the ready-made Terraform
    provider, "" for none; ``colon``: what the name of a tag has for ":"; ``networks``: the most that a VM can
    have, None: any number; ``grid_proxy``: whether a grid proxy can be the login's secret; ``session_token``:
    whether a login may have one; ``key``: whether a login has one beside its secret;
    ``spot``: whether it has instances that it may take back; ``marketplace``: whether anybody may publish images.
    """

    user_data: Limit = OPENSTACK
    batches: bool = False
    partial: bool = False
    native: str = ""
    colon: str = ":"
    networks: int | None = None
    grid_proxy: bool = True
    session_token: bool = False
    key: bool = True
    spot: bool = False
    marketplace: bool = False


_OTHER = Capabilities()
_TOKEN = Capabilities(key=False, grid_proxy=False)
_TABLE: Mapping[str, Capabilities] = {
    "EC2": Capabilities(
        EC2,
        batches=True,
        partial=True,
        native="aws",
        networks=1,
        grid_proxy=False,
        session_token=True,
        spot=True,
        marketplace=True,
    ),
    "OPENSTACK": Capabilities(OPENSTACK, batches=True, native="openstack", colon="_"),
    **dict.fromkeys(("AURORA_COMPUTE", "CLOUDSTACK", "EXOSCALE", "IKOULA"), Capabilities(CLOUDSTACK)),
    **dict.fromkeys(("DIGITALOCEAN", "EQUINIXMETAL", "LINODE", "VULTR"), _TOKEN),
}


def capabilities_of(cloud: str) -> Capabilities:
    """What the cloud of this name (``Endpoint.cloud``) can do."""
    return _TABLE.get(cloud, _OTHER)
