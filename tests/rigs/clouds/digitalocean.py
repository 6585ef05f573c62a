"""DigitalOcean's API v2, as far as libcloud's driver asks: https://docs.digitalocean.com/reference/api/

The driver always speaks to api.digitalocean.com and has no option for another address. So tests name ``Here``:
libcloud's own class with this cloud's address.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from libcloud.common.digitalocean import DigitalOceanConnection
from libcloud.compute.drivers.digitalocean import DigitalOcean_v2_NodeDriver

from tests.rigs.clouds.base import Answer, Ask, Machine, RestCloud, found

_IMAGES = [{"id": n, "name": f"image {n}", "slug": f"image-{n}"} for n in (1, 2, 3)]
_SIZES = [{"slug": "s-1vcpu-1gb"}, {"slug": "s-2vcpu-2gb"}, {"slug": "s-4vcpu-8gb"}]
_REGIONS = [{"slug": "nyc3", "name": "New York 3", "available": True}]
_IMAGE = {"distribution": "Debian", "public": True, "regions": ["nyc3"], "min_disk_size": 15, "created_at": ""}
_SIZE = {
    "memory": 1024,
    "vcpus": 1,
    "disk": 25,
    "transfer": 1.0,
    "price_monthly": 5.0,
    "price_hourly": 0.007,
    "regions": ["nyc3"],
}


class Here(DigitalOcean_v2_NodeDriver):  # type: ignore[misc]
    """libcloud's driver, at ``Driver_host`` and ``Driver_port``."""

    def __new__(cls, key: str, **options: Any) -> Here:
        return object.__new__(cls)

    def __init__(self, key: str, host: str, port: int) -> None:
        self.connectionCls = partial(_connection, host, port)
        super().__init__(key)


def _connection(host: str, port: int, key: str, secure: bool, **options: Any) -> DigitalOceanConnection:
    return DigitalOceanConnection(key, False, host, port, **options)


class DigitalOcean(RestCloud):
    """Droplets."""

    image, flavor, other = "2", "s-1vcpu-1gb", "s-2vcpu-2gb"

    def options(self) -> dict[str, str]:
        return {
            "CloudType": "tests.rigs.clouds.digitalocean.Here",
            "Driver_host": "127.0.0.1",
            "Driver_port": str(self.port),
            "Instance_Image": "name:image 2",
            "Instance_Flavor": "name:s-1vcpu-1gb",
            "Terraform_AvailabilityZone": "nyc3",
        }

    def answer(self, ask: Ask) -> Answer:
        kind, _, one = ask.path.removeprefix("/v2/").partition("/")
        if ask.method == "POST" and kind == "droplets":
            return self._create(ask.body)
        if ask.method == "DELETE" and kind == "droplets":
            return found(self.machines, one, self.removed, {"id": "not_found", "message": "not found"})
        if kind == "droplets" and one:
            show = lambda machine: (200, {"droplet": self._droplet(machine)})  # noqa: E731
            return found(self.machines, one, show, {"id": "not_found", "message": "not found"})
        lists = {
            "droplets": [self._droplet(machine) for machine in self.sorted()],
            "images": [_IMAGE | image for image in _IMAGES],
            "sizes": [_SIZE | size for size in _SIZES],
            "regions": [{"features": [], "sizes": [], **region} for region in _REGIONS],
        }
        return found(lists, kind, lambda records: (200, self._page(ask, kind, records)), {"message": "not found"})

    def _page(self, ask: Ask, kind: str, records: list[Any]) -> Any:
        """A page; only of a list that has several does it name the last one, as the API does."""
        last = -(-len(records) // self.PAGE)
        pages = {"pages": {"last": f"https://api.digitalocean.com/v2/{kind}?page={last}"}} if last > 1 else {}
        return {kind: records[ask.page(self.PAGE)], "links": pages, "meta": {"total": len(records)}}

    def _create(self, asked: Any) -> Answer:
        if self.full:
            return 422, {"id": "unprocessable_entity", "message": self.full}
        known = asked["region"] == "nyc3" and asked["size"] in {size["slug"] for size in _SIZES}
        if not known or len(asked["user_data"].encode()) > 65536:
            return 422, {"id": "unprocessable_entity", "message": "invalid region, size or user data"}
        made = self.add(asked["name"], str(asked["image"]), asked["size"], asked["region"], asked["user_data"])
        return 202, {"droplet": {**self._droplet(made), "status": "new"}}

    def _droplet(self, machine: Machine) -> dict[str, Any]:
        return {
            "id": int(machine.id),
            "name": machine.name,
            "status": "active" if machine.running else "off",
            "created_at": machine.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "image": _IMAGE | {"id": machine.image, "name": "", "slug": ""},
            "size": _SIZE | {"slug": machine.size},
            "size_slug": machine.size,
            "networks": {"v4": [], "v6": []},
            "region": {"slug": machine.place, "name": machine.place},
            "tags": [],
        }
