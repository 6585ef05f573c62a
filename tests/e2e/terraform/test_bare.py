"""Terraform by hand in a queue's folder: with the folder's settings, or not at all."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import cast

import pytest

from tfce.cloud.api import Cloud
from tfce.config.credentials import Credentials, base_environment
from tfce.config.options import parse
from tfce.model.pilot import Pilot, moment
from tfce.review.offline import OfflineCloud
from tfce.store.workspace import Workspace
from tfce.terraform import variables
from tfce.terraform.bulk import Bulk

OPTIONS = {
    "CloudType": "EC2",
    "Instance_Image": "ami-1",
    "Instance_Flavor": "t3.micro",
    "Driver_region": "eu-west-1",
}
PILOT = Pilot("0A0B0C0D", moment("2026-01-01T00:00:00Z"), "one")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A queue's folder with a pilot in its record, as real Terraform has made it ready."""
    place = tmp_path_factory.mktemp("bare")
    options = {**OPTIONS, "Workspace_Installation": "tests"}
    workspace = Workspace(parse("cloud.example.org", "long", options, place / "dirac", place / "root"))
    login = Credentials("", "")
    terraform = Bulk(workspace, login, lambda text: None, clone=lambda: cast("Cloud", OfflineCloud()))
    with workspace.locked():
        record = workspace.prepare()
        terraform.prepare()
        variables.write(workspace)
        workspace.save(record.including([PILOT]))
        terraform.plan()  # tfce's own run has the settings
    return workspace.private


def bare(folder: Path, first: str) -> tuple[str, str]:
    """What ``terraform plan`` says and errs there, after ``first``, in a shell of an operator with a login."""
    script = f"cd '{folder}' && {first} && terraform plan -no-color -input=false"
    login = {"TFCE_CLOUD_KEY": "test", "TFCE_CLOUD_SECRET": "test", "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(["sh", "-c", script], env=base_environment() | login, capture_output=True, text=True)
    return done.stdout, " ".join(done.stderr.replace("│", " ").split())


def test_with_the_folders_settings_it_plans(folder: Path) -> None:
    out, err = bare(folder, ". ./env.sh")
    assert "1 to change" in out and err == ""


@pytest.mark.parametrize(
    "first",
    [
        "true",
        ". ./env.sh && unset TF_WORKSPACE TF_VAR_tfce_sourced",  # the provider is found, the state is another
        ". ./env.sh && export TF_WORKSPACE=other TF_VAR_tfce_sourced=other",
        ". ./env.sh && export TF_WORKSPACE=default",
        ". ./env.sh && unset TF_WORKSPACE",
    ],
    ids=["nothing", "half of them", "another queue's", "another workspace", "none"],
)
def test_without_them_it_plans_nothing_and_says_what_to_do(folder: Path, first: str) -> None:
    out, err = bare(folder, first)
    assert "Plan:" not in out and "run `. ./env.sh` here first" in err


def test_the_guard_alone_refuses_where_the_provider_is_anothers(folder: Path, tmp_path: Path) -> None:
    """As with Terraform_Module = native, or a module of one's own."""
    text = (folder / "sourced.tf").read_text()
    (tmp_path / "sourced.tf").write_text(text)
    name = re.findall(r'== "(.*)"', text)[0]
    assert "run `. ./env.sh` here first" in bare(tmp_path, "true")[1]
    settings = f"export TF_VAR_tfce_sourced={name} TF_WORKSPACE="
    out, err = bare(tmp_path, f"{settings}{name}")
    assert "No changes" in out and err == ""
    out, err = bare(tmp_path, f"{settings}default")
    assert "No changes" not in out and "run `. ./env.sh` here first" in err
    assert not (tmp_path / "terraform.tfstate").exists()
