"""The program git, for repositories that somebody else writes: nothing in them is run, checked out or followed.

A bare copy of our own is fetched into, without hooks, submodules, filters or replacements, and read as objects.
The user's and the host's configuration of git does not count; only https, ssh and local paths are spoken; no
password is asked for, and none stands in a command.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tfce.cloud import clean
from tfce.config.credentials import base_environment
from tfce.model.errors import TfceError, shorten
from tfce.model.redact import redacted
from tfce.terraform import process

_QUICK = 20.0  # seconds for what asks no network
_GRACE = 5.0  # seconds in which git may tidy up once it was interrupted
_BLOCKS = 131_072  # of 512 bytes: what a fetch may write into one file, so a pack
_LARGEST = 65_536  # bytes of a file that is read
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "protocol.file.allow": "always",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "transfer.fsckObjects": "true",
    "fetch.unpackLimit": "1",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "commit.gpgSign": "false",
    "credential.helper": "",
}
_OWN = {"core.hooksPath": "/dev/null", "core.fsmonitor": "false"}
_SSH = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20 -oClearAllForwardings=yes"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class GitError(TfceError):
    """A repository could not be read, or what is in it is not taken."""

    kind = "review"


def environment() -> dict[str, str]:
    """What git sees of our environment."""
    kept = {name: os.environ[name] for name in ("SSH_AUTH_SOCK",) if name in os.environ}
    quiet = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "https:ssh:file",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_SSH_COMMAND": _SSH,
        "LC_ALL": "C",
    }
    return {**base_environment(), **kept, **quiet}


def run(
    folder: Path,
    *arguments: str,
    timeout: float = _QUICK,
    bounded: bool = False,
    own: bool = False,
    extra: Mapping[str, str] | None = None,
) -> str:
    """What ``git`` says in ``folder``; raises ``GitError``. ``bounded``: it writes no file larger than 64 MiB.
    ``own``: with the user's own configuration and login, for what he asks for in his clone."""
    program = shutil.which("git")
    if program is None:
        raise GitError("the program git is not installed, and shapes are reviewed with it", "install git")
    settings = [word for name, value in (_OWN if own else _SETTINGS).items() for word in ("-c", f"{name}={value}")]
    line = [program, *settings, *arguments]
    limited = ["/bin/sh", "-c", f'ulimit -f {_BLOCKS} && exec "$@"', "git", *line] if bounded else line
    around = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"} if own else environment()
    try:
        ended = process.run(
            limited, folder=folder, environment={**around, **(extra or {})}, timeout=timeout, grace=lambda: _GRACE
        )
    except OSError as error:
        raise GitError(f"git cannot be run ({error.strerror})", "install it again") from None
    if ended.exit or ended.stopped:
        said = shorten(clean.line(redacted(ended.err.strip() or ended.how)))
        raise GitError(f"git {arguments[0]} {ended.stopped or 'failed'}: {said}")
    return ended.out


def fetch(mirror: Path, url: str, ref: str, timeout: float) -> str:
    """Bring ``ref`` of the repository at ``url`` into the bare repository ``mirror``; the commit."""
    if not (mirror / "objects").is_dir():
        run(mirror, "init", "--quiet", "--bare", "--template=", ".")
    (mirror / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    target = "refs/tfce/approved"
    how = ("--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    at = {"GIT_DIR": str(mirror)}
    run(mirror, "fetch", *how, "--", url, f"+{ref}:{target}", timeout=timeout, bounded=True, extra=at)
    return resolved(mirror, target, at)


def resolved(repository: Path, ref: str, extra: Mapping[str, str] | None = None) -> str:
    """The commit that ``ref`` names."""
    found = run(
        repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", extra=extra
    )
    if not _COMMIT.fullmatch(found.strip()):
        raise GitError(f"{ref} names no commit")
    return found.strip()


def brought_by(repository: Path, commit: str, folder: str) -> tuple[str, str, str]:
    """Which commit, up to ``commit``, brought ``folder`` to this line of history as it is; its author and date."""
    form = "--format=%H%x00%an <%ae>%x00%cI"
    said = run(repository, "log", "-1", "--first-parent", "-m", "--no-patch", form, commit, "--", folder)
    found = said.strip().split("\0")
    if len(found) != 3 or not _COMMIT.fullmatch(found[0]):
        return commit, "", ""
    return found[0], clean.line(found[1])[:200], clean.line(found[2])[:40]


def read(repository: Path, commit: str, path: str) -> str | None:
    """The text of the plain file ``path`` in ``commit``; None where there is none. Raises ``GitError`` for a link,
    a submodule, a folder, or what is too large."""
    listed = run(repository, "ls-tree", "-z", "-l", "--full-tree", commit, "--", path)
    if not listed:
        return None
    facts, _, name = listed.rstrip("\0").partition("\t")
    mode, kind, blob, size = facts.split()
    if name != path or kind != "blob" or mode not in ("100644", "100755"):
        raise GitError(f"{path} is no plain file (mode {mode})", "commit it as one")
    if int(size) > _LARGEST:
        raise GitError(f"{path} has {size} bytes, more than {_LARGEST}", "commit what `tfce propose` writes")
    return run(repository, "cat-file", "blob", blob)
