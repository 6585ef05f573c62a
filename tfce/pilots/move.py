"""The verb ``move-state``: record and state go to another backend while the pilots run on."""

from __future__ import annotations

import secrets

from tfce.model.lease import Document
from tfce.pilots.recovery import recover
from tfce.pilots.services import Services
from tfce.store.shared_document import hosts_of, writes_of
from tfce.terraform.locations import LocalLocation, Location, checked
from tfce.terraform.preparation import Prepared


def move(services: Services, terraform: Prepared, source: Location, target: Location) -> int:
    """Move the queue; how many pilots went along.

    The target gets everything first, and says that the record is elsewhere still; then the source says where it
    went; then the target is open. Whoever dies in between finds a queue that stands still, and runs it again.
    """
    label, workspace = services.queue.label, services.workspace
    if source.gone_to() == target.backend_id:
        target.open()
        return len(workspace.file.load().pilots)
    checked(target, label)
    target.expect(workspace.load().installation)  # while no lease is held: this may wait for another's
    with workspace.locked():
        record = services.prepare()
        record = recover(services, record) if record.pending else record
        workspace.take_lease("move the record")
        whole, mark = terraform.whole(), secrets.token_hex(8)
        hosts, writes = hosts_of(workspace.private), writes_of(workspace.private)
        document = Document(label, record.dump(), mark, moved=source.backend_id, hosts=hosts, writes=writes)
        target.take(whole, document)
        if isinstance(source, LocalLocation):
            source.leave(target.backend_id, mark)
        elif workspace.shared is not None:
            workspace.shared.hand_over(target.backend_id)
        workspace.journal.append("move", origin=str(source.backend_id), target=str(target.backend_id))
    target.open()
    return len(record.pilots)
