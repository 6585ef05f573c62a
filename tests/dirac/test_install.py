"""Our wheel in DIRAC's environment: what it brings, what it costs every DIRAC command, and what it says when a
stranger's ``tfce`` took the module's place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tfce
from tests.rigs.localstack import Moto

PYTHON = Path(sys.executable)
CURE = "pip uninstall -y tfce; pip install --force-reinstall --no-deps TfceDIRAC"
MAKE = """
from DIRAC import gLogger
from DIRAC.Resources.Computing.ComputingElementFactory import ComputingElementFactory
made = ComputingElementFactory().getCE("Terraform", "cloud.example.org", {"Queue": "long"})
"""
LIFE = """
import json, sys
from DIRAC.Resources.Computing.ComputingElementFactory import ComputingElementFactory
parameters, wrapper = json.loads(sys.argv[1]), sys.argv[2]
element = ComputingElementFactory().getCE("Terraform", "cloud.example.org", parameters)["Value"]
submitted = element.submitJob(wrapper, "", 2)
assert submitted["OK"], submitted["Message"]
references = submitted["Value"]
before = element.getJobStatus(references)["Value"]
element.killJob(references[:1])
after = element.getJobStatus(references)["Value"]
print(json.dumps([[before[one], after[one]] for one in references]))
"""


def _run(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A process that knows the wheel and not the clone; ``path`` goes before the wheel."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    kept |= {"PYTHONPATH": str(path)} if path else {}
    words = [str(argument) for argument in arguments]
    return subprocess.run(words, capture_output=True, text=True, env=kept, cwd="/", check=False, timeout=120)


def test_the_wheel_is_installed_and_not_the_clone() -> None:
    code = "import tfce, TfceDIRAC; print(tfce.__file__, TfceDIRAC.__file__)"
    assert _run(PYTHON, "-c", code).stdout.count("site-packages") == 2
    assert "site-packages" in tfce.__file__, "these tests run on the clone"


def test_pip_finds_nothing_of_ours_missing_and_nothing_at_odds() -> None:
    lines = _run(PYTHON, "-m", "pip", "check", "--disable-pip-version-check").stdout.splitlines()
    # The rig leaves out parts of DIRAC that its elements do not need, such as gfal2.
    ours = [line for line in lines if not (line.startswith("dirac ") and line.endswith("which is not installed."))]
    assert ours in ([], ["No broken requirements found."])


def test_dirac_knows_the_extension_and_its_version() -> None:
    code = (
        "from DIRAC.Core.Utilities.Version import getVersion; import tfce; print(getVersion(), tfce.__version__)"
    )
    out = _run(PYTHON, "-c", code).stdout
    version = out.split()[-1]
    assert f"'TfceDIRAC': '{version}'" in out


def test_the_extension_imports_nothing_and_at_once() -> None:
    code = (
        "import sys, time; before = set(sys.modules); t = time.perf_counter(); import TfceDIRAC; "
        "print(time.perf_counter() - t, sorted(set(sys.modules) - before))"
    )
    # The best of five: others use this machine, too.
    outs = [_run(PYTHON, "-c", code).stdout.split(maxsplit=1) for _ in range(5)]
    assert min(float(seconds) for seconds, _ in outs) < 0.05
    assert outs[0][1].strip() == "['TfceDIRAC']"


def test_dirac_commands_stay_silent() -> None:
    done = _run(PYTHON, PYTHON.with_name("dirac-version"))
    assert done.returncode == 0, done.stderr
    assert "tfce" not in (done.stdout + done.stderr).lower()
    assert done.stderr == ""


def test_the_element_loads_without_tfces_heavy_parts() -> None:
    code = MAKE + (
        "import sys; print(type(made['Value']).__module__, "
        "[m for m in ('libcloud', 'jinja2', 'filelock', 'hcl', 'tfce.pilots.fleet') if m in sys.modules])"
    )
    done = _run(PYTHON, "-c", code)
    expected = "tfce.Resources.Computing.TerraformComputingElement []"
    assert done.stdout.strip().splitlines()[-1] == expected, done.stderr


def test_one_life_of_the_wheel(tmp_path: Path) -> None:
    (tmp_path / "cloud.auth").touch(0o600)
    (tmp_path / "cloud.auth").write_text("[DEFAULT]\nkey = user\nsecret = planted\n")
    (tmp_path / "wrapper.sh").write_text("#!/bin/bash\necho the pilot wrapper\n")
    with Moto() as cloud:
        image = cloud.call("DescribeImages", **{"Owner.1": "amazon"}).findtext("imagesSet/item/imageId", "")
        parameters = {
            "Queue": "long",
            "CloudType": "EC2",
            "CloudAuth": str(tmp_path / "cloud.auth"),
            "Driver_region": "us-east-1",
            "Driver_host": "127.0.0.1",
            "Driver_port": str(cloud.port),
            "Driver_secure": "False",
            "Instance_Image": image,
            "Instance_Flavor": "t3.micro",
            "MaxTotalJobs": "5",
            "MaxWaitingJobs": "5",
            "Context_ProxyLifetime": "none",  # no ProxyManager is here to ask
            "Workspace_Root": str(tmp_path / "root"),
        }
        done = _run(PYTHON, "-c", LIFE, json.dumps(parameters), tmp_path / "wrapper.sh")
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [["Running", "Deleted"], ["Running", "Running"]], (
        done.stdout
    )


STRANGERS = {"works": "__version__ = '0.1.0'", "cannot be imported": "import numpy_is_not_here"}


@pytest.fixture(params=STRANGERS)
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with another ``tfce``."""
    (tmp_path / "tfce").mkdir()
    (tmp_path / "tfce" / "__init__.py").write_text(STRANGERS[request.param])
    return tmp_path


def test_beside_a_strangers_tfce_dirac_works_and_the_element_says_why_it_does_not(stranger: Path) -> None:
    assert _run(PYTHON, PYTHON.with_name("dirac-version"), path=stranger).returncode == 0
    code = (
        MAKE + "print(made['Value'].isValid()['Message']); print(made['Value'].submitJob('x', '', 1)['Message'])"
    )
    done = _run(PYTHON, "-c", code, path=stranger)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(CURE) == 3  # in the log, too: DIRAC drops what isValid answers
    assert "Traceback" not in done.stdout + done.stderr


def test_beside_a_strangers_tfce_the_command_refuses(stranger: Path) -> None:
    done = _run(PYTHON, PYTHON.with_name("tfce"), "--version", path=stranger)
    assert (done.returncode, done.stdout) == (2, "")
    assert CURE in done.stderr and "Traceback" not in done.stderr
