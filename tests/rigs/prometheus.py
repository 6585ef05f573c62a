"""Prometheus and promtool of Debian's package, unpacked into the cache: nothing is started or installed."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.rigs import debian
from tests.rigs.cache import cache
from tests.rigs.errors import RigError


def programs() -> tuple[Path, Path]:
    """Prometheus and promtool. Raises ``RigError``."""
    found = [shutil.which(name) for name in ("prometheus", "promtool")]
    if all(found):
        return Path(str(found[0])), Path(str(found[1]))
    home = cache("prometheus")
    place = home / "unpacked" / "usr" / "bin"
    if not (place / "promtool").exists():
        _unpack(home)
    return place / "prometheus", place / "promtool"


def _unpack(home: Path) -> None:
    if not debian.has_apt():
        raise RigError("no prometheus on the PATH, and apt-get and dpkg are not here")
    home.mkdir(parents=True, exist_ok=True)
    debian.unpack(lambda: ("prometheus",), home, home / "unpacked")
