"""What the program ``terraform-provider-tfce`` is told: whose cloud, with which login, and how to go about it.

The provider block names what is no secret. The environment carries the login, and what a pipeline may add:

================================  ======================================================================
``TFCE_CLOUD_KEY``                user name, access key or application credential of the login
``TFCE_CLOUD_SECRET``             its password, secret or path of a proxy
``TFCE_CLOUD_OPTIONS``            JSON: the driver's options (``Driver_*`` without prefix), secret or not
``TFCE_CLOUD_REPEATS``            repeats of a request that failed in passing, 5 unless set
``TFCE_PROVIDER_PARALLELISM``     VMs asked for at once, 10 unless set
``TFCE_PROVIDER_KEYS``            the pilots that this run is about, with commas; all unless set
``TFCE_PROVIDER_ADOPT_ONLY``      1: no VM is made, only those that exist are taken over
``OS_CACERT``                     file with the authority of OpenStack's certificates, unless an option has it
================================  ======================================================================
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfce.model.errors import ConfigError, Fault
from tfce.provider.run import Run

if TYPE_CHECKING:  # Terraform starts the program for its schemas, too, which need none of this
    from tfce.cloud.api import Cloud
    from tfce.config.credentials import Credentials
    from tfce.config.driver_options import DriverOptions
    from tfce.config.endpoint import Endpoint

KEY, SECRET, OPTIONS = "TFCE_CLOUD_KEY", "TFCE_CLOUD_SECRET", "TFCE_CLOUD_OPTIONS"
REPEATS = "TFCE_CLOUD_REPEATS"
PARALLELISM, KEYS = "TFCE_PROVIDER_PARALLELISM", "TFCE_PROVIDER_KEYS"
ADOPT_ONLY = "TFCE_PROVIDER_ADOPT_ONLY"
WORKSPACE = "TF_WORKSPACE"
FOLDER_OF = "queue.json"  # in a queue's folder for Terraform: whose it is
SOURCED_BY = "TF_VAR_tfce_sourced"  # what a queue's env.sh sets, beside the workspace


def login(block: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> tuple[Endpoint, Credentials]:
    """The cloud and the login that the provider block and the environment name together. Raises ``ConfigError``
    with every fault."""
    from tfce.config.credentials import Credentials
    from tfce.config.endpoint import endpoint, pointed

    for name in (KEY, SECRET):
        if not environ.get(name):
            raise ConfigError(name, "", "is not set", f"export it; see `cloud` = {block.get('cloud')}")
    options: DriverOptions = {**(block.get("options") or {}), **_options(environ)}
    cloud = str(block.get("cloud") or "")
    options = pointed(cloud, options, block.get("region"), block.get("endpoint"))
    faults = [] if cloud else [Fault("CloudType", "", "is missing", "name it in the provider block: cloud")]
    reached = endpoint(cloud, {f"Driver_{name}": str(value).strip() for name, value in options.items()}, faults)
    if faults:
        raise ConfigError.of(faults)
    repeats = environ.get(REPEATS, "")
    reached = replace(reached, repeats=int(repeats)) if repeats.isdigit() else reached
    return reached, Credentials(environ[KEY], environ[SECRET], str(reached.driver.get("token", "")))


def _options(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        options = json.loads(environ.get(OPTIONS) or "{}")
        if isinstance(options, dict):
            return options
    except ValueError:
        pass
    raise ConfigError(OPTIONS, "", "is no JSON object", 'write it like {"timeout": "60"}')


def run(environ: Mapping[str, str] = os.environ) -> Run:
    """The run that the environment tells the program of."""

    parallelism, fault = 1, None
    try:
        parallelism = _parallelism(environ)
    except ConfigError as error:  # hazard: before the handshake nobody hears of it
        fault = error

    def logged_in(block: Mapping[str, Any]) -> Callable[[], Cloud]:
        from tfce.cloud.factory import connect

        if fault:
            raise fault
        _check_sourced(environ)
        return functools.partial(connect, *login(block, environ))

    return Run(logged_in, only(environ), environ.get(ADOPT_ONLY) != "1", parallelism)


def _check_sourced(environ: Mapping[str, str]) -> None:
    """Terraform starts the program in its own folder. In a queue's folder without its settings there is another
    state, and each pilot that runs would be planned as a new one."""
    chosen = _chosen(environ)
    wanted, told = folder_of(Path()), FolderOf(environ.get(SOURCED_BY, ""), chosen)
    if wanted not in (None, told):
        raise ConfigError(WORKSPACE, chosen, "is not that of this folder's queue", "run `. ./env.sh` here first")


@dataclass(frozen=True)
class FolderOf:
    """Whose a folder of Terraform's is: the ``name`` of the queue's workspace, and the ``workspace`` of
    Terraform's that its state is in."""

    name: str
    workspace: str

    def to_json(self) -> str:
        """As it stands in the folder, in ``FOLDER_OF``."""
        return json.dumps(vars(self)) + "\n"


def folder_of(folder: Path) -> FolderOf | None:
    """Whose ``folder`` is, None where it is no queue's; where the file cannot be believed, nobody's that anybody
    asks for."""
    path = folder / FOLDER_OF
    if not path.is_file():
        return None
    try:
        return FolderOf(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return FolderOf("", "")


def _chosen(environ: Mapping[str, str]) -> str:
    """The workspace that Terraform is in: the environment's, or the one that was selected in this folder."""
    chosen = Path(environ.get("TF_DATA_DIR") or ".terraform", "environment")
    with contextlib.suppress(OSError):
        return environ.get(WORKSPACE) or chosen.read_text(encoding="utf-8", errors="replace").strip() or "default"
    return "default"


def _parallelism(environ: Mapping[str, str]) -> int:
    text = environ.get(PARALLELISM) or "10"
    if text.isdigit() and int(text):
        return int(text)
    raise ConfigError(PARALLELISM, text, "must be a whole number of at least 1", "for example 10")


def only(environ: Mapping[str, str] = os.environ) -> frozenset[str] | None:
    """The pilots that this run is about; None: all."""
    text = environ.get(KEYS)
    return None if text is None else frozenset(filter(None, text.split(",")))
