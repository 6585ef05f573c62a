"""A copy of a queue's workspace, to try things in: what happens there changes nothing of the queue."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tfce.config.options import Queue
from tfce.store import files
from tfce.store.workspace import Workspace

_LEFT_OUT = shutil.ignore_patterns("journal*.jsonl", "consoles", "lock", "lock.json", "metrics.*")


@contextmanager
def copied(queue: Queue) -> Iterator[Queue]:
    """``queue`` with its files copied into a folder that is gone afterwards. Takes no lock: each file is whole,
    since all are replaced as a whole."""
    with tempfile.TemporaryDirectory(prefix="tfce-plan-") as folder:
        root = Path(folder) / "root"
        copy = replace(queue, workspace=replace(queue.workspace, root=root, files=root / "workspaces"))
        _copy(Workspace(queue), Workspace(copy))
        yield copy


def shape_of(workspace: Workspace) -> str:
    """The variables that the options decided at the last cycle; "" before the first."""
    return files.believed(workspace.private / "queue.auto.tfvars") or ""


def _copy(source: Workspace, target: Workspace) -> None:
    target.make_folders()
    with files.explained(source.private, "copied"):
        if source.private.is_dir():
            shutil.copytree(
                source.private,
                target.private,
                symlinks=True,
                ignore=_LEFT_OUT,
                dirs_exist_ok=True,
                copy_function=_one,
            )
        for name in ("installation", "terraform"):
            path = source.root / name
            if path.is_dir():
                shutil.copytree(path, target.root / name, symlinks=True, ignore=_LOCKS, copy_function=_one)
            elif path.is_file():
                shutil.copy2(path, target.root / name)


_LOCKS = shutil.ignore_patterns("*.lock")


def _one(source: str, target: str) -> None:
    """Copy a file; one that was replaced or removed meanwhile is no fault. Providers are linked, not copied."""
    try:
        found = Path(source).stat()
        if found.st_size > _LARGE and found.st_mode & 0o100:
            Path(target).symlink_to(source)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return


_LARGE = 10_000_000  # bytes
