"""What an installed tfce costs every DIRAC command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(arguments, capture_output=True, text=True, env=kept, cwd="/", check=False, timeout=60)


def test_the_package_imports_nothing_and_at_once() -> None:
    code = (
        "import sys, time; before = set(sys.modules); t = time.perf_counter(); import tfce; "
        "print(time.perf_counter() - t, sorted(set(sys.modules) - before))"
    )
    # The best of five: others use this machine, too.
    outs = [_run(sys.executable, "-c", code).stdout.split(maxsplit=1) for _ in range(5)]
    assert min(float(seconds) for seconds, _ in outs) < 0.05
    assert outs[0][1].strip() == "['tfce']"


def test_dirac_commands_stay_silent() -> None:
    done = _run(sys.executable, str(Path(sys.executable).with_name("dirac-version")))
    assert done.returncode == 0, done.stderr
    assert "tfce" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_the_elements_module_loads_without_tfces_heavy_parts() -> None:
    code = (
        "import tfce.Resources.Computing.TerraformComputingElement, sys; "
        "print([m for m in ('libcloud', 'jinja2', 'filelock', 'hcl', 'tfce.pilots.fleet') if m in sys.modules])"
    )
    done = _run(sys.executable, "-c", code)
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stderr
