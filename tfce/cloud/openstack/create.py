"""Making OpenStack's servers."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from tfce.cloud.openstack.parse import COLON, with_tags
from tfce.cloud.openstack.session import Session
from tfce.cloud.openstack.vms import bare, destroy, existing, one
from tfce.cloud.records import InvalidRecordError, identity
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind
from tfce.model.userdata import as_base64
from tfce.model.vm import VM

log = logging.getLogger("tfce.cloud")


def create(session: Session, shape: Shape, key: str, user_data: str) -> str:
    """Ask for the VM of pilot ``key``; its id."""
    made = _post(session, f"starting pilot {key}", shape, _server(shape, key, user_data))
    if session.login.first_server():
        _looked_at(session, made, _metadata(shape, key))
    return made


def _looked_at(session: Session, made: str, tags: dict[str, str]) -> None:
    """Nova's answer does not show a server's metadata: the first of a login is looked at. Of one that has none
    each server is. Raises ``CloudError`` where it takes none, and was removed again."""
    try:
        vm = one(session, made)
    except CloudError:
        vm = None  # it was made, and its id is known: that is not in doubt
    if vm is None or vm.claimed:
        return
    session.login.dropped_metadata()
    if _tagged(session, vm, tags) is None:
        raise CloudError(f"{made}: the cloud takes no metadata; it was removed again", Kind.CONFIGURATION)


def create_batch(session: Session, shape: Shape, batch: Batch, user_data: str) -> None:
    """Ask for all VMs of ``batch`` at once. Nova's answer names one of them only."""
    many = {"min_count": 1, "max_count": batch.size}
    _post(session, f"starting batch {batch.name}", shape, _server(shape, batch, user_data) | many)


def granted(session: Session, shape: Shape, batches: Collection[Batch]) -> list[VM]:
    """What nova lists of ``batches`` that it took in."""
    made = list(existing(session, shape, (), batches))
    seen = {vm.key for vm in made}
    for batch in batches:
        if not seen.issuperset(batch.keys):
            made += _claimed(session, shape, batch)
    return made


def _claimed(session: Session, shape: Shape, batch: Batch) -> list[VM]:
    """The VMs of ``batch`` that came to be without its metadata, and have it now. Where nova takes none, they go:
    no list would ever show whose they are. One that it does not let go is kept by its id."""
    tags = _metadata(shape, batch)
    found: list[VM] = []
    for vm in bare(session, shape, batch):
        claimed = _tagged(session, vm, tags)
        found += [claimed] if claimed else []
    return found


def _tagged(session: Session, vm: VM, tags: dict[str, str]) -> VM | None:
    """A server with its metadata, given again; None for one that takes none, and was removed again."""
    try:
        session.ask(f"tagging {vm.id}", f"/servers/{vm.id}/metadata", method="POST", data={"metadata": tags})
    except CloudError as error:
        if not destroy(session, [vm.id]):
            log.warning("%s bore no metadata (%s) and was removed again", vm.id, error.message)
            return None
        log.warning("%s has no metadata, and nova does not remove it: %s", vm.id, error.message)
    return with_tags(vm, tags)


def _metadata(shape: Shape, asked: str | Batch) -> dict[str, str]:
    return {name.replace(":", COLON): value for name, value in shape.tags_of(asked).items()}


def _post(session: Session, asking: str, shape: Shape, server: dict[str, Any]) -> str:
    body = {"server": server, **_hints(shape)}
    answer = session.ask(asking, "/servers", method="POST", data=body, none=()) or {}
    made = answer.get("server")
    try:
        return identity(made.get("id") if isinstance(made, dict) else None)
    except InvalidRecordError:
        raise CloudError(f"{asking}: the cloud's answer names no VM", "unreachable") from None


def _server(shape: Shape, asked: str | Batch, user_data: str) -> dict[str, Any]:
    server: dict[str, Any] = {
        "name": shape.name_of(asked),
        "flavorRef": shape.flavor,
        "metadata": _metadata(shape, asked),
        "user_data": as_base64(user_data),
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
