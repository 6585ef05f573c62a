"""The files of traces: one that a command was told to write, or the newest of each queue in a folder."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfce.model import trace
from tfce.model.errors import TfceError
from tfce.store import files, named

log = logging.getLogger("tfce")

_OPTION = "--trace"
_KEPT = 20  # of a queue's traces of one verb


@contextmanager
def to_file(path: Path | None) -> Iterator[None]:
    """Trace what goes on in here to ``path``, however it ends; None: no trace. Raises ``ConfigError`` before it
    begins where ``path`` is no file's; that it cannot be written is no reason for anything else to fail."""
    if path is None:
        yield
        return
    named.target(_OPTION, path)
    with trace.recording() as made:
        try:
            yield
        finally:
            with _tried():
                _write(_OPTION, path, made)


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
        files.named_folder(folder)
        _write("Workspace_Trace", folder / f"{name}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json", made)
        for old in sorted(folder.glob(f"{name}.[0-9]*Z.json"))[:-_KEPT]:
            files.remove(old)


def _write(option: str, path: Path, made: trace.Trace) -> None:
    named.write(option, path, json.dumps(made.chrome()) + "\n", files.PRIVATE_FILE)


@contextmanager
def _tried() -> Iterator[None]:
    try:
        yield
    except TfceError as error:
        log.warning("no trace is kept: %s", error.message)
