"""Put the real parts together: the same fleet for the computing element, the command line and the demo."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tfce.cloud import shared
from tfce.cloud.api import Cloud
from tfce.cloud.factory import connect
from tfce.config import credentials
from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, TfceError
from tfce.model.overview import Line
from tfce.model.record import Record
from tfce.pilots import overview
from tfce.pilots.fleet import Fleet
from tfce.store.workspace import Workspace
from tfce.terraform.bulk import Bulk
from tfce.terraform.modules import module_for
from tfce.terraform.runner import Terraform

_AT_ONCE = 16  # queues that are looked at side by side

log = logging.getLogger("tfce")


@dataclass(frozen=True)
class Parts:
    """One queue's real parts."""

    workspace: Workspace
    credentials: Credentials
    terraform: Terraform
    cloud: Cloud
    fleet: Fleet


def assemble(
    queue: Queue,
    announce: Callable[[str], None] = log.info,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    secrets: Credentials | None = None,
    sharing: bool = False,
) -> Parts:
    """The parts that serve ``queue``. ``announce`` gets a line for each choice that is made, once;
    ``secrets`` are those of CloudAuth's file unless given. ``sharing``: polls may
    use another queue's list.

    Raises ``ConfigError`` when the credentials are not to be had. Asks nothing of the cloud.
    """
    workspace = Workspace(queue, clock)
    secrets = secrets or credentials.load(queue)
    cloud = connect(queue.endpoint, secrets)
    if module_for(queue).bulk:
        terraform: Terraform = Bulk(workspace, secrets, announce, cloud.token, clone=cloud.clone)
    else:
        terraform = Terraform(workspace, secrets, announce, cloud.token)
    lists = shared.lists(queue.endpoint, secrets) if sharing else None
    return Parts(workspace, secrets, terraform, cloud, Fleet(workspace, terraform, cloud, clock, lists))


def survey(path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Line]:
    """All queues of a configuration at a glance, the worst first. One list of VMs for each login; a queue that is
    broken is a line, too. Raises ``ConfigError`` where the configuration cannot be read."""
    from tfce.config.cfg import load_queues  # DIRAC's processes need no diraccfg of ours

    lines: list[Line] = []
    ready: list[tuple[Fleet, Record]] = []
    for label, queue in load_queues(path).items():
        try:
            if isinstance(queue, ConfigError):
                raise queue
            fleet = assemble(queue, log.debug, clock, sharing=True).fleet
            ready.append((fleet, fleet.announce()))
        except TfceError as error:
            lines.append(overview.broken(label, error, clock()))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        lines += pool.map(lambda one: _glance(one[0], one[1], clock()), ready)
    return sorted(lines, key=lambda line: line.order)


def _glance(fleet: Fleet, record: Record, now: datetime) -> Line:
    try:
        return fleet.glance(record)
    except TfceError as error:
        return overview.broken(fleet.queue.label, error, now)


def open_fleet(queue: Queue) -> Fleet:
    """The pilots of ``queue``, with the credentials of its ``CloudAuth``: for scripts.

    Raises ``ConfigError`` when the credentials are not to be had. Asks nothing of the cloud.
    """
    return assemble(queue).fleet
