"""A CE whose queues have an allocation together, where several hosts serve them: one host at a time starts pilots
of it, and reads before what each queue's shared record says.

Whose turn it is stands in a document of its own, with a lease as each queue's. A queue's intent is in its record
before the cloud is asked: so whoever has the turn reads of all that was begun by those who had it before, also of
one that died. Who slept through its turn asks the cloud for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tfce.config.options import Queue
from tfce.model.errors import TfceError, WorkspaceError
from tfce.model.lease import Document
from tfce.model.record import Record
from tfce.store import files
from tfce.store.backing import Copies, Ticks
from tfce.store.record_file import RecordFile
from tfce.store.shared import Shared

_RECORD = ".record"
_KNOWN = "known.json"


class States(Protocol):
    """The states of a backend. Both raise ``BackendError`` where it does not answer."""

    def names(self) -> list[str]:
        """What they are called."""

    def at(self, name: str) -> Copies:
        """The one that is called ``name``."""


class Together:
    """The queues of a CE, for one of them, ``queue``. ``start``: of the names of their states, ``own``: of this
    queue's; ``folder``: where this host keeps what it knows; ``seconds``: of the turn's lease."""

    def __init__(
        self,
        folder: Path,
        queue: Queue,
        start: str,
        own: str,
        states: States,
        seconds: int,
        ticks: Ticks | None = None,
    ) -> None:
        self._ce, self._mine, self._states = queue.ce, queue.label, states
        self._start, self._not = start, (f"{start}{_RECORD}", f"{own}{_RECORD}")
        self._file, self._known = RecordFile(folder, queue.ce), folder / _KNOWN
        patience = queue.workspace.lock_timeout
        self._turn = Shared(self._file, queue.ce, states.at(self._not[0]), seconds, patience, ticks)
        self._read: list[Record] | TfceError | None = None

    @contextmanager
    def alone(self, installation: str) -> Iterator[None]:
        """Be the only one who starts pilots of the CE, and know what its other queues use. Raises ``BusyError``,
        ``BackendError``."""
        files.private_folder(self._file.path.parent.parent)
        files.private_folder(self._file.path.parent)
        if not self._file.exists:
            self._file.save(Record(installation))
        with self._turn.section():
            if not self._turn.hold(f"start pilots of {self._mine}"):
                problem, cure = "cannot be believed", f"remove {self._file.path.parent}"
                raise WorkspaceError(f"{self._file.path} {problem}", f"{cure}: it is made again")
            self._read = self._others()
            try:
                yield
            finally:
                self._read = None

    def check(self) -> None:
        """Raise ``BusyError`` where the turn may be over."""
        self._turn.check()

    def records(self) -> list[Record]:
        """The records of the CE's other queues: as they are, for who has the turn; else as this host read them
        last. Raises ``WorkspaceError`` where one cannot be believed."""
        found = self._read if self._read is not None else self._remembered()
        if isinstance(found, TfceError):
            raise found
        return found

    def _others(self) -> list[Record] | TfceError:
        try:
            named = (name for name in self._states.names() if self._may_be_ours(name))
            texts = dict(filter(None, (self._told(self._states.at(name)) for name in named)))
        except WorkspaceError as error:
            return error
        files.write_json(self._known, texts)
        return [Record.load(text) for text in texts.values()]

    def _may_be_ours(self, name: str) -> bool:
        return name.startswith(self._start) and name.endswith(_RECORD) and name not in self._not

    def _told(self, copies: Copies) -> tuple[str, str] | None:
        """The label and the record of another queue of the CE; None where it is none."""
        held = copies.pull()
        if held is None or not held.text:
            return None
        try:
            document = Document.load(held.text)
            if document.queue == self._mine or not document.queue.startswith(f"{self._ce}/"):
                return None
            Record.load(document.record)
        except ValueError as error:
            cure = "repair that queue, or upgrade tfce here where a newer one wrote it"
            problem = f"a record of {self._ce} in {copies.place} cannot be believed ({error})"
            raise WorkspaceError(problem, cure) from None
        if document.moved:
            cure = f"move it back, or all queues of {self._ce} there"
            raise WorkspaceError(f"the record of {document.queue} was moved to {document.moved}", cure)
        return document.queue, document.record

    def _remembered(self) -> list[Record]:
        known = files.believed_json(self._known)
        try:
            return [Record.load(text) for text in known.values()]
        except (ValueError, TypeError):
            return []
