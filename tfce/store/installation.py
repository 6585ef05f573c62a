"""The installation's name, which all its VMs carry: tfce makes it once, and never makes another without a word."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfce.model.errors import ConfigError, WorkspaceError
from tfce.store import files, locks
from tfce.store.record_file import RecordFile

_NAME = re.compile(r"[A-Za-z0-9._-]+")
# In JSON, and in the variables of older versions.
_REVIEWED = re.compile(r'^\s*(?:"installation":|installation\s*=)\s*"([A-Za-z0-9._-]+)",?\s*$', re.MULTILINE)


def known(root: Path) -> str:
    """The name that ``root`` has, "" where it has none that can be believed."""
    text = (files.believed(root / "installation") or "").strip()
    return text if _NAME.fullmatch(text) else ""


def reviewed(copies: Iterable[Path]) -> str:
    """The name in the reviewers' ``copies`` of a queue's files, "" where there is none."""
    for path in copies:
        found = _REVIEWED.search(files.believed(path) or "")
        if found:
            return found.group(1)
    return ""


def keep(root: Path, name: str) -> None:
    """Write ``name`` down, where ``root`` has none that can be believed."""
    with _alone(root):
        if not known(root):
            _write(root, name)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    files.private_folder(root, ours=False)
    with locks.exclusive(root / "installation.lock", 10, str(root / "installation")):
        yield


def _write(root: Path, name: str) -> None:
    files.write(root / "installation", name + "\n")


def made(root: Path, copies: Collection[Path], label: str) -> str:
    """The name that ``root`` has; a new one for a host that has none, and whose queues and reviewers' ``copies``
    know none."""
    name = known(root)
    if name:
        return name
    with _alone(root):  # a host's first queues begin at once, and what one of them writes is nothing that was lost
        name = known(root)
        if not name:
            name = _remembered(root, copies, label) or secrets.token_hex(6)
            _write(root, name)
    return name


def _remembered(root: Path, copies: Collection[Path], label: str) -> str:
    """The name that the host's other queues have, "" for a host that never had one. Raises ``TfceError`` where
    it had one, and nobody knows which."""
    path, others = root / "installation", recorded(root)
    if len(others) == 1:  # the file was lost, the host's other queues know what was in it
        return others[0]
    if others:
        raise lost(others[0], f"queues in {root} have {' and '.join(others)}, and {path} is not there", label)
    if path.exists() and (files.believed(path) or "").strip():
        raise WorkspaceError(f"{path}: holds no installation name", "put it back, the tags of running VMs have it")
    for copy in copies:
        before = reviewed([copy])
        if before:
            raise lost(before, f"{copy} names it, and {root} has none", label)
    return ""


def recorded(root: Path) -> list[str]:
    """The names in the records of the host's queues."""
    found = (RecordFile(path.parent, "").salvaged() for path in files.listed(root / "queues", "*/*/record*.json"))
    return sorted({record.installation for record in found if record})


def lost(name: str, problem: str, label: str) -> ConfigError:
    """The error of a queue whose VMs have another name than this host would use."""
    cure = (
        f"set Workspace_Installation = {name}, or run `tfce repair {label}`, to take them over; or set it to a "
        "name of its own to start others beside them"
    )
    return ConfigError("Workspace_Installation", name, problem, cure)
