"""What this host allows the options to name, and whose it must be."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import tfce
from tests.unit.conftest import STRANGER, MakeQueue
from tests.unit.test_trust import as_root
from tfce.cli.main import main
from tfce.config.host import VARIABLE, admitted
from tfce.model.errors import ConfigError

NOWHERE = Path("/nonexistent.conf")
Conf = Callable[[str], Path]


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conf:
    def write(text: str) -> Path:
        path = tmp_path / "tfce.conf"
        path.write_text(text)
        monkeypatch.setenv(VARIABLE, str(path))
        return path

    return write


def test_everything_is_allowed_where_nothing_is_said(make_queue: MakeQueue) -> None:
    queue = make_queue(Terraform_Binary="/usr/bin/env", CloudType="package.module.Class")
    assert admitted(queue, NOWHERE) is queue


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        ("programs", "Terraform_Binary", "/usr/bin/env"),
        ("programs", "Terraform_Mirror", "/usr/share"),
        ("programs", "CloudType", "package.module.Class"),
        ("modules", "Terraform_Module", "/usr/share"),
        ("modules", "Context_Template", "/usr/share/vm.yaml"),
    ],
)
def test_what_is_forbidden_is_said_with_option_and_file(
    make_queue: MakeQueue, conf: Conf, kind: str, option: str, value: str
) -> None:
    file = conf(f"# of this host\n[allow]\n{kind} = no  # nobody\n")
    admitted(make_queue(), NOWHERE)
    with pytest.raises(ConfigError) as caught:
        admitted(make_queue(**{option: value}), NOWHERE)
    (fault,) = caught.value.faults
    assert (fault.option, fault.value) == (option, value)
    assert str(file) in fault.problem and f"{kind} = no" in fault.problem
    other = {"programs": "modules", "modules": "programs"}[kind]
    conf(f"[allow]\n{kind} = yes\n{other} = no\n")
    admitted(make_queue(**{option: value}), NOWHERE)


def test_the_variables_file_does_not_lift_what_the_hosts_forbids(make_queue: MakeQueue, conf: Conf) -> None:
    conf("[allow]\nprograms = yes\n")
    with tempfile.TemporaryDirectory() as folder:
        usual = Path(folder) / "tfce.conf"
        usual.write_text("[allow]\nprograms = no\n")
        with pytest.raises(ConfigError, match=f"by {usual}"):
            admitted(make_queue(Terraform_Binary="/usr/bin/env"), usual)


@pytest.mark.parametrize(
    "text",
    [
        "[allow]\nprogram = no\n",
        "[allow]\nprograms = perhaps\n",
        "programs = no\n",
        "[alow]\nprograms = no\n",
        "\0",
    ],
)
def test_a_file_that_says_nothing_clear_allows_nothing(make_queue: MakeQueue, conf: Conf, text: str) -> None:
    file = conf(text)
    with pytest.raises(ConfigError, match=f"{VARIABLE} = {file}"):
        admitted(make_queue(), NOWHERE)


def test_a_file_that_is_named_and_not_there(make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nonexistent")
    with pytest.raises(ConfigError, match=VARIABLE):
        admitted(make_queue(), NOWHERE)


@pytest.mark.parametrize(
    "option", ["Terraform_Binary", "Terraform_Mirror", "Terraform_Module", "Context_Template"]
)
def test_what_others_can_write_is_not_used(make_queue: MakeQueue, tmp_path: Path, option: str) -> None:
    path = tmp_path / "theirs"
    path.mkdir()
    path.chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        admitted(make_queue(**{option: str(path)}), NOWHERE)
    (fault,) = caught.value.faults
    assert (fault.option, fault.problem) == (option, "can be written by everybody") and "chmod" in fault.cure
    path.chmod(0o755)
    (path / "main.tf").touch()
    (path / "main.tf").chmod(0o666)
    with pytest.raises(ConfigError, match=r"main\.tf can be written"):
        admitted(make_queue(**{option: str(path)}), NOWHERE)


@as_root
def test_every_fault_is_found_before_any_is_reported(make_queue: MakeQueue, conf: Conf, tmp_path: Path) -> None:
    conf("[allow]\nprograms = no\n")
    (tmp_path / "root").mkdir()
    os.chown(tmp_path / "root", STRANGER, STRANGER)
    (tmp_path / "vm.yaml").touch()
    (tmp_path / "vm.yaml").chmod(0o666)
    with pytest.raises(ConfigError) as caught:
        admitted(make_queue(Terraform_Binary="/usr/bin/env", Context_Template=str(tmp_path / "vm.yaml")), NOWHERE)
    named = [fault.option for fault in caught.value.faults]
    assert named == ["Terraform_Binary", "Context_Template", "Workspace_Root"]


@as_root
@pytest.mark.parametrize("leads_to", ["/dev/zero", "nowhere", "installation"])
def test_what_cannot_be_a_file_hides_nobody_elses(make_queue: MakeQueue, tmp_path: Path, leads_to: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "installation").symlink_to(leads_to)
    queue = make_queue(Workspace_Root=str(root))
    assert admitted(queue, NOWHERE) == queue
    (root / "queues").mkdir()
    os.chown(root / "queues", STRANGER, STRANGER)
    with pytest.raises(ConfigError, match=r"Workspace_Root.*queues belongs to"):
        admitted(queue, NOWHERE)


# -- whose workspace ---------------------------------------------------------------------------------------

CFG = """
ce.example.org
{
  CEType = Terraform
  CloudType = EC2
  Driver_host = 127.0.0.1
  Driver_port = 1
  Instance_Image = ami-1
  Instance_Flavor = t3.micro
  Workspace_Root = %s
  Queues
  {
    long
    {
    }
  }
}
"""
VERBS = {
    "plan": [],
    "status": [],
    "render": [],
    "reap": [],
    "audit": [],
    "doctor": [],
    "repair": [],
    "migrate": [],
    "path": [],
    "submit": ["--wrapper", "/etc/hostname"],
    "kill": ["cloud://i-1"],
    "log": ["cloud://i-1"],
}


@pytest.fixture
def site() -> Iterator[Path]:
    """A folder that other users can enter, with a configuration whose workspace is in `there/root`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "there").mkdir()
        (folder / "site.cfg").write_text(CFG % (folder / "there" / "root"))
        (folder / "cloud.auth").touch(0o600)
        yield folder


