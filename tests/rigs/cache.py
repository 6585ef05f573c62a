"""Where the rigs keep what they fetch and build."""

from __future__ import annotations

import os
import re
import venv
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


def cache(*inside: str) -> Path:
    """`TFCE_CACHE`, else `.cache` in the clone, or a place in it."""
    return Path(os.environ.get("TFCE_CACHE") or CLONE / ".cache").absolute().joinpath(*inside)


def pins(requirements: Path) -> str:
    """What a requirements file pins, without its hashes: a hash that is added makes no environment stale."""
    return re.sub(r" \\\n +--hash=\S+", "", requirements.read_text())


def virtual_environment(place: Path) -> Path:
    """Make ``place`` a fresh virtual environment with pip; return its Python.

    Rigs are made side by side in threads. What another thread starts at that moment holds a Python that is copied
    open for writing, and it cannot be executed until then ("Text file busy"). A link is never written.
    """
    venv.create(place, clear=True, symlinks=True, with_pip=True)
    return place / "bin" / "python"
