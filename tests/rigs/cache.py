"""Where the rigs keep what they fetch and build."""

from __future__ import annotations

import os
import re
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


def cache(*inside: str) -> Path:
    """`TFCE_CACHE`, else `.cache` in the clone, or a place in it."""
    return Path(os.environ.get("TFCE_CACHE") or CLONE / ".cache").absolute().joinpath(*inside)


def pins(requirements: Path) -> str:
    """What a requirements file pins, without its hashes: a hash that is added makes no environment stale."""
    return re.sub(r" \\\n +--hash=\S+", "", requirements.read_text())
