"""What a killed Terraform left half written, so that no later one could read it; its init makes it again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tfce.store import files

INSIDE = ".terraform"


def choice(folder: Path) -> Path:
    """Where Terraform's init writes which backend was chosen."""
    return folder / INSIDE / "terraform.tfstate"


def is_torn(path: Path) -> bool:
    """Whether what lies there is not what Terraform writes: a JSON map. Nothing there is not torn."""
    if not os.path.lexists(path):
        return False
    try:
        return not isinstance(json.loads(files.believed(path) or ""), dict)
    except (ValueError, RecursionError):
        return True


def aside(path: Path, as_what: str) -> None:
    """Rename what Terraform left, by the ending ``as_what``; a folder that stands in the way is put aside, too."""
    target = path.with_suffix(as_what)
    if target.is_dir() or path.is_dir():
        files.put_aside(target if target.is_dir() else path)
    if os.path.lexists(path):
        with files.explained(path, "renamed"):
            path.rename(target)


def clear(path: Path) -> None:
    """Put aside what Terraform could not replace by a file."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        files.put_aside(path)


def forget(folder: Path) -> bool:
    """Take away what no init could read; whether there was any. No state is in there, only where one is."""
    inside, modules = folder / INSIDE, folder / INSIDE / "modules"
    if os.path.lexists(inside) and not inside.is_dir():
        files.put_aside(inside)
        return True
    torn = False
    if is_torn(choice(folder)):
        files.remove(choice(folder))
        torn = True
    if is_torn(modules / "modules.json"):  # hazard: without it an init takes the folders of before for its own
        with files.explained(modules, "removed"):
            shutil.rmtree(modules)
        torn = True
    return torn
