"""The folder of one queue: its record, its journal, user data, what Terraform reads, and the reviewers' copies.

``private`` (rights 0700) is what tfce believes; ``copies`` are for people and git. Only the record is
memory: everything else is made from it, from the options, or by Terraform, and is made again where it is absent or
damaged."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from tfce.config.backends import LOCAL
from tfce.config.options import Queue
from tfce.model.errors import WorkspaceError
from tfce.model.lease import BackendId
from tfce.model.pilot import scale_text
from tfce.model.record import Record
from tfce.model.review import ReviewStatus
from tfce.model.trace import phase
from tfce.model.vm import Owner
from tfce.store import files, holder, installation, locks, takeover
from tfce.store.holder import Holder
from tfce.store.journal import Journal
from tfce.store.meters import MeterFile
from tfce.store.network_zones import NetworkZonesFile
from tfce.store.record_file import RecordFile
from tfce.store.review_copies import ReviewCopies
from tfce.store.shared_ce import SharedCE
from tfce.store.shared_document import mark_of, moved, note_of
from tfce.store.shared_record import SharedRecord
from tfce.store.variable_files import VariableFiles
from tfce.store.whose import Whose


def slug(name: str) -> str:
    """``name`` as a folder and Terraform workspace name: readable, and different for different names."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name) if name.strip(".") == "" else re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if safe == name and len(name) <= 80 and not _SLUG.fullmatch(name):
        return name
    return f"{safe[:70]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


# A name that could be the slug of another one gets a mark of its own: no two names share a folder.
_SLUG = re.compile(r"(.*_.*|.{70})-[0-9a-f]{8}")


