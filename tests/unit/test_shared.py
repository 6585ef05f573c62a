"""The shared record of a queue: who may write it, and what a host makes of what it finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.shared import BootClock, FileDocumentStore
from tfce.model.drain import Drain
from tfce.model.errors import BackendError, BusyError, ConfigError, WorkspaceError
from tfce.model.lease import BackendId, Document
from tfce.model.pilot import Pilot
from tfce.model.record import Operation, Record
from tfce.store.record_file import RecordFile
from tfce.store.shared_document import DamagedError, Note, RefusedError, Revision, following, writes_of
from tfce.store.shared_record import SharedRecord, probed
from tfce.store.whose import NotOursError, Whose

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = 300
EMPTY = Record("tests")
BEGUN = EMPTY.begin(Operation.SUBMIT, ["0000000A"], NOW)
DRAINED = replace(EMPTY, drain=Drain(NOW))


class Death(BaseException):
    """The process dies."""


class Host:
    """One host's part, with what a workspace does around it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.ticks = folder / name, BootClock()
        self.folder.mkdir(exist_ok=True)
        self.documents = FileDocumentStore(folder / "backend" / "record.json")
        self.file = RecordFile(self.folder, "ce/long")
        self.shared = SharedRecord(self.file, Whose("ce/long", "tests"), self.documents, SECONDS, 0, self.ticks)  # type: ignore[arg-type]

    def save(self, record: Record) -> None:
        self.shared.before_saving()
        self.shared.saved(self.file.save(record))

    def writes(self, record: Record) -> None:
        with self.shared.section():
            self.save(record)

    @property
    def document(self) -> Document:
        held = self.documents.pull()
        assert held is not None
        return Document.load(held.text)


@pytest.fixture
def hosts(tmp_path: Path) -> tuple[Host, Host]:
    return Host(tmp_path, "a"), Host(tmp_path, "b")


@contextmanager
def dying() -> Iterator[None]:
    with pytest.raises(Death):
        yield


