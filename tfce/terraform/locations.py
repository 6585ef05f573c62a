"""Where a queue's state and record may be: on this host, or in a backend. Both ends of a move."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Protocol

from tfce.config.backends import LOCAL
from tfce.model.errors import ConfigError
from tfce.model.lease import BackendId, Document
from tfce.model.record import Record
from tfce.store import files
from tfce.store.shared_ce import SharedCE
from tfce.store.shared_document import NOTE, Note, Revision, following, seeded
from tfce.store.whose import Whose
from tfce.store.workspace import Workspace
from tfce.terraform import state
from tfce.terraform.document_store import StateDocumentStore
from tfce.terraform.remote import Remote


class Location(Protocol):
    """One end of a move."""

    @property
    def backend_id(self) -> BackendId: ...

    def gone_to(self) -> BackendId | None:
        """The backend that has the record now; None where it is here, or never was."""

    def is_free(self) -> bool:
        """Whether nothing is here that counts."""

    def expect(self, installation: str) -> None:
        """Whoever counts what the CE's queues use here shall count this one, too: before it is here."""

    def take(self, whole: state.State, document: Document) -> None:
        """Keep state and record. ``document`` says where the record is until the move is done."""

    def open(self) -> None:
        """From now on the record is here."""


class BackendLocation:
    """A backend that several hosts reach."""

    def __init__(self, remote: Remote, documents: StateDocumentStore, shared_ce: SharedCE, whose: Whose) -> None:
        self._remote, self._documents, self._shared_ce, self._whose = remote, documents, shared_ce, whose

    @property
    def backend_id(self) -> BackendId:
        return self._documents.backend_id

    def _document(self) -> Document | None:
        held = self._documents.pull()
        document = Document.load(held.text) if held and held.text else None
        if document is not None:
            self._whose.check(document.queue, Record.load(document.record), self.backend_id)
        return document

    def gone_to(self) -> BackendId | None:
        document = self._document()
        return document.moved if document else None

    def is_free(self) -> bool:
        document = self._document()
        return document is None or bool(document.moved)

    def expect(self, installation: str) -> None:
        self._shared_ce.join(installation)

    def take(self, whole: state.State, document: Document) -> None:
        there = state.parse(self._remote.text())
        if whole:
            lineage, serial = (
                there.get("lineage") or whole["lineage"],
                max(there.get("serial", 0), whole["serial"]),
            )
            self._remote.write(json.dumps({**whole, "lineage": lineage, "serial": serial + 1}))
        self._put(document)

    def open(self) -> None:
        document = self._document()
        if document is not None and document.moved:
            self._put(replace(document, moved=None, mark=f"{document.mark}-open"))

    def _put(self, document: Document) -> None:
        held = seeded(self._documents)
        self._documents.push(Revision(following(held.serial), held.lineage, document.dump()))


class LocalLocation:
    """This host's own folder."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.private

    @property
    def backend_id(self) -> BackendId:
        return BackendId(LOCAL)

    def gone_to(self) -> BackendId | None:
        note = Note.read(self._folder)
        return note.backend_id if note.mark else None

    def is_free(self) -> bool:
        return True  # the record there is this host's copy; a state from before is put aside

    def expect(self, installation: str) -> None:
        """A host's own folders are listed."""

    def take(self, whole: state.State, document: Document) -> None:
        path = self._workspace.state_file
        if path.exists():
            files.put_aside(path)
        for folder in (path.parent.parent, path.parent):
            files.private_folder(folder)
        files.write(path, json.dumps({**whole, "serial": whole["serial"] + 1}) if whole else "")

    def open(self) -> None:
        """Terraform begins anew, with a state of its own."""
        files.remove(self._folder / NOTE)
        shutil.rmtree(self._folder / ".terraform", ignore_errors=True)

    def leave(self, backend_id: BackendId, mark: str) -> None:
        """Let this host know where the record went."""
        replace(Note.read(self._folder), backend_id=backend_id, mark=mark, trying="", ahead=False).write(
            self._folder
        )


def checked(target: Location, label: str) -> None:
    """Raise ``ConfigError`` where the target holds a record that counts."""
    if not target.is_free():
        cure = "name another place, or remove what is there"
        raise ConfigError("BACKEND", str(target.backend_id), f"a record of {label} is there already", cure)