class Workspace:
    """The files of one queue. Methods that write want the lock held; reading needs none."""

    def __init__(self, queue: Queue, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.queue = self.asked = queue
        self.review_status: ReviewStatus | None = None
        self.module_folder: Path | None = None  # of a copy of the module, instead of the options'
        self.root = queue.workspace.root
        self.private = self.root / "queues" / slug(queue.ce) / slug(queue.name)
        self.review_copies = ReviewCopies(queue.workspace.files, slug(queue.ce), slug(queue.name))
        self.contexts = self.private / "contexts"
        self.name = f"{slug(queue.ce)}.{slug(queue.name)}"
        self.file = RecordFile(self.private, queue.label, queue.label)
        self.clock, self.journal = clock, Journal(self.private, clock, lambda: mark_of(self.private))
        self.meters = MeterFile(self.private)
        self._holder_file = self.private / "lock.json"
        self.latest: Record | None = None  # as this process wrote it last
        self.shared: SharedRecord | None = None  # where several hosts reach the record
        self.shared_ce: SharedCE | None = None  # where the CE's queues have an allocation together, too
        self.variables = VariableFiles(self.private, self.review_copies, self._contexts_told)
        self.network_zones = NetworkZonesFile(self.private, lambda: self.queue)

    def take(self, queue: Queue, status: ReviewStatus, module: Path | None) -> None:
        """Let the options of ``queue``, which were approved, count instead of those that are ``asked`` for."""
        self.queue, self.review_status, self.module_folder = queue, status, module

    # -- who and where ------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether this host, or one that shares the record, may have submitted to the queue, as far as this user
        may know."""
        try:
            here = self.file.exists or self.variables.scale_file.exists() or self.has_state
            return here or self.shared is not None
        except PermissionError:
            return False

    @property
    def state_file(self) -> Path:
        """Terraform's state, where its backend is a local file."""
        return self.private / "terraform.tfstate.d" / self.name / "terraform.tfstate"

    @property
    def has_state(self) -> bool:
        """Whether there is any Terraform state."""
        return bool(files.listed(self.private, "terraform.tfstate.d/*/terraform.tfstate"))

    def owner(self) -> Owner:
        """Whose VMs these are; makes the installation's name when this host has none yet."""
        record = self.file.salvaged()
        return self.owner_of(record.installation if record else self._installation())

    def owner_of(self, name: str) -> Owner:
        """The owner that the installation ``name`` is."""
        return Owner(name, self.queue.ce, self.queue.name, self.queue.workspace.adopt_prefix)

    def any_installation(self) -> Owner:
        """The same for a host or user without access to the workspace: whichever installation's."""
        return self.owner_of("")

    def _installation(self) -> str:
        named = self.queue.workspace.installation
        return named or installation.made(self.root, self.review_copies.named(), self.queue.label)

    # -- the record ----------------------------------------------------------------------------------------

    @phase("read the record")
    def load(self) -> Record:
        """What is remembered of the queue, as this host knows it. Raises ``WorkspaceError`` where that cannot be
        believed."""
        if self.queue.terraform.backend == LOCAL and (note := note_of(self.private)) and note.mark:
            raise moved(note.backend_id, BackendId(LOCAL), self.queue.label)
        if self.file.exists:
            return Whose.of(self.queue).kept(self.file.load())
        if takeover.is_old(self.private) and (self.variables.scale_file.exists() or not self.has_state):
            return takeover.read(self.private, self._installation(), self.queue.label, self.clock())
        if self.shared is not None:
            return Record(self._installation())
        if self.variables.scale_file.exists() or self.has_state:
            raise WorkspaceError(
                f"{self.file.path}: is missing though the queue has pilots; no pilot was touched",
                f"put it back, or run `tfce repair {self.queue.label}` to rebuild it from the state and the cloud",
            )
        return Record(self._installation())

    @phase("write the record")
    def save(self, record: Record) -> Record:
        """Write the record, then what is made from it; the record as it was written. Where hosts share it, they
        know of what is about to be asked of the cloud when this returns."""
        if self.shared is not None:
            self.shared.before_saving()
        written = self.file.save(record)
        self.latest = written
        self.derive(written)
        if self.shared is not None:
            self.shared.saved(written)
        return written

    def derive(self, record: Record) -> None:
        """Make the files that follow from the record, where they say something else."""
        self.variables.write_scale(scale_text(record.pilots, record.installation))
        for name in takeover.REMAINS:
            files.remove(self.private / name)
        self.variables.publish()

    def prepare(self) -> Record:
        """Make the folders, and the record where the queue is new or an older tfce's."""
        self.make_folders()
        record = self.load()
        files.private_folder(self.contexts)
        installation.keep(self.root, record.installation)
        if not self.file.exists:
            return self.save(record)
        self.derive(record)
        return record

    def make_folders(self) -> None:
        """The folders, for their owner only."""
        files.private_folder(self.root, ours=False)
        ce = self.private.parent
        for folder in (ce.parent, ce, self.private):
            files.private_folder(folder)

    @contextmanager
    def locked(self, mending: bool = False, alone: bool = False) -> Iterator[None]:
        """Be the queue's only writer; raises ``BusyError`` after Workspace_LockTimeout seconds. ``mending``: a
        shared record that cannot be believed is replaced; ``alone``: other hosts learn later what is done."""
        self.make_folders()
        patience, label = self.queue.workspace.lock_timeout, self.queue.label
        with (
            locks.exclusive(self.private / "lock", patience, label, self._holder_file),
            nullcontext() if alone or self.shared is None else self.shared.section(mending),
        ):
            yield

    @property
    def holder(self) -> Holder | None:
        """Who works on the queue now."""
        return holder.holder(self._holder_file)

    def refresh(self) -> bool:
        """Bring this host's copy of a shared record up to date; whether it is."""
        return self.shared is None or self.shared.refresh(self.make_folders)

    def check_lease(self) -> None:
        """Raise ``BusyError`` where another host may be at work on the queue, or its CE, by now."""
        leases: tuple[SharedRecord | SharedCE | None, ...] = (self.shared, self.shared_ce)
        for one in (turn for turn in leases if turn is not None):
            one.check()

    def take_lease(self, doing: str) -> bool:
        """Let no other host begin anything meanwhile; whether none does."""
        return self.shared is None or self.shared.hold(doing)

    # -- user data -----------------------------------------------------------------------------------------

    def _contexts_told(self) -> str:
        is_local = self.queue.terraform.backend == LOCAL
        return str(self.contexts) if is_local else self.contexts.name  # the same on every host

    def write_contexts(self, contexts: Mapping[str, bytes]) -> None:
        """Put the user data of each new pilot or batch (by key or label) where Terraform reads it; they may hold a
        proxy."""
        for name, data in contexts.items():
            files.write(self.contexts / name, data, durable=False)

    def forget_contexts(self) -> None:
        """Delete all user data: a VM that exists needs no copy of it here."""
        for path in files.listed(self.contexts, "*"):
            files.remove(path)
