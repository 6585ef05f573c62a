"""The files of traces: one that a command was told to write, or the newest of each queue in a folder."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfce.model import trace
from tfce.model.errors import WorkspaceError
from tfce.store import files

log = logging.getLogger("tfce")

_KEPT = 20  # of a queue's traces of one verb


@contextmanager
def to_file(path: Path | None) -> Iterator[None]:
    """Trace what goes on in here to ``path``, however it ends; None: no trace. That it cannot be written is no
    reason for anything else to fail."""
    if path is None:
        yield
        return
    with trace.recording() as made:
        try:
            yield
        finally:
            _written(path, made)


@contextmanager
def to_folder(folder: Path | None, name: str, verb: str) -> Iterator[None]:
    """Trace ``verb``, unless that is done already, to a new file in ``folder`` of the queue ``name``; None: no
    trace. That it cannot be written is no reason for anything else to fail, either."""
    with trace.span("verb", verb) if folder is None or trace.current() else _kept(folder, f"{name}.{verb}"):
        yield


@contextmanager
def _kept(folder: Path, name: str) -> Iterator[None]:
    with trace.recording() as made:
        try:
            with trace.span("verb", name):
                yield
        finally:
            _keep(folder, name, made)


def _keep(folder: Path, name: str, made: trace.Trace) -> None:
    with _tried():
        files.private_folder(folder, ours=False)
        _written(folder / f"{name}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json", made)
        for old in sorted(folder.glob(f"{name}.[0-9]*Z.json"))[:-_KEPT]:
            files.remove(old)


def _written(path: Path, made: trace.Trace) -> None:
    with _tried():
        files.write(path, json.dumps(made.chrome()) + "\n", durable=False)


@contextmanager
def _tried() -> Iterator[None]:
    try:
        yield
    except WorkspaceError as error:
        log.warning("no trace is kept: %s", error.message)
