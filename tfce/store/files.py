"""Reading and writing files that a crash must not tear and others must not read."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfce.model.errors import WorkspaceError

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` (disk full, no right) into a ``WorkspaceError`` that names the file."""
    try:
        yield
    except OSError as error:
        raise WorkspaceError(
            f"{error.filename or path}: cannot be {doing} ({error.strerror or error}); "
            "check the disk's free space and the folder's owner and rights"
        ) from error


def private_folder(path: Path) -> Path:
    """Make ``path`` (and its parents) if need be; the folder itself is for its owner only."""
    with explained(path, "made"):
        path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        if path.stat().st_mode & 0o077:
            path.chmod(PRIVATE_FOLDER)
    return path


def write(path: Path, data: bytes | str, mode: int = PRIVATE_FILE) -> None:
    """Replace ``path`` by ``data``, whole or not at all, on the disk when this returns."""
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with explained(path, "written"):
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> str | None:
    """The text of ``path``, or None where there is no such file."""
    with explained(path, "read"):
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise WorkspaceError(f"{path}: is not text ({error.reason}); put it back from a copy") from error


def remove(path: Path) -> None:
    """Delete ``path`` if it is there."""
    with explained(path, "removed"):
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, sorted and indented."""
    write(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON map in ``path``; empty where there is no such file."""
    text = read(path)
    if text is None:
        return {}
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    except ValueError:
        pass
    raise WorkspaceError(f"{path}: is damaged; put it back from a copy, or run `tfce repair CE/QUEUE`")
