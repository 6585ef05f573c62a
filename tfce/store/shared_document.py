"""What a backend holds of a queue for all its hosts, and what this host knows of that."""

from __future__ import annotations

import logging
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from tfce.config.backends import LOCAL
from tfce.model import fields, journals, lease
from tfce.model.endings import Cause
from tfce.model.errors import BackendError, BusyError, WorkspaceError
from tfce.model.lease import NOWHERE, BackendId, Document, Lease, Sighting
from tfce.model.record import NewerError, Record
from tfce.store import files
from tfce.store.journal import last_told
from tfce.store.whose import NotOursError, Whose

NOTE = "shared.json"

log = logging.getLogger("tfce")


class DamagedError(WorkspaceError):
    """The document is lost, cannot be believed, or is older than it was."""


class RefusedError(BusyError):
    """The shared document is not the one that was read: another host wrote it meanwhile. ``early``: before this
    one had written anything."""

    early = False


class SleptError(BackendError):
    """A write took so long that others may have broken its lock, and have written before it was carried out."""


@dataclass(frozen=True)
class Revision:
    """What a backend holds: a numbered text of one lineage; "" where nobody wrote any yet."""

    serial: int
    lineage: str
    text: str


class DocumentStore(Protocol):
    """One text in a backend. Both methods raise ``BackendError`` where the backend does not answer: then nobody
    knows whether a text was written."""

    @property
    def backend_id(self) -> BackendId:
        """Which backend it is in."""

    def pull(self) -> Revision | None:
        """What is there now."""

    def push(self, held: Revision) -> None:
        """Replace what is there, if its number is lower and its lineage the same; else ``RefusedError``."""


@dataclass(frozen=True)
class Note:
    """What this host knows of its copy. ``mark``: of the document that it was made from; ``trying``: of the one
    that it may have become; ``serial``: the highest number that was seen; ``ahead``: whether the copy says more
    than that document; ``hosts`` and ``writes``: what that document says of them; ``number``: of this host's last
    write, carried out or not; ``doubt``: whether what it was ``trying`` may have been put over another host's."""

    holder: str
    backend_id: BackendId = NOWHERE
    mark: str = ""
    trying: str = ""
    serial: int = 0
    ahead: bool = False
    sighting: Sighting | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, int] = field(default_factory=dict)
    number: int = 0
    doubt: bool = False

    @classmethod
    def read(cls, folder: Path) -> Note:
        """The note in ``folder``; a fresh one where there is none that can be believed."""
        found = files.believed_json(folder / NOTE)
        with suppress(TypeError, ValueError):
            older = found.pop("place", "")  # what it was called first
            sighting, chosen = found.pop("sighting", None), BackendId.from_json(found.pop("backend_id", older))
            note = cls(**found, backend_id=chosen, sighting=Sighting(**sighting) if sighting else None)
            hosts = fields.mapping(note.hosts)
            texts = (note.holder, note.mark, note.trying, *hosts.values())
            numbers = (note.serial, note.number, *fields.mapping(note.writes).values())
            sound = all(isinstance(text, str) for text in texts) and all(isinstance(one, int) for one in numbers)
            if sound and note.holder:
                return note
        return cls(secrets.token_hex(8))

    @property
    def mark_of_folder(self) -> str:
        """The mark in what this folder's journal says."""
        return self.holder[:8]

    def write(self, folder: Path) -> Note:
        """Write the note down."""
        files.write_json(folder / NOTE, asdict(self))
        return self


@dataclass(frozen=True)
class BootClock:
    """The seconds since this machine started, also those that it slept, and which start that was."""

    now: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    boot: Callable[[], str] = lambda: Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def note_of(folder: Path) -> Note | None:
    """What this host knows of a shared copy; None where its record was never shared."""
    return Note.read(folder) if files.believed(folder / NOTE) else None


def mark_of(folder: Path) -> str:
    """What tells the journal in ``folder`` from those of hosts that may have this one's name; "" where no others
    share the record."""
    note = note_of(folder)
    return note.mark_of_folder if note else ""


def hosts_of(folder: Path) -> Mapping[str, str]:
    """Who has written to a shared record, and up to when its journal tells of that, as this host knows it."""
    note = note_of(folder)
    return note.hosts if note else {}


def writes_of(folder: Path) -> Mapping[str, int]:
    """The writes that led to the shared record, as this host knows them."""
    note = note_of(folder)
    return note.writes if note else {}


def wrote(note: Note, folder: Path) -> dict[str, str]:
    """The same, once this host has written."""
    who = journals.Writer(socket.gethostname(), note.mark_of_folder)
    return journals.wrote(note.hosts, who, last_told(folder))


_APART = 1000  # between the numbers of two texts: more than a backend adds to one itself


