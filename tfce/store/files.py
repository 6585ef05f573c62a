"""Reads and writes files that no crash tears and nobody else reads."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfce.config import trust
from tfce.model.errors import WorkspaceError

PRIVATE_FOLDER = 0o700
SHARED_FOLDER = 0o775  # whatever the umask: what everybody could write is not trusted
PRIVATE_FILE = 0o600
LARGEST = 256 * 2**20  # bytes of any file that is read whole


_CURES = {
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit of open files (ulimit -n)"),
    **dict.fromkeys((errno.ESTALE, errno.EIO, errno.ETIMEDOUT), "look at the disk, or at the server that has it"),
    errno.EROFS: "mount the disk so that it can be written",
}


class UnreadableError(WorkspaceError):
    """What lies in a file's place is not what tfce put there. ``why`` says what it is."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}, which tfce does not read; put it back from a copy, or remove it")
        self.why = why


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` (disk full, no right) into a ``WorkspaceError`` that names the file."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or "")  # what is opened below a folder is named without it
        where = named if named.startswith("/") else path
        cure = _CURES.get(error.errno or 0, "check the disk's free space and the folder's owner and rights")
        raise WorkspaceError(f"{where}: cannot be {doing} ({error.strerror or error})", cure) from error


def private_folder(path: Path, ours: bool = True) -> Path:
    """Make ``path`` (and its parents) if need be; the folder itself is for its owner only. A file in its place is
    put aside if the place is ``ours``, and not one that somebody named. One that is another user's, or that others
    could have written, is an error."""
    with explained(path, "made"):
        if ours and os.path.lexists(path) and not path.is_dir():
            put_aside(path)
        _judged(path)
        _made(path, PRIVATE_FOLDER)
        if path.stat().st_mode & 0o777 != PRIVATE_FOLDER:
            path.chmod(PRIVATE_FOLDER)
    return path


def named_folder(path: Path) -> Path:
    """A folder that somebody named, with the rights that it has; where there is none, it is made for its owner
    only. One that is another user's, or that others could have written, is an error."""
    if not path.is_dir():
        return private_folder(path, ours=False)
    _judged(path)
    return path


def _judged(path: Path) -> None:
    try:
        trust.own_folder(path)
    except trust.DistrustError as error:
        raise WorkspaceError(f"{error.path} {error.problem}", error.cure) from None


def _made(path: Path, mode: int) -> None:
    """Make a folder and its parents. Each is on the disk when this returns: what is fsynced in a folder that a
    loss of power takes away is gone with it."""
    if path.is_dir():
        return
    _made(path.parent, SHARED_FOLDER)
    path.mkdir(exist_ok=True, mode=mode)
    sync_folder(path.parent)


def write(path: Path, data: bytes | str, mode: int = PRIVATE_FILE, durable: bool = True) -> None:
    """Replace ``path`` by ``data``, whole or not at all. ``durable``: on the disk when this returns, also after a
    loss of power; files that are made again from others need that not. A link is replaced, never followed; a
    folder that stands in the way is put aside."""
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with explained(path, "written"):
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            if path.is_dir() and not path.is_symlink():
                put_aside(path)
            temporary.replace(path)
        except BaseException as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if getattr(error, "filename", None) == str(temporary):
                error.filename = str(path)  # type: ignore[attr-defined]  # nobody has heard of the other name
            raise
        if durable:
            sync_folder(path.parent)


def clear(path: Path) -> None:
    """Make room for a file that is opened, not replaced: a folder or link in its place is put aside, and one that
    its owner may not open is opened to its owner."""
    with explained(path, "opened"):
        if path.is_symlink() or path.is_dir():
            put_aside(path)
        elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
            path.chmod(PRIVATE_FILE)


def renew(path: Path, text: str, mode: int = PRIVATE_FILE) -> bool:
    """Make ``path`` say ``text`` again, whatever is there; whether it said something else. For files that are made
    from others."""
    if believed(path) == text:
        return False
    with explained(path.parent, "made"):
        _made(path.parent, SHARED_FOLDER)
    write(path, text, mode, durable=False)
    return True


def put_aside(path: Path) -> Path:
    """Rename ``path`` so that nothing reads it any more; its new place."""
    # Terraform reads every file that ends in .tf or .auto.tfvars.json: the ending must change.
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    with explained(path, "renamed"):
        path.rename(aside)
    return aside


def sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> str | None:
    """The text of ``path``, or None where there is no such file. A link, a folder, a device or a file that is too
    large is not read: it is no file of tfce's."""
    with explained(path, "read"):
        handle = _opened(path)
        if handle is None:
            return None
        content = _content(path, handle)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(path, f"is not text ({error.reason})") from None


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnreadableError(path, "is a link") from None
        if error.errno == errno.EACCES:
            raise UnreadableError(path, "may not be read by this user") from None
        raise


def last_lines(path: Path, most: int) -> list[str]:
    """The whole lines in the last ``most`` bytes of ``path``; none where there is nothing that could be read. What
    is no text costs its line only."""
    try:
        with explained(path, "read"):
            handle = _opened(path)
            if handle is None or not stat.S_ISREG(os.fstat(handle).st_mode):
                return []
            with os.fdopen(handle, "rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(0, size - most))
                lines = stream.read(most).decode(errors="replace").splitlines()
    except WorkspaceError:
        return []
    return lines[1:] if size > most else lines


def _content(path: Path, handle: int) -> bytes:
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(path, "is no file")
        if status.st_size > LARGEST:
            raise UnreadableError(path, f"has {status.st_size} bytes")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read()  # not as much as LARGEST: Python would reserve it
    finally:
        os.close(handle)


def listed(folder: Path, pattern: str) -> list[Path]:
    """What ``folder`` holds of the names in ``pattern``, sorted; nothing where there is no such folder."""
    with explained(folder, "read"):
        return sorted(folder.glob(pattern))


def believed(path: Path) -> str | None:
    """The text of ``path``; None where there is none that could be read, for whatever reason."""
    try:
        return read(path)
    except WorkspaceError:
        return None


def remove(path: Path) -> None:
    """Delete ``path`` if it is there."""
    with explained(path, "removed"):
        if path.is_dir() and not path.is_symlink():
            put_aside(path)
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, sorted and indented."""
    write(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def believed_json(path: Path) -> dict[str, Any]:
    """The JSON map in ``path``; empty where there is none that could be read. For what can be made again."""
    try:
        value = json.loads(believed(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
