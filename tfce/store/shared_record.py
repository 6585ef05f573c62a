"""A queue's record where several hosts reach it: read before a writer begins, written with its lease.

The file on this host is a copy, ahead of the shared document only while a writer is at work, or after one that
could not write it back. ``model.lease`` says who may act."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace

from tfce.model import lease
from tfce.model.errors import BackendError, BusyError, ConfigError, WorkspaceError
from tfce.model.lease import BackendId, Document, Lease
from tfce.model.pilot import timestamp
from tfce.model.record import Record
from tfce.store import locks
from tfce.store.record_file import RecordFile
from tfce.store.shared_document import (
    BootClock,
    DamagedError,
    DocumentStore,
    Note,
    RefusedError,
    Revision,
    SleptError,
    begins,
    busy,
    document_in,
    following,
    found,
    joined,
    missing,
    seeded,
    watched,
    wrote,
)
from tfce.store.whose import Whose

log = logging.getLogger("tfce")

_AGAIN = 0.5  # seconds between looks at a queue on which another host is at work


class SharedRecord:
    """The shared document of one queue, as this host reads and writes it. ``whose``: what it must be; ``seconds``:
    of a lease; ``patience``: how long to wait for another host's. Whoever writes holds the queue's lock."""

    def __init__(
        self,
        file: RecordFile,
        whose: Whose,
        documents: DocumentStore,
        seconds: int,
        patience: float,
        ticks: BootClock | None = None,
    ) -> None:
        self._file, self._whose, self._label = file, whose, whose.label
        self._documents, self.backend_id = documents, documents.backend_id
        self._folder, self._note = file.path.parent, Note("")
        self._seconds, self._patience, self._ticks = seconds, patience, ticks or BootClock()
        self._generation, self._serial, self._lineage, self._early, self._written = 0, 0, "", True, 0.0
        self.record: Record | None = None  # what is, or will be, shared; None where nobody knows any yet
        self._lease: Lease | None = None
        self._writes: Mapping[str, int] = {}
        self._inside = self._lost = self.mended = False  # the last: nothing good was there, and this host's is

    # -- a writer's section --------------------------------------------------------------------------------

    @contextmanager
    def section(self, mending: bool = False) -> Iterator[None]:
        """Read the shared document; write it back at the end. ``mending``: also one that cannot be believed is
        replaced. Raises ``BusyError`` while another host is at work, ``BackendError`` where nobody can tell."""
        self._enter(mending)
        try:
            yield
        except (Exception, KeyboardInterrupt):
            self._leave(quiet=True)
            raise
        except BaseException:  # a sudden death writes nothing
            self._inside = False
            raise
        self._leave()

    def _enter(self, mending: bool) -> None:
        self.record, self._lease, self._lost, self.mended = None, None, False, False
        held, document = self._free(mending)
        self._serial, self._lineage, self._early = max(self._note.serial, held.serial), held.lineage, True
        self._copy(held, document, mending)
        self._inside = True

    def _free(self, mending: bool) -> tuple[Revision, Document | None]:
        """What is there once no other host is at work."""
        deadline = time.monotonic() + self._patience
        while True:
            self._note = Note.read(self._folder)
            held = found(self._documents, self._note, self._label, mending)
            document = self._document(held, mending)
            other = self._busy(document)
            if other is None:
                return held, document
            if time.monotonic() >= deadline:
                raise other
            time.sleep(_AGAIN)

    def _document(self, held: Revision | None, mending: bool) -> Document | None:
        with suppress(DamagedError) if mending else nullcontext():
            return document_in(held, self._whose, self.backend_id, self._note)
        return None

    def _busy(self, document: Document | None) -> BusyError | None:
        """Why nobody here may write now: another host's lease stands."""
        if document is None:
            return None
        before, (self._note, one, left) = self._note, watched(self._note, document, self._seconds, self._ticks)
        if self._note != before:
            self._note.write(self._folder)
        return busy(self._label, one, left) if one and left else None

    def _copy(self, held: Revision | None, document: Document | None, mending: bool) -> None:
        """Let this host's file say what the document says, and what it alone knows."""
        note, known = self._note, _here(self._file, self._whose)
        if document is None or held is None:
            self._begin_anew(known, mending)
            return
        self._generation, self._writes = document.generation, document.writes
        record = joined(document, note, known, self._label)
        if record != known:
            self._file.put(record)
        ahead = record.dump() != document.record
        note = replace(note, ahead=ahead, serial=held.serial, backend_id=self.backend_id, writes=document.writes)
        note = replace(note, mark=document.mark, trying="", doubt=False, hosts=document.hosts)
        self._note, self.record = note.write(self._folder), record

    def _begin_anew(self, known: Record | None, mending: bool) -> None:
        """Nobody wrote a document yet: what this host knows of the queue is the first one."""
        note = self._note
        if not (mending or begins(note, known)):
            raise missing(note, self.backend_id, self._label)
        self.mended, self._writes = bool(note.mark), note.writes
        note = replace(note, backend_id=self.backend_id, ahead=known is not None, sighting=None)
        self._note, self.record = replace(note, mark="", trying="").write(self._folder), known

    # -- writing -------------------------------------------------------------------------------------------

    def before_saving(self) -> None:
        """This host's file is about to say more than the document."""
        if not self._inside:
            self._note = Note.read(self._folder)
        if not self._note.ahead:
            self._note = replace(self._note, ahead=True, backend_id=self.backend_id).write(self._folder)

    def saved(self, record: Record) -> None:
        """This host's file says ``record`` now. What is about to be asked of the cloud is shared first, with a
        lease. Raises ``RefusedError`` where another host wrote meanwhile: then nothing may be asked."""
        self.record = record
        if self._inside and record.pending is not None:
            self._hold(record, f"{record.pending.operation.value}, since {timestamp(record.pending.since)}")

    def hold(self, doing: str) -> bool:
        """Take a lease for work that no record tells of; whether there is one."""
        if self._inside and self._lease is None and self.record is not None:
            self._hold(self.record, doing)
        return self._inside and self._lease is not None

    def hand_over(self, backend_id: BackendId) -> None:
        """Let the document say that ``backend_id`` has the record now."""
        if self.record is not None:
            self._push(self.record, None, backend_id)
        self.record = None

    def _hold(self, record: Record, doing: str) -> None:
        self._push(record, Lease(self._note.holder, socket.gethostname(), self._seconds, doing))

    def _push(self, record: Record, wanted: Lease | None, gone: BackendId | None = None) -> None:
        if self._lost:
            raise _refusal(self._label)
        mark, began, holder = secrets.token_hex(8), self._ticks.now(), self._note.holder
        number = max(self._note.number, self._writes.get(holder, 0)) + 1
        self._note = replace(self._note, trying=mark, number=number, doubt=True).write(self._folder)
        writes = self._writes if gone else lease.written(self._writes, holder, number)  # it goes with all
        generation, hosts = self._generation + (wanted is not None), wrote(self._note, self._folder)
        document = Document(self._label, record.dump(), mark, generation, wanted, gone, hosts, writes)
        self._carry_out(document)
        self._serial, self._early, self._generation = following(self._serial), False, generation
        self._lease, self._written, self._writes = wanted, began, writes
        note = replace(self._note, mark=mark, trying="", ahead=False, doubt=False, serial=self._serial)
        self._note = replace(note, hosts=hosts, writes=writes).write(self._folder)

    def _carry_out(self, document: Document) -> None:
        try:
            self._documents.push(Revision(following(self._serial), self._lineage, document.dump()))
        except RefusedError:
            self._lost = True
            raise _refusal(self._label, early=self._early) from None
        except BackendError as error:
            self._lost = isinstance(error, SleptError)
            if not self._lost:  # carried out by now, or never
                self._note = replace(self._note, doubt=False).write(self._folder)
            raise

    def _leave(self, quiet: bool = False) -> None:
        """Write back what is ahead, and give the lease up. ``quiet``: an error is raised already."""
        self._inside, began = False, self._lease is not None
        if self._lost or self.record is None or not (self._note.ahead or began):
            return
        try:
            self._push(self.record, None)
        except (BackendError, BusyError) as error:
            if not began and not quiet:  # nothing was done that others would find out
                raise
            log.warning("%s: what this host did is shared later: %s", self._label, error.message)

    def check(self) -> None:
        """Raise ``BusyError`` unless the lease of this section stands: nothing may be begun without it. Outside of
        a section nobody decides for the queue, and what is named may be ended."""
        if self._inside and (self._lost or not self._may_begin()):
            problem = f"this host's turn on {self._label} is over: another one may be at work on it"
            raise BusyError(problem, "nothing more was asked of the cloud; the next cycle goes on")

    def _may_begin(self) -> bool:
        return self._lease is not None and lease.may_begin(self._lease, self._written, self._ticks.now())

    def examine(self) -> None:
        """Raise what keeps this host from using the document. Writes nothing there."""
        document_in(self._documents.pull(), self._whose, self.backend_id, Note.read(self._folder))

    # -- reading -------------------------------------------------------------------------------------------

    def refresh(self, make_folders: Callable[[], None] = lambda: None) -> bool:
        """Let this host's file say what the document says; whether that is known now: nobody here is at work, and
        the backend answers. Takes the queue's lock."""
        try:
            make_folders()
            with locks.exclusive(self._folder / "lock", 0, self._label):
                held, self._note = self._documents.pull(), Note.read(self._folder)
                document = self._document(held, mending=False)
                if document is not None and document.mark not in (self._note.mark, self._note.trying):
                    self._copy(held, document, mending=False)
        except (BackendError, BusyError, WorkspaceError, ConfigError) as error:
            level = logging.INFO if isinstance(error, BackendError | BusyError) else logging.WARNING
            log.log(level, "%s: this host's copy of the record may be old: %s", self._label, error.message)
            return False
        return True


def _here(file: RecordFile, whose: Whose) -> Record | None:
    """What this host's file says; None where there is none that can be believed."""
    with suppress(WorkspaceError):
        return whose.kept(file.load())
    return None


def _refusal(label: str, early: bool = False) -> RefusedError:
    problem = f"another host wrote the record of {label} meanwhile"
    error = RefusedError(problem, "nothing more was asked of the cloud; the next cycle goes on")
    error.early = early
    return error


def probed(documents: DocumentStore) -> str:
    """Whether a backend takes a text and refuses an older one: what was found. Raises ``BackendError``."""
    held = seeded(documents)
    documents.push(Revision(following(held.serial), held.lineage, "a check"))
    with suppress(RefusedError):
        documents.push(Revision(held.serial, held.lineage, "an older check"))
        raise BackendError(
            f"{documents.backend_id} takes a record that is older than its own", "use another backend"
        )
    return f"{documents.backend_id}: reached, locked, written; an older record is refused"
