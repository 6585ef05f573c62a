"""The queues of a CE that several hosts serve: which ones there are, and whose turn it is to start pilots of those
that have an allocation together.

Both stand in a document of the CE's own, with a lease as each queue's: so no backend is asked for a list of what
it holds. A queue is named there before it starts its first pilot, and its intent is in its record before the cloud
is asked: so whoever has the turn reads of all that was begun by those who had it before, also of one that died.
Who slept through its turn asks the cloud for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from tfce.config.options import Queue
from tfce.model.errors import TfceError, WorkspaceError
from tfce.model.lease import Document
from tfce.model.record import Record
from tfce.store import files, locks
from tfce.store.record_file import RecordFile
from tfce.store.shared_document import BootClock, DamagedError, DocumentStore, note_of
from tfce.store.shared_record import SharedRecord
from tfce.store.whose import Whose

_RECORD = ".record"
_KNOWN = "known.json"


class SharedCE:
    """The queues of a CE, for one of them, ``queue``, whose state is called ``name``. ``folder``: where this host
    keeps what it knows of the CE in this backend; ``at``: the text of a state by its name; ``own``: the CE's;
    ``seconds``: of the turn's lease."""

    def __init__(
        self,
        folder: Path,
        queue: Queue,
        name: str,
        at: Callable[[str], DocumentStore],
        own: str,
        seconds: int,
        ticks: BootClock | None = None,
    ) -> None:
        self._of_ours = partial(Whose.of, queue)
        self._folder, self._ce, self._mine, self._name, self._at = folder, queue.ce, queue.label, name, at
        self._file, self._known = RecordFile(folder, queue.ce), folder / _KNOWN
        self._patience: float = queue.workspace.lock_timeout
        self._document = SharedRecord(
            self._file, Whose.of(queue, queue.ce), at(f"{own}{_RECORD}"), seconds, self._patience, ticks
        )
        self._read: list[Record] | TfceError | None = None

    # -- the turn ------------------------------------------------------------------------------------------

    @contextmanager
    def exclusive(self, installation: str) -> Iterator[None]:
        """Be the only one who starts pilots of the CE, and know what its other queues use. Raises ``BusyError``,
        ``BackendError``."""
        with self._section(installation) as names:
            self._document.hold(f"start pilots of {self._mine}")
            self._read = self._others(names)
            try:
                yield
            finally:
                self._read = None

    def check(self) -> None:
        """Raise ``BusyError`` where the turn may be over."""
        self._document.check()

    def examine(self) -> None:
        """Raise what keeps this host from using the CE's own document."""
        self._document.examine()

    # -- the queues ----------------------------------------------------------------------------------------

    def join(self, installation: str, mending: bool = False) -> None:
        """Let the CE's document name this queue, whose pilots count from then on. Asks the backend where this host
        has not seen that yet. ``mending``: a document that cannot be believed is replaced. Raises the same."""
        if mending or not self._is_named():
            with self._section(installation, mending):
                pass

    def records(self) -> list[Record]:
        """The records of the CE's other queues: as they are, for who has the turn; else as this host read them
        last. Raises ``WorkspaceError`` where one cannot be believed."""
        found = self._read if self._read is not None else self._remembered()
        if isinstance(found, TfceError):
            raise found
        return found

    def _is_named(self) -> bool:
        note, here = note_of(self._folder), self._file.salvaged()
        return bool(note and note.mark and not note.ahead and here and self._name in here.queues)

    @contextmanager
    def _section(self, installation: str, mending: bool = False) -> Iterator[frozenset[str]]:
        """The names of the CE's queues, this one's among them, which are written at the end, or with a lease."""
        for folder in (self._folder.parent.parent, self._folder.parent, self._folder):
            files.private_folder(folder)
        what = f"the allocation of {self._ce}"
        with locks.exclusive(self._folder / "lock", self._patience, what), ExitStack() as stack:
            known = self._file.salvaged() or Record(installation)
            try:
                stack.enter_context(self._document.section(mending))
            except DamagedError as error:
                cure = f"run `tfce repair {self._mine}`, and the same for each other queue of the CE"
                raise DamagedError(error.problem, cure) from error
            yield self._named(known)

    def _named(self, known: Record) -> frozenset[str]:
        """No name that this host has ``known`` gets lost, whatever the backend was restored from."""
        record, names = self._document.record, known.queues | {self._name}
        if record is None or names - record.queues:
            record = record or known
            self._document.before_saving()
            record = self._file.save(replace(record, queues=record.queues | names))
            self._document.saved(record)
        return record.queues

    # -- what they use -------------------------------------------------------------------------------------

    def _others(self, names: frozenset[str]) -> list[Record] | TfceError:
        try:
            told = (self._told(self._at(f"{name}{_RECORD}")) for name in sorted(names - {self._name}))
            texts = dict(filter(None, told))
        except WorkspaceError as error:
            return error
        files.write_json(self._known, texts)
        return [Record.load(text) for text in texts.values()]

    def _told(self, documents: DocumentStore) -> tuple[str, str] | None:
        """The label and the record of another queue; None where it has none yet."""
        held = documents.pull()
        if held is None or not held.text:
            return None
        try:
            document = Document.load(held.text)
            record = Record.load(document.record)
        except ValueError as error:
            cure = "repair that queue, or upgrade tfce here where a newer one wrote it"
            problem = f"a record of {self._ce} in {documents.backend_id} cannot be believed ({error})"
            raise WorkspaceError(problem, cure) from None
        self._of_ours(document.queue).check(document.queue, record, documents.backend_id)
        if document.moved:
            state = f"{document.queue.replace('/', '.')}{_RECORD}"
            cure = f"move it back, or all queues of {self._ce} there; given up, remove the state {state} here"
            raise WorkspaceError(f"the record of {document.queue} was moved to {document.moved}", cure)
        return document.queue, document.record

    def _remembered(self) -> list[Record]:
        known = files.believed_json(self._known)
        try:
            return [Record.load(text) for text in known.values()]
        except (ValueError, TypeError):
            return []
