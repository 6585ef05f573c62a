"""A queue on the small OpenStack of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.rigs import mirror
from tests.rigs.smallstack import FLAVOR, SmallStack
from tests.site import SECRET, AnySite, keyed


@dataclass
class SmallSite(AnySite):
    """One (CE, queue) on the small OpenStack, which is asked at ``url``."""

    folder: Path
    cloud: SmallStack
    url: str
    ce: str = "cloud.example.org"
    queue: str = "long"
    options: dict[str, str] = field(default_factory=dict)

    def login(self) -> tuple[str, str]:
        return "user", SECRET

    def mirror(self) -> Path:
        return mirror.ensure()

    def defaults(self) -> dict[str, str]:
        return {
            "CloudType": "OPENSTACK",
            "Driver_ex_force_auth_url": self.url,
            "Driver_ex_tenant_name": "project",
            "Driver_ex_force_service_region": "RegionOne",
            "Instance_Image": f"name:{self.cloud.images[0]['name']}",
            "Instance_Flavor": FLAVOR,
            "Instance_Networks": f"name:{self.cloud.networks[0]['name']}",
        }

    def instances(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        found: dict[str, tuple[str, Mapping[str, str]]] = {}
        for server_id, server in dict(self.cloud.servers).items():
            tags = {name.replace("tfce_", "tfce:"): value for name, value in server["metadata"].items()}
            number = server["name"].rpartition(f"{tags.get('tfce:batch', chr(0))}-")[2]
            if (tags.get("tfce:ce"), tags.get("tfce:queue")) == (self.ce, self.queue):
                found[server_id] = (server["status"], keyed(tags, int(number) - 1 if number.isdigit() else 0))
        return found
