"""Trusts only what root or the running user wrote: programs that tfce runs, files that it believes.

Each part of a path is opened from the folder before it, and judged through its descriptor; links are read, never
followed blindly. Where every folder on the way is in trusted hands, nobody else can put another file there between
the look and the use. Files that tfce reads itself are read from the judged descriptor.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tfce.config.walk import DistrustError as DistrustError
from tfce.config.walk import beneath, foreign, judge, opened, walked
from tfce.model.errors import ConfigError

_LARGEST = 16 * 2**20  # bytes of a file that is read
_PATIENCE = 30.0  # seconds for the first byte from a pipe


def checked(path: Path) -> Path:
    """``path``, if it and every folder above it are in trusted hands. Raises ``DistrustError`` or ``OSError``."""
    with walked(path):
        return path


def checked_folder(path: Path) -> Path:
    """The same for a folder that may not be there yet: then the nearest one above it counts."""
    try:
        with walked(path) as (folder, name, here):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return path  # what is there of it was judged
    if not stat.S_ISDIR(mode):
        raise DistrustError(here, "is no folder", "move it away")
    return path


def own_folder(path: Path) -> Path:
    """A folder to write to: if it is there, it belongs to the running user."""
    with suppress(FileNotFoundError):
        own(checked_folder(path))
    return path


def own(path: Path) -> Path:
    """``path``, if it also belongs to the running user, not to root when that is another."""
    with walked(path) as (folder, name, here):
        owner = os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid
    if owner != os.geteuid():
        raise foreign(here, owner)
    return path


def read(path: Path, private: bool = False, most: int = _LARGEST) -> str:
    """The text of a trusted file of at most ``most`` bytes; ``private``: of one that nobody else can read. Raises
    ``DistrustError``, ``OSError`` or ``UnicodeDecodeError``."""
    with walked(path, private) as (folder, name, here), os.fdopen(opened(name, folder), "rb") as stream:
        judge(stream.fileno(), here, last=True, private=private)
        return _whole(stream, most).decode("utf-8")


def read_given(path: Path, most: int, regular: bool, patience: float = _PATIENCE) -> bytes:
    """What is in a file that somebody hands over, whoever owns it; not ``regular``: in a pipe, too, such as a
    shell's ``<(...)``. Raises ``OSError``, also of a pipe into which nobody writes."""
    handle = opened(str(path.resolve()), None) if regular else _written(path, patience)
    with os.fdopen(handle, "rb") as stream:
        return _whole(stream, most)


def _written(path: Path, patience: float) -> int:
    """A descriptor of what has something to read, or has ended."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not select.select([handle], [], [], patience)[0]:
            raise OSError(errno.ETIMEDOUT, f"nobody wrote into it for {patience:g} s")
        os.set_blocking(handle, True)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _whole(stream: BinaryIO, most: int) -> bytes:
    data = stream.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"has more than {most} bytes")
    return data


def read_beneath(top: Path, path: Path) -> str | None:
    """The text of ``path``, on whose way from ``top`` there is no link; None where there is no such file."""
    with beneath(top, path) as folder:
        if folder is None:
            return None
        with os.fdopen(opened(path.name, folder), "rb") as stream:
            return _whole(stream, _LARGEST).decode("utf-8")


def unlinked(top: Path, path: Path) -> Path:
    """``path``, if there is no link on its way from ``top``; raises ``DistrustError`` that names the link."""
    with beneath(top, path):
        return path


def entries(value: str) -> str:
    """What of a search path (PATH, PYTHONPATH) is absolute and in trusted hands: no entry means "here"."""
    return os.pathsep.join(filter(_sound, value.split(os.pathsep)))


@contextmanager
def for_option(option: str, value: object) -> Iterator[None]:
    """Say a ``DistrustError`` or ``OSError`` as what is wrong with an option."""
    try:
        yield
    except DistrustError as error:
        raise ConfigError(option, str(value), error.of(value), error.cure) from None
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise ConfigError(option, str(value), reason, "name one that is there, and that you may read") from None


def _sound(entry: str) -> bool:
    if not entry.startswith("/"):
        return False
    with suppress(DistrustError, OSError):
        checked(Path(entry))
        return True
    return False
