"""Put the real parts together: the same fleet for the computing element, the command line and the demo."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from tfce.cloud import shared
from tfce.cloud.api import Cloud
from tfce.cloud.factory import connect
from tfce.cloud.leased import LeasedCloud
from tfce.config import backends, credentials
from tfce.config.backends import LOCAL, Backend
from tfce.config.credentials import Credentials
from tfce.config.options import Queue, sharing
from tfce.model.errors import BackendError, ConfigError, Fault, TfceError
from tfce.model.overview import QueueStatus
from tfce.model.record import Record
from tfce.pilots import overview
from tfce.pilots.fleet import Fleet
from tfce.pilots.move import move
from tfce.pilots.services import Services
from tfce.store.shared_ce import SharedCE
from tfce.store.shared_record import SharedRecord, probed
from tfce.store.whose import Whose
from tfce.store.workspace import Workspace, slug
from tfce.terraform.bulk import Bulk
from tfce.terraform.document_store import StateDocumentStore, lease_seconds
from tfce.terraform.locations import BackendLocation, LocalLocation, Location
from tfce.terraform.modules import module_for
from tfce.terraform.remote import Remote
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
    secrets = secrets or credentials.load(queue)
    cloud = connect(queue.endpoint, secrets)
    backend = backends.load(queue)
    workspace = _workspace(queue, clock, secrets, announce, backend)

    def clone() -> Cloud:
        return (
            cast(Cloud, LeasedCloud(cloud.clone(), workspace.check_lease)) if workspace.shared else cloud.clone()
        )

    if module_for(queue).bulk:
        terraform: Terraform = Bulk(workspace, secrets, announce, cloud.token, backend, clone=clone)
    else:
        terraform = Terraform(workspace, secrets, announce, cloud.token, backend)
    lists = shared.lists(queue.endpoint, secrets) if sharing else None
    return Parts(workspace, secrets, terraform, cloud, Fleet(workspace, terraform, cloud, clock, lists))


def expect(queue: Queue, secrets: Credentials) -> None:
    """The next list of VMs that a queue of this login asks for is for ``queue``, too."""
    if queue.workspace.list_age:
        shared.lists(queue.endpoint, secrets).expect(Workspace(queue).any_installation())


def survey(path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[QueueStatus]:
    """All queues of a configuration at a glance, the worst first. One list of VMs for each login; a queue that is
    broken is a line, too. Raises ``ConfigError`` where the configuration cannot be read."""
    from tfce.config.cfg import load_queues  # DIRAC's processes need no diraccfg of ours

    lines: list[QueueStatus] = []
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


def _glance(fleet: Fleet, record: Record, now: datetime) -> QueueStatus:
    try:
        return fleet.glance(record)
    except TfceError as error:
        return overview.broken(fleet.queue.label, error, now)


def open_workspace(queue: Queue) -> Workspace:
    """The files of ``queue`` and, where hosts share it, its record: without any login to a cloud."""
    return _workspace(queue, lambda: datetime.now(UTC), Credentials("", ""), log.info, backends.load(queue))


def move_state(queue: Queue, backend: str) -> tuple[str, int]:
    """Move record and state of ``queue`` to ``backend``: its id, and how many pilots went along."""
    faults = list(sharing(replace(queue.terraform, backend=backend), queue.workspace))
    if faults or backend == queue.terraform.backend:
        problem, cure = "is where record and state are already", "name another one"
        raise ConfigError.of(faults or [Fault("BACKEND", backend, problem, cure)])
    parts = assemble(queue)
    source, target = (_location(parts, backends.load(queue, name)) for name in (queue.terraform.backend, backend))
    services = Services(parts.workspace, parts.terraform, parts.cloud, lambda: datetime.now(UTC))
    return str(target.backend_id), move(services, parts.terraform, source, target)


def _location(parts: Parts, backend: Backend) -> Location:
    if backend.name == LOCAL:
        return LocalLocation(parts.workspace)
    workspace, secrets = parts.workspace, parts.credentials
    remote = Remote(workspace, secrets, backend=backend)
    documents = StateDocumentStore(workspace, secrets, backend=backend)
    return BackendLocation(remote, documents, _shared_ce(workspace, documents), Whose.of(workspace.queue))


def examine(workspace: Workspace) -> None:
    """Raise what keeps this host from using what hosts share. Writes nothing there."""
    for one in (workspace.shared, workspace.shared_ce):
        if one is not None:
            one.examine()


def probe(queue: Queue, backend: Backend) -> str:
    """Whether the ``backend`` of ``queue`` can be reached, read, locked and written, and refuses what is older:
    what was found. Writes a state that nothing else uses, and removes it, unless what is there is another's.
    Raises ``BackendError``, ``NotOursError``, ``WorkspaceError``."""
    workspace = open_workspace(queue)
    workspace.make_folders()
    examine(workspace)
    documents = StateDocumentStore(workspace, Credentials("", ""), log.debug, backend=backend, suffix=".check")
    found, stays = probed(documents), documents.remove()
    return f"{found}; the check's own state stays there: {stays}" if stays else found


def backend_time(backend: Backend) -> datetime | None:
    """The time that ``backend`` tells; None where it tells none, or is none that several hosts share."""
    from tfce.cloud import plain_http  # which brings libcloud along

    try:
        return plain_http.ask("HEAD", backend.web).time if backend.web else None
    except BackendError as error:
        log.debug("%s", error.message)
        return None


def _workspace(
    queue: Queue,
    clock: Callable[[], datetime],
    secrets: Credentials,
    announce: Callable[[str], None],
    backend: Backend,
) -> Workspace:
    workspace = Workspace(queue, clock)
    if backend.name != LOCAL:
        documents = StateDocumentStore(workspace, secrets, announce, backend=backend)
        seconds, patience = lease_seconds(queue), queue.workspace.lock_timeout
        workspace.shared = SharedRecord(workspace.file, Whose.of(queue), documents, seconds, patience)
        workspace.shared_ce = _shared_ce(workspace, documents)
    return workspace


def _shared_ce(workspace: Workspace, documents: StateDocumentStore) -> SharedCE:
    queue, ce = workspace.queue, slug(workspace.queue.ce)
    folder = workspace.root / "together" / ce / slug(str(documents.backend_id))
    return SharedCE(folder, queue, workspace.name, documents.at, f"{ce}.", lease_seconds(queue))


def open_fleet(queue: Queue) -> Fleet:
    """The pilots of ``queue``, with the credentials of its ``CloudAuth``: for scripts.

    Raises ``ConfigError`` when the credentials are not to be had. Asks nothing of the cloud.
    """
    return assemble(queue).fleet
