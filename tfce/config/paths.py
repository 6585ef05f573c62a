"""Where things are when no option says so; the element and the command line must agree on it."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from tfce.model.errors import ConfigError


def dirac_root() -> Path | None:
    """DIRAC's own ``rootPath``, found without importing DIRAC; None where DIRAC is not installed.

    DIRAC keeps versioned installations under ``<root>/versions/<version>/<platform>``.
    """
    named = os.environ.get("DIRAC_ROOT_PATH")
    if named:
        return Path(named)
    if importlib.util.find_spec("DIRAC") is None:
        return None
    root = Path(sys.base_prefix).resolve()
    version = root.parent
    versioned = version.parent.name == "versions" and re.fullmatch(
        r"(v\d+\.\d+\.\d+[^-]*|[^-]+)-\d+", version.name
    )
    return version.parent.parent if versioned and re.fullmatch(r"[^-]+-[^-]+", root.name) else root


def auth_root() -> Path:
    """The folder whose ``etc/cloud.auth`` is the default of CloudAuth."""
    return dirac_root() or Path("/opt/dirac")


def state_root(given: object = "") -> Path:
    """The default of Workspace_Root, unless ``given`` says it: ``TFCE_ROOT``, else under DIRAC's root, else the
    user's own state."""
    named = str(given or "") or os.environ.get("TFCE_ROOT")
    if named:
        return Path(named).absolute()
    root = dirac_root()
    if root is not None:
        return root / "var" / "tfce"
    state = os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state"
    return Path(state) / "tfce"


def home() -> Path | None:
    """The user's home; None where there is none: a service may have neither HOME nor a name."""
    with suppress(RuntimeError):
        return Path.home()
    return None


def _home() -> Path:
    place = home()
    if place is None:
        cure = "set Workspace_Root, or the variable TFCE_ROOT or HOME"
        raise ConfigError("Workspace_Root", "", f"user {os.geteuid()} has no home to keep it in", cure)
    return place
