"""The root modules by Terraform's own means: fmt, validate and `terraform test` with mocked providers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.drawn import some
from tests.rigs import mirror
from tfce.config.credentials import base_environment
from tfce.config.data import data_path
from tfce.terraform import programs, providers
from tfce.terraform.modules import AWS, Module

# One entry for each provider version that a module promises to work with.
_PINNED, _NEWEST = "3.39.0", "5.100.0"


def _mirrors() -> list[Path]:
    return [mirror.ensure(), *(folder for folder, _ in providers.implied_mirrors())]


def _provider(module: Module, version: str) -> Path | None:
    for folder in _mirrors():
        found = folder / providers.REGISTRY / module.provider / version / providers.PLATFORM
        if found.is_dir():
            return found
    return None


def _only(folder: Path, place: Path, module: Module, version: str) -> Path:
    """Terraform's CLI configuration with this one provider and no registry."""
    link = folder / ".mirror" / providers.REGISTRY / module.provider / version / providers.PLATFORM
    link.parent.mkdir(parents=True)
    link.symlink_to(place)
    config = folder / "terraform.rc"
    method = f'filesystem_mirror {{\n    path = "{folder / ".mirror"}"\n  }}'
    config.write_text(f"disable_checkpoint = true\nprovider_installation {{\n  {method}\n}}\n")
    return config


@pytest.fixture(params=some((_PINNED, _NEWEST), 1 / 2, "providers"))
def aws(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of terraform/aws, initialised with one provider version, and the environment to run in."""
    version: str = request.param
    place = _provider(AWS, version)
    if place is None:
        pytest.skip(f"hashicorp/aws {version} is in no mirror on this machine")
    folder = tmp_path / "aws"
    shutil.copytree(data_path("terraform") / "aws", folder, dirs_exist_ok=True)
    config = _only(folder, place, AWS, version)
    environment = base_environment() | {"TF_CLI_CONFIG_FILE": str(config), "CHECKPOINT_DISABLE": "1"}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    run(folder, environment, "init", "-input=false")
    return folder, environment


def run(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    """Run the Terraform that tfce would run; its output. Fails the test if Terraform does."""
    program = programs.find_program(None).argv
    done = subprocess.run(
        [*program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_modules_are_formatted() -> None:
    program = programs.find_program(None).argv
    environment = base_environment() | {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": "/dev/null"}
    folder = data_path("terraform")
    done = subprocess.run(
        [*program, "fmt", "-check", "-diff", "-recursive"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.native
def test_aws_is_valid_and_keeps_its_promises(aws: tuple[Path, dict[str, str]]) -> None:
    assert "valid" in run(*aws, "validate", "-no-color")
    output = run(*aws, "test", "-no-color")
    assert "0 failed" in output and "0 passed" not in output
