"""What the provider is told: whose cloud, with which login, and how to go about it.

The provider block names what is no secret. The environment carries the login, and what a run of tfce adds:

================================  ======================================================================
``TFCE_CLOUD_KEY``                user name, access key or application credential of the login
``TFCE_CLOUD_SECRET``             its password, secret or path of a proxy
``TFCE_CLOUD_OPTIONS``            JSON: the driver's options (``Driver_*`` without prefix), secret or not
``TFCE_CLOUD_LOGIN``              file in memory with a token, from which and to which a login is shared; see
                                  ``openstack_login``
``TFCE_PROVIDER_PARALLELISM``     VMs asked for at once, 10 unless set
``TFCE_PROVIDER_KEYS``            the pilots that this run is about, with commas; all unless set
``TFCE_PROVIDER_ADOPT_ONLY``      1: no VM is made, only those that exist are taken over
``OS_CACERT``                     file with the authority of OpenStack's certificates, unless an option has it
================================  ======================================================================
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from typing import Any

from tfce.config.credentials import LOGIN, Credentials
from tfce.config.endpoint import Endpoint, endpoint, pointed
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, Fault
from tfce.provider.pilots import Manner

KEY, SECRET, OPTIONS = "TFCE_CLOUD_KEY", "TFCE_CLOUD_SECRET", "TFCE_CLOUD_OPTIONS"
PARALLELISM, KEYS = "TFCE_PROVIDER_PARALLELISM", "TFCE_PROVIDER_KEYS"
ADOPT_ONLY = "TFCE_PROVIDER_ADOPT_ONLY"
AUTHORITY = "OS_CACERT"  # OpenStack's own name for it
REPORT = "tfce asked the cloud: "  # in the provider's log; what follows is JSON, numbers by action


def environment(queue: Queue, credentials: Credentials, place: str = "") -> dict[str, str]:
    """The variables that carry the login of ``queue`` to the provider; ``place``: where a token is shared."""
    authority = os.environ.get(AUTHORITY)
    return {
        KEY: credentials.key,
        SECRET: credentials.secret,
        OPTIONS: json.dumps(dict(queue.endpoint.driver)),
        PARALLELISM: str(queue.terraform.parallelism),
        **({AUTHORITY: authority} if authority else {}),
        **({LOGIN: place} if place else {}),
    }


def login(block: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> tuple[Endpoint, Credentials]:
    """The cloud and the login that the provider block and the environment name together. Raises ``ConfigError``
    with every fault."""
    for name in (KEY, SECRET):
        if not environ.get(name):
            raise ConfigError(name, "", "is not set", f"export it; see `cloud` = {block.get('cloud')}")
    options = {**(block.get("options") or {}), **_options(environ)}
    cloud = str(block.get("cloud") or "")
    options = pointed(cloud, options, block.get("region"), block.get("endpoint"))
    faults = [] if cloud else [Fault("CloudType", "", "is missing", "name it in the provider block: cloud")]
    reached = endpoint(cloud, {f"Driver_{name}": str(value).strip() for name, value in options.items()}, faults)
    if faults:
        raise ConfigError.of(faults)
    return reached, Credentials(environ[KEY], environ[SECRET], str(reached.driver.get("token", "")))


def _options(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        options = json.loads(environ.get(OPTIONS) or "{}")
        if isinstance(options, dict):
            return options
    except ValueError:
        pass
    raise ConfigError(OPTIONS, "", "is no JSON object", 'write it like {"timeout": "60"}')


def manner(retries: int, stop: threading.Event, environ: Mapping[str, str] = os.environ) -> Manner:
    """How this run asks for VMs."""
    text = environ.get(PARALLELISM) or "10"
    parallelism = int(text) if text.isdigit() else 0
    if not parallelism:
        raise ConfigError(PARALLELISM, text, "must be a whole number of at least 1", "for example 10")
    return Manner(parallelism, retries, only(environ), environ.get(ADOPT_ONLY) != "1", stop)


def only(environ: Mapping[str, str] = os.environ) -> frozenset[str] | None:
    """The pilots that this run is about; None: all."""
    text = environ.get(KEYS)
    return None if text is None else frozenset(filter(None, text.split(",")))