def following(number: int) -> int:
    """The number for what replaces a text. A backend only looks whether a number is higher than the one there. As
    all who know one text come to the same number, only one of them can write, and nobody who knows less."""
    return (number // _APART + 1) * _APART


def seeded(documents: DocumentStore) -> Revision:
    """What is there. Terraform compares nothing with a state that has no lineage: so there is one first."""
    for _ in range(2):
        held = documents.pull()
        if held is not None and held.lineage:
            return held
        with suppress(RefusedError):  # another host's is as good
            documents.push(Revision(1, str(uuid.uuid4()), ""))
    raise BackendError(f"{documents.backend_id}: what is written there does not stay", "see what the backend does")


def found(documents: DocumentStore, note: Note, label: str, mending: bool) -> Revision:
    """What is there, for a host that knows ``note``. Only who never saw anything begins, or mends: a gateway's 404
    reads as *nothing yet*, too. Raises ``DamagedError``, or ``NotOursError`` where the record is elsewhere."""
    if mending or not note.mark:
        return seeded(documents)
    held = documents.pull()
    if held is None or not held.lineage:
        raise missing(note, documents.backend_id, label)
    return held


def busy(label: str, one: Lease, left: int) -> BusyError:
    """The error of who must wait ``left`` seconds for another host's lease."""
    problem = f"{label} is busy: {one.host} is at work on it ({one.doing})"
    return BusyError(problem, f"nothing was changed, try again later; without a word of it, in {left} s")


def document_in(held: Revision | None, whose: Whose, backend_id: BackendId, note: Note) -> Document | None:
    """The document in a backend; None where nobody wrote one yet. ``whose`` it must be; ``note``: what this host
    knows of it. Raises ``DamagedError`` for one that cannot be believed, ``NotOursError`` for another queue's or
    installation's, or where it is elsewhere now."""
    if held is None or not held.text:
        return None
    label = whose.label
    try:
        document = Document.load(held.text)
        record = Record.load(document.record)
    except NewerError as error:
        cure = "upgrade the tfce of this host to the version that wrote it"
        raise WorkspaceError(f"the record in {backend_id}: {error}; no pilot was touched", cure) from error
    except ValueError as error:
        cure = f"run `tfce repair {label}` to rebuild it from this host's copy and the cloud"
        problem = f"the record in {backend_id} cannot be believed ({error}); no pilot was touched"
        raise DamagedError(problem, cure) from error
    whose.check(document.queue, record, backend_id)
    if document.moved:
        raise moved(document.moved, backend_id, label)
    if held.serial < note.serial and note.backend_id == backend_id:  # hazard: a backup knows nothing of later VMs
        problem = f"the record in {backend_id} is older than what this host has seen of it; no pilot was touched"
        cure = f"run `tfce repair {label}` on the host that wrote last"
        cure = f"was it restored from a backup, or did a host sleep while it wrote? Then {cure}"
        raise DamagedError(problem, cure)
    return document


def watched(note: Note, document: Document, seconds: int, ticks: BootClock) -> tuple[Note, Lease | None, int]:
    """What this host knows after a look, who may be at work on the queue, and for how many seconds it must wait.
    What this host itself wrote too late may have been put over a lease: so it waits for one of ``seconds``."""
    one, here = document.lease, socket.gethostname()
    if note.doubt and document.mark == note.trying:
        one = one or Lease(note.holder, here, seconds, "write the record")
    elif one is None or (one.holder, one.host) == (note.holder, here):
        return note, None, 0  # a folder that was copied to another machine brings its holder's name along
    now = ticks.now()
    sighting = lease.seen(note.sighting, document, ticks.boot(), now)
    left = 0 if lease.over(one, sighting, now) else int(one.seconds - (now - sighting.since)) + 1
    return replace(note, sighting=sighting), one, left


def joined(document: Document, note: Note, known: Record | None, label: str) -> Record:
    """The record in ``document``, and what this host alone knows: ``known``, its file, says what it did while the
    backend was down, or what it read before somebody wrote over it who had slept."""
    record, lost = Record.load(document.record), document.lacks(note.writes)
    if known is None or not (note.ahead or lost):
        return record
    if document.mark in (note.mark, note.trying):
        return known
    if not lost:
        return record.with_tombstones(known.tombstones.values())
    log.warning("%s: a host that had slept wrote over what others had written: it is put back", label)
    stones = [*known.tombstones.values(), *record.tombstones.values()]
    stones.sort(key=lambda stone: stone.reason.cause is Cause.GONE)  # who saw how it ended comes first
    blank = replace(record, tombstones=Record("").tombstones, drain=record.drain or known.drain)
    return blank.with_tombstones(stones)


def moved(there: BackendId, here: BackendId, label: str) -> NotOursError:
    """The error of a queue whose record is in another backend, ``there``, than the one that the options name."""
    command = f"`tfce move-state {label} {here.name}`"
    cure = f"set it to {there.name} on every host; from there {command} moves it here, or ends a killed move"
    return NotOursError("Terraform_Backend", str(here), f"the record of {label} is in {there}", cure)


def begins(note: Note, known: Record | None) -> bool:
    """Whether a host may write the first document: its ``note`` tells of none, and its file, which says ``known``,
    of no pilots from before it shared any, whose state is its own."""
    local = note.backend_id == NOWHERE and known is not None and bool(known.pilots)
    return not (note.mark or local)


def missing(note: Note, backend_id: BackendId, label: str) -> DamagedError | NotOursError:
    """The error of a backend that has nothing of what this host saw, as its ``note`` says, or has itself."""
    if note.backend_id == NOWHERE:
        return moved(BackendId(LOCAL), backend_id, label)
    if note.backend_id != backend_id:
        return moved(note.backend_id, backend_id, label)
    cure = f"restore it from a copy, or run `tfce repair {label}` to write this host's copy there"
    return DamagedError(f"{backend_id} has lost the record of {label}; no pilot was touched", cure)
