"""Where the files that are not Python live: Terraform modules and templates."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def data_path(name: str) -> Path:
    """The folder ``name`` ("terraform" or "templates"): inside the wheel, or at the top of a clone."""
    packaged = _HERE / "_data" / name
    return packaged if packaged.is_dir() else _HERE.parent / name
