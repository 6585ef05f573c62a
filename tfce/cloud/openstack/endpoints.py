"""Where an OpenStack's services are: as keystone's catalog says it, in a form that libcloud's paths fit to."""

from __future__ import annotations

import re

from tfce.config.driver_options import DriverOptions

# The driver options that name a service's URL where the catalog's is wrong.
OPTIONS = {"compute": "ex_force_base_url", "image": "ex_force_image_url", "network": "ex_force_network_url"}
_VERSION = re.compile(r"/v[0-9]+(\.[0-9]+)?$")
_COMPUTE = re.compile(r"/v2(\.[0-9]+)?(/[^/]+)?$")


def fitting(service: str, url: str) -> str:
    """The ``url`` of a catalog with the version that paths expect: nova's paths have none, those of glance and
    neutron begin with it."""
    bare = url.rstrip("/")
    if service == "compute":
        return bare if _COMPUTE.search(bare) else f"{bare}/v2.1"
    return _VERSION.sub("", bare)


def forced(service: str, driver: DriverOptions) -> str | None:
    """The URL that the driver options name for a service, if they do. libcloud would use that of one service for
    the next one, too."""
    url = driver.get(OPTIONS[service])
    return fitting(service, str(url)) if url else None
