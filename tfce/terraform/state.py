"""Terraform's state, read without Terraform where it is a file of the workspace.

The only place that believes what is in such a file; what does not look like a state is damaged, never empty.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from tfce.store import files
from tfce.terraform import torn

State = dict[str, Any]
_FORMAT = 4


class UnreadableStateError(Exception):
    """What should be a state is none; the text says why."""


def file(folder: Path, workspace: str) -> Path | None:
    """Where Terraform's own backend keeps the state of ``workspace``; None where ``folder`` names
    another."""
    chosen = torn.choice(folder)
    if chosen.exists() and not _is_plain(chosen):
        return None
    return folder / "terraform.tfstate.d" / workspace / "terraform.tfstate"


def _is_plain(chosen: Path) -> bool:
    """Whether the file with the choice of a backend makes none; what is wrong with a damaged one,
    Terraform says."""
    try:
        return chosen.is_file() and not json.loads(chosen.read_bytes()).get("backend")
    except (OSError, ValueError, AttributeError):
        return False


def check(path: Path) -> None:
    """Raises ``UnreadableStateError`` for what nobody could read to its end, such as a device or a pipe; Terraform
    tries, and takes all memory there is."""
    try:
        status = path.stat()
    except OSError:
        return  # Terraform says what is wrong with it, and ends
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) or status.st_size > files.LARGEST:
        raise UnreadableStateError(f"{path}: is no file that could be read")


def read(path: Path) -> State:
    """The state in a file; empty where there is none. Raises ``UnreadableStateError``."""
    try:
        check(path)
        return parse(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableStateError(f"{path}: {error.strerror}") from None


def parse(text: bytes | str) -> State:
    """The state in ``text``; empty where it is blank: Terraform locks a state by making its file. Raises
    ``UnreadableStateError``."""
    if not text.strip():
        return {}
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableStateError(str(error)) from None
    _check(state)
    return dict(state)


def _check(state: Any) -> None:
    if not isinstance(state, dict) or state.get("version") != _FORMAT:
        raise UnreadableStateError(f"it is no state of format {_FORMAT}")
    serial, lineage = state.get("serial"), state.get("lineage")
    if not isinstance(serial, int) or isinstance(serial, bool) or serial < 0 or not isinstance(lineage, str):
        raise UnreadableStateError("it has no serial or lineage")
    resources = state.get("resources")
    if resources is not None and not (isinstance(resources, list) and all(map(_is_resource, resources))):
        raise UnreadableStateError("its resources are none")


def _is_resource(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    instances = entry.get("instances")
    if instances is not None and not isinstance(instances, list):
        return False
    return all(isinstance(one, dict) for one in instances or ())
