"""A path walked part by part through descriptors, and who could have written each part."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tfce.model.errors import TfceError

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LINKS = 40  # as the kernel


class DistrustError(TfceError):
    """Somebody else could have written ``path``; ``problem`` says why, ``cure`` what to do."""

    exit_code = 2
    kind = "ownership"

    def __init__(self, path: Path, problem: str, cure: str) -> None:
        super().__init__(f"{path} {problem}; {cure}")
        self.path, self.problem, self.cure = path, problem, cure

    def of(self, named: object) -> str:
        """The problem of who ``named`` a path, which is told already; another one on the way is named, too."""
        return self.problem if str(self.path) == str(named) else f"{self.path} {self.problem}"


# -- the walk ----------------------------------------------------------------------------------------------


@contextmanager
def walked(path: Path, private: bool = False) -> Iterator[tuple[int, str, Path]]:
    """Where ``path`` really is: its folder's descriptor, its name there, and both as a path. All are judged."""
    with ExitStack() as held:
        yield _walk(path, private, held)


def _walk(path: Path, private: bool, held: ExitStack) -> tuple[int, str, Path]:
    top = _look("/", None, held)
    judge(top, Path("/"), last=False)
    folder, here, todo, links = top, Path("/"), _parts(path.absolute()), 0
    while todo:
        name = todo.pop()
        child = _look(name, folder, held)
        if name == "..":
            folder, here = child, here.parent
            continue
        judge(child, here / name, last=not todo, private=private)
        if stat.S_ISLNK(os.fstat(child).st_mode):
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = Path(os.readlink("", dir_fd=child))  # Path has no descriptors
            todo += _parts(target)
            folder, here = (top, Path("/")) if target.is_absolute() else (folder, here)
        elif todo:
            folder, here = child, here / name
        else:
            return folder, name, here / name
    return folder, ".", here


def opened(name: str, folder: int | None) -> int:
    """A descriptor to read from, of a regular file: what is no file might never end."""
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        raise OSError(errno.EINVAL, "Not a regular file", name)
    return os.open(name, _READ, dir_fd=folder)


def _parts(path: Path) -> list[str]:
    """The parts after the root, the first one last."""
    return [part for part in reversed(path.parts) if part != "/"]


def _look(name: str, folder: int | None, held: ExitStack) -> int:
    handle = os.open(name, _LOOK, dir_fd=folder)
    held.callback(os.close, handle)
    return handle


@contextmanager
def beneath(top: Path, path: Path) -> Iterator[int | None]:
    """The folder of ``path`` (None: it, or the file, is not there), reached from ``top`` without any link."""
    with ExitStack() as held:
        try:
            folder, here = os.open(top, os.O_PATH | os.O_CLOEXEC), top
            held.callback(os.close, folder)
            child = folder
            for name in path.relative_to(top).parts:
                folder, child, here = child, _look(name, child, held), here / name
                if stat.S_ISLNK(os.fstat(child).st_mode):
                    raise DistrustError(here, "is a link, which is not followed here", f"remove it: rm {here}")
        except FileNotFoundError:
            yield None
        else:
            yield folder


# -- the judgement -----------------------------------------------------------------------------------------


def judge(handle: int, path: Path, last: bool, private: bool = False) -> None:
    """Who owns it, and who may write it. A folder for everybody (sticky, like /tmp) will do on the way: nobody can
    put another thing in the place of ours there."""
    status = os.fstat(handle)
    if status.st_uid not in (0, os.geteuid()):
        raise foreign(path, status.st_uid)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX and not last
    if stat.S_ISLNK(status.st_mode) or sticky:
        return
    if private and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        problem = f"is not private: others can read it (rights {status.st_mode & 0o777:o})"
        raise DistrustError(path, problem, f"run: chmod 600 {path}")
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        raise DistrustError(path, "is a device", "name a file or folder in its place")
    if status.st_mode & 0o002:
        if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
            raise DistrustError(path, "is a folder that can be written by everybody", "name another place")
        raise DistrustError(path, "can be written by everybody", f"run: chmod o-w {path}")
    if status.st_mode & 0o020 and not _own_group(status.st_gid, handle):
        raise DistrustError(path, f"can be written by the group {_group(status.st_gid)}", f"run: chmod g-w {path}")


def foreign(path: Path, uid: int) -> DistrustError:
    """The error of a ``path`` that belongs to ``uid``, whom nobody here trusts."""
    owner, me = _user(uid), _user(os.geteuid())
    problem = f"belongs to {owner}, not to {me}" + ("" if me == "root" else " or root")
    cure = f"run tfce as its owner (sudo -u {owner} tfce ...), or name a place that is {me}'s"
    return DistrustError(path, problem, cure)


def _own_group(gid: int, handle: int) -> bool:
    """Whether nobody but root and the running user is in the group: it is root's, or the user's private one. An
    access list shows as rights of the group."""
    with suppress(OSError):
        if "system.posix_acl_access" in os.listxattr(f"/proc/self/fd/{handle}"):
            return False
    if gid == 0:
        return True
    try:
        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_gid == me.pw_gid and group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def _user(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"#{uid}"  # as sudo takes it


def _group(gid: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)
