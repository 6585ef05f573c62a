"""Debian's packages for the rigs. apt-get serves one at a time on a machine: whoever asks waits for the others."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.cache import cache
from tests.rigs.errors import RigError

PATIENCE = 300.0  # seconds for somebody else's apt-get, which no lock of ours holds back


def has_apt() -> bool:
    """Whether packages can be fetched and unpacked here."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg"))


def install(missing: Callable[[], Sequence[str]]) -> None:
    """Install the packages that are ``missing``, asked again when it is our turn. Raises ``RigError``."""
    with _alone():
        names = missing()
        if not names:
            return
        if os.geteuid() or not has_apt():
            raise RigError(f"these Debian packages are missing: run `sudo apt-get install {' '.join(names)}`")
        _run("update", "-qq")
        _run("install", "-y", "-qq", "--no-install-recommends", *names)


def unpack(names: Callable[[], Sequence[str]], folder: Path, into: Path) -> None:
    """Download packages to ``folder`` and unpack them: needs no root, who may also renew the lists. Raises
    ``RigError``."""
    with _alone():
        if os.geteuid() == 0:
            _run("update", "-qq")
        _run("download", "-q", *names(), folder=folder)
    for package in folder.glob("*.deb"):
        done = subprocess.run(["dpkg", "-x", package, into], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RigError(f"dpkg -x {package.name} ended with {done.returncode}: {done.stderr[-400:]}")


def would_install(name: str) -> str:
    """What apt-get says that it would do to install a package. Raises ``RigError``."""
    return _run("-s", "-o", "Debug::NoLocking=1", "install", "--no-install-recommends", name)


@contextmanager
def _alone() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with cache("apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*words: str, folder: Path | None = None) -> str:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    command, end = ["apt-get", "-o", f"DPkg::Lock::Timeout={PATIENCE:.0f}", *words], time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(
            command, cwd=folder, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
        )
        if done.returncode == 0:
            return done.stdout
        if "Could not get lock" not in done.stderr or time.monotonic() > end:
            raise RigError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-600:]}")
        time.sleep(1)