def command(site: Path, verb: str, *drop: str) -> subprocess.CompletedProcess[str]:
    """A command line in a clean environment; ``drop``: how to become another user."""
    line = [*drop, sys.executable, "-P", "-m", "tfce.cli", verb, "ce.example.org/long", *VERBS[verb]]
    here = {
        "PYTHONPATH": str(Path(tfce.__file__).parents[1]),
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [*line, "--config", str(site / "site.cfg")], env=here, capture_output=True, text=True, cwd="/", timeout=60
    )


@as_root
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("whose", ["there", "there/root", "there/root/installation"])
def test_another_users_workspace_is_said_by_every_verb(
    site: Path, verb: str, whose: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "there" / "root").mkdir(0o700)
    (site / "there" / "root" / "installation").write_text("x\n")
    os.chown(site / whose, STRANGER, STRANGER)
    before = sorted(site.rglob("*"))
    code = main([verb, "ce.example.org/long", *VERBS[verb], "--config", str(site / "site.cfg")])
    out, err = capsys.readouterr()
    assert code == 2 and err.count("\n") == 1 and not out
    named = err.replace(f"Workspace_Root = {site / whose}:", f"{site / whose}")
    assert f"{site / whose} belongs to #{STRANGER}, not to root" in named
    assert f"sudo -u #{STRANGER} tfce" in err
    assert sorted(site.rglob("*")) == before  # nothing of root's is left there


@as_root
def test_what_root_left_is_said_to_the_service_user(site: Path, stranger: Sequence[str]) -> None:
    os.chown(site / "there", STRANGER, STRANGER)
    (site / "there" / "root").mkdir(0o700)
    done = command(site, "status", *stranger)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"belongs to root, not to #{STRANGER}" in done.stderr


# -- logins in URLs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "more"),
    [
        ("Driver_ex_force_auth_url", "https://user:hush@keystone.example.org:5000/v3", {"CloudType": "OPENSTACK"}),
        ("Driver_ex_force_auth_url", "https://hush@keystone.example.org:5000/v3", {"CloudType": "OPENSTACK"}),
        ("Driver_host", "user:hush@ec2.example.org", {}),
        ("Driver_host", "https://user:hush@ec2.example.org", {}),
        ("Driver_http_proxy", "http://user:hush@proxy.example.org:3128", {}),
    ],
)
def test_a_login_in_a_url_is_refused(make_queue: MakeQueue, option: str, value: str, more: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="holds a login, which would be shown") as caught:
        make_queue(**{option: value, "Driver_ex_tenant_name": "lz", **more})
    assert caught.value.faults[0].option == option and "hush" not in caught.value.message
    assert "CloudAuth" in caught.value.message
