"""The preflight where cloud-init is installed: its own schema, asked by ``tfce doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.rigs import cloudinit
from tfce.cli.doctor import examine
from tfce.cloud.api import Check
from tfce.config.data import data_path
from tfce.config.options import parse

NAME = "cloud-init's schema"
ENTRY = "write_files:\n- path: /root/run\n  content: EXECUTABLE_STR\n"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cloud-init is the only command on the PATH that the doctor can find and that answers."""
    folder = tmp_path / "bin"
    folder.mkdir()
    cloudinit.command(folder)
    monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin")


def findings(folder: Path, options: Mapping[str, str]) -> dict[str, Check]:
    given = {"CloudType": "EC2", "Instance_Image": "ami-1", "Instance_Flavor": "t3.micro", **options}
    return {check.check: check for check in examine(parse("ce.example.org", "long", given, folder, folder))}


@pytest.mark.parametrize("template", ["", "prepared-image.yaml"])
def test_tfces_own_templates_are_accepted(tmp_path: Path, template: str) -> None:
    options = {"Context_Template": str(data_path("templates") / template)} if template else {}
    check = findings(tmp_path, options)[NAME]
    assert check.ok and "accepts" in check.detail, check


@pytest.mark.parametrize("head", ["#cloud-config\n", "## template: jinja\n#cloud-config\n"])
def test_what_cloud_init_would_not_understand_is_a_fault_with_its_words(tmp_path: Path, head: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"{head}{ENTRY}users: 7\n")
    check = findings(tmp_path, {"Context_Template": str(own)})[NAME]
    assert not check.ok and str(own) in check.detail and "users" in check.detail and check.cure
    own.write_text(f"{head}{ENTRY}users: [default]\n")
    assert findings(tmp_path, {"Context_Template": str(own)})[NAME].ok


def test_a_broken_template_is_a_fault_with_its_line(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"#cloud-config\n{ENTRY}runcmd: [\n")
    found = findings(tmp_path, {"Context_Template": str(own)})
    assert not found["user data"].ok and f"{own}: is not valid YAML: line 6" in found["user data"].detail
    assert NAME not in found
