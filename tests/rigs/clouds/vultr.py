"""Vultr's API v2, as far as libcloud's driver asks: https://www.vultr.com/api/"""

from typing import Any

from tests.rigs.clouds.base import Answer, Ask, Machine, RestCloud, decoded, found

_TEXTS = "gateway_v4 v6_network v6_main_ip internal_ip image_id tag os firewall_group_id netmask_v4 server_status"
_NUMBERS = "ram disk v6_network_size app_id vcpu_count allowed_bandwidth"
_EMPTY = dict.fromkeys(_TEXTS.split(), "") | dict.fromkeys(_NUMBERS.split(), 0)
_PLAN = {"disk_count": 1, "bandwidth": 1, "monthly_cost": 5, "type": "vc2", "locations": ["fra"]}
_LISTS = {
    "os": [{"id": n, "name": f"image {n}", "arch": "x64", "family": "debian"} for n in (1, 2, 3)],
    "plans": [_EMPTY | _PLAN | {"id": f"vc2-{n}c-{n}gb"} for n in (1, 2, 4)],
    "regions": [{"id": "fra", "city": "Frankfurt", "country": "DE", "continent": "Europe", "options": []}],
    "plans-metal": [],
    "bare-metals": [],
}


class Vultr(RestCloud):
    image, flavor, other = "2", "vc2-1c-1gb", "vc2-2c-2gb"

    def options(self) -> dict[str, str]:
        vm = {"Instance_Image": "name:image 2", "Instance_Flavor": "name:vc2-1c-1gb"}
        return {"CloudType": "VULTR", **self.here(), **vm, "Terraform_AvailabilityZone": "fra"}

    def answer(self, ask: Ask) -> Answer:
        kind, _, one = ask.path.removeprefix("/v2/").partition("/")
        if (ask.method, kind) == ("POST", "instances"):
            return (403, {"error": self.full}) if self.full else self._create(ask.body)
        if kind == "instances" and one:
            return self.one(ask, one, lambda machine: (200, {"instance": self._instance(machine)}))
        lists = {**_LISTS, "instances": [self._instance(one) for one in self.sorted()]}
        return found(lists, kind, lambda records: self._page(ask, kind, records), {"error": "not found"})

    def _page(self, ask: Ask, kind: str, records: list[Any]) -> Answer:
        end = int(ask.query.get("cursor", "0")) + self.PAGE  # a cursor is the next record's number
        links = {"next": str(end) if end < len(records) else "", "prev": ""}
        return 200, {kind.replace("-", "_"): records[end - self.PAGE : end], "meta": {"links": links}}

    def _create(self, asked: Any) -> Answer:
        data = decoded(asked["user_data"])
        made = self.add(asked["label"], str(asked["os_id"]), asked["plan"], asked["region"], data)
        return 202, {"instance": {**self._instance(made), "status": "pending"}}

    def _instance(self, one: Machine) -> dict[str, Any]:
        own = {"id": one.id, "label": one.name, "plan": one.size, "os_id": int(one.image), "region": one.place}
        state = {"status": "active", "power_status": "running" if one.running else "stopped"}
        more = {"features": [], "main_ip": "0.0.0.0", "date_created": one.created.isoformat()}
        return {**_EMPTY, **own, **state, **more}
