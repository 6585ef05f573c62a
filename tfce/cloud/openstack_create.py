"""Making VMs in OpenStack's nova."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from tfce.cloud.create import Shape
from tfce.cloud.edge import translated
from tfce.cloud.openstack import OpenStack
from tfce.errors import CloudError
from tfce.node import Node, Owner

# kind: which of the driver's connections, the path, and where the answer has them
_FIND = {
    "image": ("image_connection", "/v2/images", "images"),
    "flavor": ("connection", "/flavors", "flavors"),
    "network": ("network_connection", "/v2.0/networks", "networks"),
    "security_group": ("network_connection", "/v2.0/security-groups", "security_groups"),
}

# What libcloud's connections know after a login. One login serves all services and all threads.
_LOGIN = ("_osa", "auth_token", "auth_token_expires", "auth_user_info", "service_catalog")


class OpenStackCreator(OpenStack):
    """The ``Creator`` of an OpenStack queue."""

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        asking = f"starting pilot {key}"
        with translated(asking, self._secrets):
            body = {"server": _server(shape, key, user_data), **_hints(shape)}
            answer = self._driver.connection.request("/servers", method="POST", data=body).object
        node_id = (answer.get("server") or {}).get("id") if isinstance(answer, dict) else None
        if not node_id:
            raise CloudError(f"{asking}: the cloud's answer names no VM", "unreachable")
        return str(node_id)

    def having(self, owner: Owner, keys: Collection[str]) -> list[Node]:
        return self.nodes(owner)

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        connection, path, items = _FIND[kind]
        params = {} if kind == "flavor" else {"name": name}
        with translated(f"looking for the {kind} {name}", self._secrets):
            answer = getattr(self._driver, connection).request(path, params=params).object
            return [str(item["id"]) for item in answer[items] if item.get("name") == name]

    def twin(self) -> OpenStackCreator:
        twin = OpenStackCreator(self._queue, self._credentials)
        for name in ("connection", "image_connection", "network_connection"):
            for attribute in _LOGIN:
                value = getattr(self._driver.connection, attribute)
                setattr(getattr(twin._driver, name), attribute, value)
        return twin


def _server(shape: Shape, key: str, user_data: str) -> dict[str, Any]:
    server: dict[str, Any] = {
        "name": f"{shape.name_prefix}{key}",
        "flavorRef": shape.flavor,
        "metadata": {name.replace(":", "_"): value for name, value in shape.tags_of(key).items()},
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


def _hints(shape: Shape) -> dict[str, Any]:
    """``options`` of an OpenStack queue are scheduler hints, such as ``group`` for a server group."""
    return {"os:scheduler_hints": dict(shape.options)} if shape.options else {}
