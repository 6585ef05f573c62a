"""Where things are when no option says so; the element and the command line must agree on it."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path


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


def state_root() -> Path:
    """The default of Workspace_Root: ``TFCE_ROOT``, else under DIRAC's root, else the user's own state."""
    named = os.environ.get("TFCE_ROOT")
    if named:
        return Path(named).absolute()
    root = dirac_root()
    if root is not None:
        return root / "var" / "tfce"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "tfce"
