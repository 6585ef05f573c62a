"""Looks at a cloud: its list of VMs in the model's terms, and VMs that are asked for by id."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from tfce.cloud.api import LOOK_UPS, Cloud
from tfce.model.errors import CloudError
from tfce.model.vm import VM, Listing

log = logging.getLogger("tfce")


def listing(found: Sequence[VM]) -> Listing:
    """What a cloud listed, with what it says of its list."""
    complete, account = getattr(found, "complete", True), getattr(found, "account", "")
    return Listing(tuple(found), complete, getattr(found, "cloud_time", None), account)


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
