"""The disk, kernel and initrd of a guest that boots: made once per version of image.sh, kept in the cache.

Needs root, debootstrap, mke2fs, qemu-img and a Debian mirror (``TFCE_DEBIAN_MIRROR``): two minutes, 400 MB. With
``TFCE_REQUIRE_RIGS`` the programs are installed where apt-get can.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.rigs import debian
from tests.rigs.cache import cache

SCRIPT = Path(__file__).resolve().with_name("image.sh")
MIRROR = os.environ.get("TFCE_DEBIAN_MIRROR", "http://deb.debian.org/debian")
PROGRAMS = {"debootstrap": "debootstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils"}


@dataclass(frozen=True)
class Image:
    """Where its files are; ``name`` differs for every version of the script."""

    folder: Path
    name: str

    @property
    def disk(self) -> Path:
        return self.folder / "guest.qcow2"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def arguments(self) -> str:
        """The kernel's."""
        return (self.folder / "arguments").read_text().strip()


def missing() -> str:
    """Why no image can be made here; empty where one can. Installs Debian's packages where it may."""
    if os.geteuid() != 0:
        return "needs root"
    lacking = _lacking()
    if lacking and os.environ.get("TFCE_REQUIRE_RIGS") and debian.has_apt():
        debian.install(_lacking)
        lacking = _lacking()
    return f"needs {' '.join(lacking)} (apt-get install {' '.join(lacking)})" if lacking else ""


def _lacking() -> list[str]:
    return [package for program, package in PROGRAMS.items() if not shutil.which(program)]


def ensure() -> Image:
    """The image; made where it is not there yet."""
    name = f"guest-{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]}"
    home = cache("guest")
    home.mkdir(parents=True, exist_ok=True)
    done = home / name
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_dir():
            partial = home / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            log = home / f"{name}.log"
            with log.open("w") as output:
                made = subprocess.run([SCRIPT, partial, MIRROR], stdout=output, stderr=output, timeout=1200)
            if made.returncode:
                raise RuntimeError(f"the guest image cannot be made: {_last(log)} (all of it: {log})")
            partial.rename(done)
    return Image(done, name)


def _last(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["nothing was said"])[-1]
