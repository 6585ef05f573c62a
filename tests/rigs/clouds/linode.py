"""Linode's API v4, as far as libcloud's driver asks: https://techdocs.akamai.com/linode-api/reference/api"""

from typing import Any

from tests.rigs.clouds.base import Answer, Ask, Machine, RestCloud, decoded

_IMAGE = dict.fromkeys(("type", "description", "created_by", "vendor", "eol", "is_public", "size"), "")
_TYPE = dict.fromkeys(("transfer", "vcpus", "gpus", "memory", "disk", "network_out", "successor", "class"), 1)
_BLANK: dict[str, Any] = {"specs": {}, "alerts": {}, "backups": {}, "tags": [], "ipv4": []}
_EMPTY: dict[str, Any] = {**_BLANK, "ipv6": None, "hypervisor": "kvm"}
_NEW, _PRICE = {"created": "2026-01-31T12:00:00"}, {"price": {"monthly": 5, "hourly": 0.01}, "addons": {}}
_LISTS: dict[str, list[dict[str, Any]]] = {
    "images": [_IMAGE | {"id": f"private/{n}", "label": f"image {n}", **_NEW} for n in (1, 2, 3)],
    "types": [_TYPE | _PRICE | {"id": f"g6-standard-{n}", "label": f"Linode {n}"} for n in (1, 2, 4)],
    "regions": [{"id": "eu-central", "country": "de", "status": "ok", "capabilities": [], "resolvers": {}}],
}


class Linode(RestCloud):
    REMOVED = 200, {}
    image, flavor, other = "private/2", "g6-standard-1", "g6-standard-2"

    def options(self) -> dict[str, str]:
        where = {"CloudType": "LINODE", **self.here(), "Terraform_AvailabilityZone": "eu-central"}
        return {**where, "Instance_Image": "name:image 2", "Instance_Flavor": "name:Linode 1"}

    def error(self, text: str) -> Any:
        return {"errors": [{"reason": text}]}

    def answer(self, ask: Ask) -> Answer:
        kind, _, one = ask.path.removeprefix("/v4/").removeprefix("linode/").partition("/")
        if ask.method == "POST":
            return self._create(ask.body)
        if kind == "instances" and one:
            return self.one(ask, one, self._shown)
        records = {**_LISTS, "instances": [self._shown(made)[1] for made in self.sorted()]}[kind]
        told = {"page": int(ask.query.get("page", "1")), "pages": max(1, -(-len(records) // self.PAGE))}
        return 200, {"data": records[ask.page(self.PAGE)], **told}

    def _create(self, asked: Any) -> Answer:
        if self.full or len(asked["root_pass"]) < 11:
            return 400, self.error(self.full or "Password does not meet strength requirement.")
        data = decoded(asked["metadata"]["user_data"])
        made = self.add(asked["label"], asked["image"], asked["type"], asked["region"], data)
        return 200, {**self._shown(made)[1], "status": "provisioning"}

    def _shown(self, one: Machine) -> Answer:
        own = {"id": int(one.id), "label": one.name, "image": one.image, "type": one.size, "region": one.place}
        state = {"status": "running" if one.running else "offline", "watchdog_enabled": True}
        return 200, {**_EMPTY, **own, **state, "created": one.created.isoformat()[:19]}
