"""The verb ``drain``: what an operator wants of a queue, written down."""

from __future__ import annotations

from dataclasses import replace

from tfce.model.drain import Drain
from tfce.pilots.services import Services


def drain(services: Services, wanted: Drain | None) -> Drain | None:
    """Let the record say ``wanted`` (None: the queue is drained no more); what it said before. Asks nothing of the
    cloud."""
    workspace = services.workspace
    with workspace.locked():
        record = workspace.prepare()
        if record.drain != wanted:
            workspace.save(replace(record, drain=wanted))
            workspace.journal.append("drain", **(wanted.to_json() if wanted else {"undone": True}))
    return record.drain
