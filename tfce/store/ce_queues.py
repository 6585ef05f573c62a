"""Reads what the other queues of a CE on this host use."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tfce.model.record import Record
from tfce.store import files, locks
from tfce.store.record_file import RecordFile
from tfce.store.workspace import Workspace


def records(workspace: Workspace) -> Iterator[Record]:
    """The records of the CE's other queues, also of those that are configured no more. Raises ``WorkspaceError``
    where one cannot be believed: nobody knows what that queue used."""
    if workspace.shared_ce is not None:
        yield from workspace.shared_ce.records()
        return
    for folder in files.listed(workspace.private.parent, "*/"):
        file = _file(folder, f"{workspace.queue.ce}/{folder.name}")
        if folder != workspace.private and file.exists:
            yield file.load()


@functools.lru_cache(32)
def _file(folder: Path, label: str) -> RecordFile:
    """Kept, since each of a CE's queues reads all others: what is read again unchanged is not parsed again."""
    return RecordFile(folder, label)


def exclusive(workspace: Workspace) -> AbstractContextManager[None]:
    """Be the only one who starts pilots for the CE; raises ``BusyError`` after Workspace_LockTimeout seconds."""
    if workspace.shared_ce is not None:
        return workspace.shared_ce.exclusive(workspace.owner().installation)
    folder: Path = workspace.private.parent
    files.private_folder(folder)
    what = f"the allocation of {workspace.queue.ce}"
    return locks.exclusive(folder / "allocation.lock", workspace.queue.workspace.lock_timeout, what)


def join(workspace: Workspace, mending: bool = False) -> None:
    """Let every host know that the queue is one of the CE's, before it starts pilots. ``mending``: what cannot be
    believed of the CE is replaced. Raises ``BusyError``, ``BackendError``."""
    if workspace.shared_ce is not None:
        workspace.shared_ce.join(workspace.owner().installation, mending)