def test_what_one_host_wrote_the_other_reads(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.writes(DRAINED)
    assert b.shared.refresh() and b.file.load().drain == DRAINED.drain
    b.writes(replace(b.file.load(), drain=None))
    with a.shared.section():
        assert a.file.load().drain is None


def test_the_intent_and_a_lease_are_there_before_anything_is_asked(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    with a.shared.section():
        a.save(BEGUN)
        assert b.document.lease is not None and Record.load(b.document.record).pending is not None
        a.shared.check()
        with pytest.raises(BusyError, match="is busy"), b.shared.section():
            raise AssertionError("two hosts at once")
        a.save(EMPTY)
    assert b.document.lease is None
    with b.shared.section():
        assert b.file.load().pending is None


def test_a_lease_is_over_for_who_has_seen_it_for_its_seconds(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    with dying(), a.shared.section():
        a.save(BEGUN)
        raise Death
    b.ticks.seconds += 10_000  # whatever the clocks say: nobody here saw the lease before
    with pytest.raises(BusyError), b.shared.section():
        pass
    b.ticks.seconds += SECONDS - 1
    with pytest.raises(BusyError, match="in 2 s"), b.shared.section():
        pass
    b.ticks.seconds += 1
    with b.shared.section():
        assert b.file.load().pending is not None  # and is finished
        b.save(EMPTY)
    assert a.document.lease is None


def test_a_start_of_the_machine_begins_the_count_anew(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    with dying(), a.shared.section():
        a.save(BEGUN)
        raise Death
    assert b.shared.refresh()
    with pytest.raises(BusyError), b.shared.section():
        pass
    b.ticks.starts, b.ticks.seconds = 2, b.ticks.seconds + SECONDS
    with pytest.raises(BusyError), b.shared.section():
        pass


def test_a_host_goes_on_with_its_own_lease_at_once(hosts: tuple[Host, Host]) -> None:
    a, _ = hosts
    with dying(), a.shared.section():
        a.save(BEGUN)
        raise Death
    with a.shared.section():
        assert a.file.load().pending is not None


def test_a_copied_folder_is_another_host(hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = hosts
    with dying(), a.shared.section():
        a.save(BEGUN)
        raise Death
    Note.read(a.folder).write(b.folder)
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    with pytest.raises(BusyError), b.shared.section():
        pass


def test_who_slept_through_its_lease_begins_and_writes_nothing(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    with a.shared.section():
        a.save(BEGUN)
        with pytest.raises(BusyError), b.shared.section():
            pass
        for host in hosts:
            host.ticks.seconds += SECONDS
        b.writes(DRAINED)
        with pytest.raises(BusyError, match="turn"):
            a.shared.check()
        with pytest.raises(RefusedError) as caught:
            a.save(BEGUN)
        assert not caught.value.early
    assert Record.load(b.document.record).drain == DRAINED.drain


def test_of_two_who_read_the_same_one_writes(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.writes(EMPTY)
    with a.shared.section(), b.shared.section():
        a.save(BEGUN)
        with pytest.raises(RefusedError) as caught:
            b.save(BEGUN)
        assert caught.value.early  # so it may begin again
        with pytest.raises(BusyError):
            b.shared.check()


def test_who_read_before_a_late_end_does_not_write_over_it(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    with ExitStack() as late:
        late.enter_context(a.shared.section())
        a.save(BEGUN)
        with pytest.raises(BusyError), b.shared.section():
            pass
        b.ticks.seconds += SECONDS
        with pytest.raises(RefusedError) as caught, b.shared.section():  # the lease is over by now
            a.save(DRAINED)
            late.close()
            b.save(BEGUN)
    assert caught.value.early and Record.load(b.document.record).drain == DRAINED.drain
    with b.shared.section():
        assert b.file.load().drain == DRAINED.drain


@pytest.mark.parametrize("added", [0, 1, 7])
def test_of_all_who_know_one_text_one_can_write(added: int) -> None:
    """Whatever a backend adds to a number itself."""
    for known in (0, 1, 999, 1000, 1001, 5003):
        first = following(known)
        stored = first + added
        assert first > known and following(known) <= stored  # so a second one is refused
        assert following(first) == following(stored) > stored  # who wrote, and who read it


def test_what_was_not_shared_at_the_end_is_an_error_unless_the_cloud_was_asked(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.writes(EMPTY)
    with pytest.raises(BackendError), a.shared.section():
        a.save(DRAINED)
        a.documents.down = True
    a.documents.down = False
    with a.shared.section():
        a.save(BEGUN)
        a.save(DRAINED)
        a.documents.down = True
    assert b.document.lease is not None
    a.documents.down = False
    with a.shared.section():
        pass
    assert b.document.lease is None and Record.load(b.document.record).drain == DRAINED.drain


def test_a_lost_answer_is_found_out(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.writes(EMPTY)
    a.documents.lost = 1
    with pytest.raises(BackendError), a.shared.section():
        a.save(BEGUN)
    with a.shared.section():
        assert a.file.load().pending is not None
        a.save(EMPTY)
    assert Record.load(b.document.record).pending is None


@pytest.mark.parametrize("text", ["{", "{}", '{"format": 2}'])
def test_a_damaged_document_stops_writers_until_it_is_mended(hosts: tuple[Host, Host], text: str) -> None:
    a, b = hosts
    a.writes(DRAINED)
    held = a.documents.pull()
    assert held is not None
    a.documents.push(replace(held, serial=held.serial + 5000, text=text))
    for host in hosts:
        with pytest.raises(WorkspaceError, match="tfce repair"), host.shared.section():
            pass
    with a.shared.section(mending=True):
        pass
    with b.shared.section():
        assert b.file.load().drain == DRAINED.drain


@pytest.mark.parametrize("mending", [False, True])
def test_what_a_newer_tfce_of_another_host_wrote_is_nobodys_to_overwrite(
    hosts: tuple[Host, Host], mending: bool
) -> None:
    a, b = hosts
    a.writes(DRAINED)
    held, document = a.documents.pull(), a.document
    assert held is not None
    newer = json.dumps({**json.loads(document.record), "colours": ["red"]})
    a.documents.push(replace(held, serial=held.serial + 5000, text=replace(document, record=newer).dump()))
    before = a.documents.path.read_text()
    with pytest.raises(WorkspaceError, match="upgrade the tfce of this host"), b.shared.section(mending=mending):
        pass
    assert a.documents.path.read_text() == before


def test_a_backend_that_was_set_back_or_lost_is_no_news(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.writes(EMPTY)
    before = a.documents.path.read_text()
    a.writes(DRAINED)
    a.documents.path.write_text(before)
    with pytest.raises(DamagedError, match="older"), a.shared.section():
        pass
    assert not a.shared.refresh() and a.file.load().drain == DRAINED.drain
    with a.shared.section(mending=True):
        pass
    with b.shared.section():
        assert b.file.load().drain == DRAINED.drain


def test_where_nothing_is_who_saw_a_record_begins_no_other(hosts: tuple[Host, Host]) -> None:
    """A gateway's 404 reads as *no state yet*; what a host wrote then could replace the state behind it."""
    a, b = hosts
    a.writes(DRAINED)
    b.writes(EMPTY)
    hidden = a.documents.path.rename(a.documents.path.with_suffix(".hidden"))
    pushes = b.documents.pushes
    with pytest.raises(DamagedError, match="has lost"), b.shared.section():
        pass
    assert not a.documents.path.exists() and b.documents.pushes == pushes
    hidden.rename(a.documents.path)
    with b.shared.section():
        assert b.file.load().drain == EMPTY.drain
    a.documents.path.unlink()
    with b.shared.section(mending=True):
        pass
    with a.shared.section():
        assert a.file.load().drain == EMPTY.drain


def test_pilots_from_before_a_record_was_shared_wait_for_a_move(hosts: tuple[Host, Host]) -> None:
    """Their state is this host's own, and would stay behind."""
    a, b = hosts
    a.file.save(EMPTY.including([Pilot("0000000A", NOW, "1", "i-1")]))
    b.file.save(DRAINED)  # no pilots: nothing can stay behind
    with pytest.raises(NotOursError, match=r"is in local; set it to local .*`tfce move-state ce/long "):
        a.writes(EMPTY)
    assert list(a.file.load().pilots) == ["0000000A"] and not Note.read(a.folder).mark
    b.writes(DRAINED)
    assert Record.load(b.document.record).drain == DRAINED.drain


def test_a_record_that_moved_says_where_it_is(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.writes(EMPTY)
    with a.shared.section():
        assert a.shared.hold("move the record")
        there = Document("ce/long", EMPTY.dump(), "m", writes=writes_of(a.folder))
        a.shared.hand_over(BackendId("s3", "bucket=x"))
    assert there.writes and not there.lacks(writes_of(a.folder))  # nothing was written over
    with pytest.raises(ConfigError, match=r"is in s3 .*set it to s3"), b.shared.section():
        pass


def test_another_queues_record_is_refused(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    a, _ = hosts
    a.writes(EMPTY)
    other = SharedRecord(RecordFile(tmp_path, "ce/short"), Whose("ce/short", "tests"), a.documents, SECONDS, 0)
    with pytest.raises(NotOursError, match=r"has the record of ce/long .* serves ce/short"), other.section():
        pass
    assert not other.refresh() and a.document.queue == "ce/long" and not other.record


def test_a_probe_finds_a_backend_that_compares_nothing(tmp_path: Path) -> None:
    class Careless(FileDocumentStore):
        def push(self, held: Revision) -> None:
            self.path.unlink(missing_ok=True)
            super().push(held)

    assert "refused" in probed(FileDocumentStore(tmp_path / "x" / "check"))
    with pytest.raises(BackendError, match="older than its own"):
        probed(Careless(tmp_path / "y" / "check"))


def test_a_note_of_when_a_backend_was_a_text_is_taken_over(tmp_path: Path) -> None:
    note = Note("0123456789abcdef", BackendId("pg", "db.example.org:5432/tfce"), "m", serial=7).write(tmp_path)
    assert Note.read(tmp_path) == note
    path = tmp_path / "shared.json"
    old = json.loads(path.read_text())
    del old["backend_id"]
    path.write_text(json.dumps({**old, "place": "pg db.example.org:5432/tfce"}))
    assert Note.read(tmp_path) == note
    path.write_text(json.dumps({**json.loads(path.read_text()), "backend_id": {"name": 1, "where": ""}}))
    assert Note.read(tmp_path).holder != note.holder


def test_folders_that_come_and_go_make_no_document_grow(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    a, _ = hosts
    for _ in range(3):
        a.writes(EMPTY)
    mine = a.document.writes
    for number in range(80):
        Host(tmp_path, f"passing-{number}").writes(EMPTY)
    assert len(a.document.writes) == 64 and mine.items() <= a.document.writes.items()
    a.writes(DRAINED)
    assert Record.load(a.document.record).drain == DRAINED.drain
