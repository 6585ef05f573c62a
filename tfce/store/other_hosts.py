"""What other hosts wrote down of a queue: their journals and consoles, where their folders, or copies of them, are
named. It is for people and accounts: nothing is decided by it, and what is not there is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tfce.model import journals
from tfce.model.entries import Entry, entries
from tfce.model.errors import WorkspaceError
from tfce.model.journals import Line, MissingJournal
from tfce.store import files
from tfce.store.journal import Journal
from tfce.store.shared_document import hosts_of
from tfce.store.workspace import Workspace


@dataclass(frozen=True)
class MergedJournal:
    """All ``lines`` of a queue that are here, the oldest first, and the hosts that are ``missing_journals``."""

    lines: list[Line]
    missing_journals: tuple[MissingJournal, ...] = ()

    @property
    def entries(self) -> list[Entry]:
        """What the lines say."""
        return list(entries(self.lines))


def merged_journal(workspace: Workspace, since: datetime | None = None) -> MergedJournal:
    """What hosts wrote of the queue; of what is older than ``since`` nobody is missed."""
    own = [workspace.journal.entries()] if workspace.exists else []
    others = [Journal(folder, datetime.now).entries() for folder in folders(workspace)]
    lines, known = journals.merged([*own, *others]), hosts_of(workspace.private) if workspace.exists else {}
    return MergedJournal(lines, journals.missing_journals(known, lines, since))


def folders(workspace: Workspace) -> Iterator[Path]:
    """The queue's folder on each of the other hosts that are named."""
    mine = workspace.private.relative_to(workspace.root)
    for place in workspace.queue.workspace.journals:
        for root in (place, *_roots(place)):
            if _is_other(folder := root / mine, workspace.private):
                yield folder


def _roots(place: Path) -> list[Path]:
    try:
        return files.listed(place, "*/")
    except WorkspaceError:
        return []


def _is_other(folder: Path, own: Path) -> bool:
    try:
        return folder.is_dir() and not (own.exists() and folder.samefile(own))
    except OSError:
        return False


def console(workspace: Workspace, name: str) -> str | None:
    """The console in the file ``name`` that another host kept."""
    found = (files.believed(folder / name) for folder in folders(workspace))
    return next((text for text in found if text is not None), None)
