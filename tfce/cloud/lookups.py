"""Looks at a cloud: its list of VMs in the model's terms, and VMs that are asked for by id."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from tfce.cloud.api import LOOK_UPS, Cloud
from tfce.cloud.listing import Listing
from tfce.model.errors import CloudError
from tfce.model.vm import VM, Inventory

log = logging.getLogger("tfce")


def inventory(found: Sequence[VM]) -> Inventory:
    """VMs in the model's terms: a list of the cloud's with what it says of itself, any others as they are."""
    if isinstance(found, Listing):
        return Inventory(tuple(found), found.complete, found.cloud_time, found.account)
    return Inventory(tuple(found))


def look_up(cloud: Cloud, ids: Collection[str]) -> dict[str, VM | None]:
    """Each VM by its id (at most ``LOOK_UPS``), None where the cloud says that there is none. One that it says
    nothing of is left out."""
    found: dict[str, VM | None] = {}
    for node_id in list(ids)[:LOOK_UPS]:
        try:
            found[node_id] = cloud.vm(node_id)
        except CloudError as error:
            log.warning("nothing is known of %s, its state is kept: %s", node_id, error.message)
    return found
