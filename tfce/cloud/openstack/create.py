"""Making VMs in OpenStack's nova."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from typing import Any

from tfce.cloud.edge import translated
from tfce.cloud.openstack.vms import OpenStack
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.vm import VM

# kind: which service knows it, the path, and where the answer has them
_FIND = {
    "image": ("image", "/v2/images", "images"),
    "flavor": ("compute", "/flavors", "flavors"),
    "network": ("network", "/v2.0/networks", "networks"),
    "security_group": ("network", "/v2.0/security-groups", "security_groups"),
}

_NAMES = 100  # in one search: they travel in the request's address


class OpenStackCreator(OpenStack):
    """The ``Creator`` of an OpenStack queue."""

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        return self._post(f"starting pilot {key}", shape, _server(shape, key, user_data))

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM]:
        many = {"min_count": 1, "max_count": batch.size}
        self._post(f"starting batch {batch.name}", shape, _server(shape, batch, user_data) | many)
        try:
            return self.having(shape, (), [batch])  # nova's answer names one of them only
        except CloudError as error:
            raise CloudError(error.message, "unreachable") from None  # whatever it is: they were made

    def _post(self, asking: str, shape: Shape, server: dict[str, Any]) -> str:
        body = {"server": server, **_hints(shape)}
        answer = self._ask(asking, "/servers", method="POST", data=body, none=()) or {}
        node_id = (answer.get("server") or {}).get("id")
        if not node_id:
            raise CloudError(f"{asking}: the cloud's answer names no VM", "unreachable")
        return str(node_id)

    def having(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
        if len(keys) + len(batches) > _NAMES:
            return self.nodes(shape.owner)
        names = "|".join([*sorted(keys), *(f"{batch.name}(-[0-9]+)?" for batch in batches)])
        return self._listed(shape.owner, {"name": f"^{_literal(shape.name_prefix)}({names})$"})

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        service, path, items = _FIND[kind]
        params = {} if kind == "flavor" else {"name": name}
        asking = f"looking for the {kind} {name}"
        answer = self._ask(asking, path, params, none=(), service=service) or {}
        with translated(asking, self._secrets):
            return [str(item["id"]) for item in answer[items] if item.get("name") == name]


def _server(shape: Shape, asked: str | Batch, user_data: str) -> dict[str, Any]:
    server: dict[str, Any] = {
        "name": shape.name_of(asked),
        "flavorRef": shape.flavor,
        "metadata": {name.replace(":", "_"): value for name, value in shape.tags_of(asked).items()},
        "user_data": base64.b64encode(user_data.encode()).decode(),
        "config_drive": True,
    }
    if shape.root_volume_gb:
        server["block_device_mapping_v2"] = [
            {
                "uuid": shape.image,
                "source_type": "image",
                "destination_type": "volume",
                "volume_size": shape.root_volume_gb,
                "boot_index": 0,
                "delete_on_termination": True,
            }
        ]
    else:
        server["imageRef"] = shape.image
    if shape.networks:
        server["networks"] = [{"uuid": network} for network in shape.networks]
    if shape.key_pair:
        server["key_name"] = shape.key_pair
    if shape.availability_zone:
        server["availability_zone"] = shape.availability_zone
    if shape.security_groups:
        server["security_groups"] = [{"name": group} for group in shape.security_groups]
    return server


def _literal(text: str) -> str:
    """``text`` in a regular expression, for whichever database nova has."""
    return re.sub(r"([^A-Za-z0-9_-])", r"\\\1", text)


def _hints(shape: Shape) -> dict[str, Any]:
    """``options`` of an OpenStack queue are scheduler hints, such as ``group`` for a server group."""
    return {"os:scheduler_hints": dict(shape.options)} if shape.options else {}
