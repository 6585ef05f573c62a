"""The record's file: written whole, with its previous generation beside it."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tfce.model.errors import WorkspaceError
from tfce.model.record import NewerError, Record
from tfce.store import files


class NewerRecordError(WorkspaceError):
    """The record is whole, and a newer tfce's."""


class RecordFile:
    """``record.json`` in a queue's private folder; ``label``: the queue's; ``queue``: whose the record must be, ""
    for anybody's. Writers hold the queue's lock; reading needs none."""

    def __init__(self, folder: Path, label: str, queue: str = "") -> None:
        self._label, self._queue = label, queue
        self._last: tuple[bytes, Record] | None = None  # what was read or written last, by its text's digest
        self.path = folder / "record.json"
        self.previous = folder / "record.previous.json"

    @property
    def exists(self) -> bool:
        """Whether there is one, or anything in its place."""
        return os.path.lexists(self.path) or os.path.lexists(self.previous)

    def load(self) -> Record:
        """The record. Raises ``WorkspaceError`` where it cannot be believed, or is gone and its previous
        generation is there."""
        try:
            text = files.read(self.path)
            if text is None:
                raise self._damaged("is missing")
            return self._parsed(text)
        except files.UnreadableError as error:
            raise self._damaged(error.why) from error
        except NewerError as error:
            raise NewerRecordError(f"{self.path}: {error}; no pilot was touched", self._upgrade) from error
        except ValueError as error:
            raise self._damaged(f"is not a record ({error})") from error

    @property
    def _upgrade(self) -> str:
        return (
            "upgrade the tfce of this host to the version that wrote it; where that cannot be, move the file away "
            f"and run `tfce repair {self._label}` to rebuild the record from Terraform's state and the cloud"
        )

    def _parsed(self, text: str) -> Record:
        """The record in ``text``. A text that is known is not parsed again: one of ten thousand pilots takes a
        third of a second. Raises ``ValueError``."""
        digest, last = _digest(text), self._last
        if last is None or last[0] != digest:
            last = self._last = digest, Record.load(text)
        if self._queue and last[1].queue not in ("", self._queue):
            raise ValueError(f"it is the record of {last[1].queue}")
        return last[1]

    def _damaged(self, why: str) -> WorkspaceError:
        return WorkspaceError(
            f"{self.path}: {why}; no pilot was touched",
            f"run `tfce repair {self._label}` to rebuild it from its previous generation, Terraform's state and "
            "the cloud",
        )

    def save(self, record: Record) -> Record:
        """Write the next generation, on the disk when this returns; the record as it was written."""
        written = replace(record, generation=record.generation + 1, queue=self._queue)
        self._keep_previous()
        text = written.dump()
        files.write(self.path, text)
        self._last = _digest(text), written
        return written

    def put(self, record: Record) -> None:
        """Write a record that has its generation already: another host's."""
        self._keep_previous()
        files.write(self.path, record.dump())

    def _keep_previous(self) -> None:
        # A second name for the file that is about to be replaced costs no copy; a file system without such names
        # has no previous generation.
        temporary = self.previous.with_name(f".{self.previous.name}.{secrets.token_hex(4)}")
        with suppress(OSError):
            if self.path.is_file() and not self.path.is_symlink():
                os.link(self.path, temporary)
                temporary.replace(self.previous)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)

    def salvaged(self) -> Record | None:
        """The previous generation, where the present one cannot be believed; None where that is so of it, too."""
        for path in (self.path, self.previous):
            with suppress(WorkspaceError, ValueError):
                text = files.read(path)
                if text is not None:
                    return self._parsed(text)
        return None

    def put_aside(self) -> Path | None:
        """Rename a record that cannot be believed; its new place, or None where there was none."""
        return files.put_aside(self.path) if os.path.lexists(self.path) else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
