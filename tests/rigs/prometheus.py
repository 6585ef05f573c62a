"""Prometheus and promtool of Debian's package, unpacked into the cache: nothing is started or installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.rigs.cache import cache


class RigError(RuntimeError):
    """They cannot be had here; the text says why."""


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
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise RigError("no prometheus on the PATH, and apt-get and dpkg are not here")
    home.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "update", "-q"], home, check=False)
    _run(["apt-get", "download", "-q", "prometheus"], home)
    package = max(home.glob("prometheus_*.deb"))
    _run(["dpkg", "-x", str(package), str(home / "unpacked")], home)


def _run(command: list[str], folder: Path, check: bool = True) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if check and done.returncode:
        raise RigError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-300:]}")
