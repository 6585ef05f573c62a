"""Files that somebody named, for a report, a trace or metrics. What stands in their place may be anybody's: only a
plain file is replaced."""

from __future__ import annotations

import os
from pathlib import Path

from tfce.model.errors import ConfigError
from tfce.store import files


def write(option: str, path: Path, data: str, mode: int) -> None:
    """Replace the file that ``option`` names by ``data``, whole or not at all. Raises ``ConfigError`` where it
    names something else, and ``WorkspaceError`` where it cannot be written."""
    files.write(target(option, path), data, mode, durable=False)


def target(option: str, path: Path) -> Path:
    """Where the file goes that ``option`` names: through links, unless they are another user's. Raises
    ``ConfigError``."""
    try:
        # hazard: in a folder like /tmp it may lead to a file that its owner could not write
        if path.is_symlink() and path.lstat().st_uid not in (0, os.geteuid()):
            raise ConfigError(
                option, str(path), "is a link of another user's", "name a file in a folder of your own"
            )
        found = path.resolve(strict=True)
    except FileNotFoundError:
        found = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(option, repr(str(path)), f"leads nowhere ({error})", "name a file") from None
    if found.exists() and not found.is_file():
        raise ConfigError(option, str(path), "is no file", "name a file in a folder that is there")
    if not found.parent.is_dir():
        raise ConfigError(option, str(path), f"there is no folder {found.parent}", "make it, or name another")
    return found
