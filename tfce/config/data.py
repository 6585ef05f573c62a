"""Where the files that are not Python live: Terraform modules and templates."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def data_path(name: str) -> Path:
    """The folder ``name`` ("terraform" or "templates"): inside the wheel, or at the top of a clone."""
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name
