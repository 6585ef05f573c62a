#!/usr/bin/env python3
"""OpenTofu, built from its Go module.

`python tests/rigs/opentofu.py` makes it unless it is there, in some minutes, and prints its path. Tests take it
from the PATH or from the cache, and are skipped where it is in neither.

The hash of the module is pinned below, and its go.sum pins those of all that it needs, so that no checksum
database is asked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.rigs.cache import cache

MODULE, VERSION = "github.com/opentofu/opentofu", "1.10.6"
HASH = "h1:J57O7HrW7gakftSLFQr+/p7fniZjZ3FQLFyzv4XsSmQ="


def find() -> Path | None:
    """The program, or None where this machine has none."""
    built = cache("opentofu", VERSION, "tofu")
    if built.exists():
        return built
    named = shutil.which("tofu")
    return Path(named) if named else None


def build() -> Path:
    """Fetch the pinned module, compare its hash, build it. Needs Go."""
    env = {**os.environ, "GOSUMDB": "off", "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}
    fetch = ["go", "mod", "download", "-json", f"{MODULE}@v{VERSION}"]
    answer = subprocess.run(fetch, env=env, cwd="/", capture_output=True, text=True, check=True)
    module = json.loads(answer.stdout)
    if module["Sum"] != HASH:
        raise SystemExit(f"opentofu: {MODULE} v{VERSION} has hash {module['Sum']}, not {HASH}")
    program = cache("opentofu", VERSION, "tofu")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        built = Path(folder) / "tofu"
        line = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(built), "./cmd/tofu"]
        subprocess.run(line, cwd=module["Dir"], env=env, check=True)
        built.replace(program)
    return program


if __name__ == "__main__":
    print(find() or build())
