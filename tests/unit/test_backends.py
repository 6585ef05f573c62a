"""The file of a backend: what Terraform is told of it, and how."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.claims import every
from tests.rigs.quiet import QuietServer
from tfce.app import backend_time
from tfce.config import backends
from tfce.config.backends import Backend
from tfce.config.options import Queue, parse
from tfce.model.errors import ConfigError
from tfce.model.lease import BackendId
from tfce.model.reasons import Stopped
from tfce.model.redact import redacted
from tfce.terraform.process import Ended
from tfce.terraform.remote import lock_in

OPTIONS = {
    "CloudType": "EC2",
    "Instance_Image": "ami-1",
    "Instance_Flavor": "t3.micro",
    "Workspace_Installation": "tests",
}
PG = "[pg]\nconn_str = postgres://tfce:p%40ssw0rd-x@db.example.org/tfce\n"
S3 = "[s3]\nbucket = states\nregion = eu-1\naccess_key = AK123456\nsecret_key = topsecret-key\n"
HTTP = "[http]\naddress = https://git.example.org/state/\nusername = bot\npassword = hidden-word\n"


def queue(tmp_path: Path, backend: str = "pg", text: str = PG, rights: int = 0o600, **options: str) -> Queue:
    path = tmp_path / "backend.auth"
    path.write_text(text)
    path.chmod(rights)
    wanted = {**OPTIONS, "Terraform_Backend": backend, "Terraform_BackendFile": str(path), **options}
    return parse("cloud.example.org", "long", wanted, tmp_path / "dirac", tmp_path / "root")


@pytest.mark.parametrize(
    ("name", "text", "secret"),
    [("pg", PG, "p%40ssw0rd-x"), ("s3", S3, "topsecret-key"), ("http", HTTP, "hidden-word")],
)
def test_what_is_secret_goes_by_variables_only(tmp_path: Path, name: str, text: str, secret: str) -> None:
    found = backends.load(queue(tmp_path, name, text))
    assert secret in "".join(found.environment.values())
    for shown in (str(found.block()), str(found.id), repr(found), str(found.settings("a.b"))):
        assert secret not in shown
    assert secret not in redacted(f"it said {secret}!", ())


def test_each_state_has_a_place_of_its_own(tmp_path: Path) -> None:
    assert backends.load(queue(tmp_path)).settings("ce.long.record") == {"TF_WORKSPACE": "ce.long.record"}
    found = backends.load(queue(tmp_path, "http", HTTP)).settings("ce.long")
    assert found["TF_HTTP_ADDRESS"] == "https://git.example.org/state/ce.long"
    assert found["TF_HTTP_LOCK_ADDRESS"] == found["TF_HTTP_UNLOCK_ADDRESS"] == f"{found['TF_HTTP_ADDRESS']}/lock"


def test_states_are_always_locked(tmp_path: Path) -> None:
    assert backends.load(queue(tmp_path, "s3", S3)).arguments["use_lockfile"] is True
    text = f"{HTTP}lock_method = POST\nunlock_method = DELETE\n"
    assert backends.load(queue(tmp_path, "http", text)).arguments["lock_method"] == "POST"
    with pytest.raises(ConfigError, match="always locks"):
        backends.load(queue(tmp_path, "s3", f"{S3}use_lockfile = false\n"))


def test_the_section_of_a_ce_comes_first(tmp_path: Path) -> None:
    text = f"{PG}[cloud.example.org:pg]\nconn_str = postgres://u@other.example.org/x\n"
    assert "other.example.org" in backends.load(queue(tmp_path, text=text)).id.where


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[s3]\nbucket = x\n", r"has no section \[pg\]"),
        ("[pg]\nschema_name = x\n", "has no conn_str"),
        ("nothing", "is no ini file"),
        (f"{PG}api_token = x\n", "would be written in clear"),
        (f"{PG}LD_PRELOAD = x\n", "is no variable of a backend"),
        ("[pg]\nconn_str = mysql://u@db.example.org/x\n", r"\[pg\] conn_str does not begin with postgres://"),
        ("[pg]\nconn_str = tfce\n", r"\[pg\] conn_str is no connection string"),
    ],
)
def test_a_fault_is_named_without_a_value(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        backends.load(queue(tmp_path, text=text))
    assert "p%40ssw0rd-x" not in caught.value.message


@pytest.mark.parametrize("mark", string.punctuation)
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("pg", "[pg]\nconn_str = postgres://tfce:{}@db.example.org/tfce\n"),
        ("s3", f"{S3}endpoint = https://bot:{{}}@s3.example.org\n"),
        ("http", "[http]\naddress = https://bot:{}@git.example.org/state\n"),
    ],
)
def test_no_word_in_an_address_is_shown_however_it_is_spelt(
    tmp_path: Path, name: str, address: str, mark: str
) -> None:
    wanted = queue(tmp_path, name, address.format(f"plant3d{mark}h1dden"))
    try:
        found = backends.load(wanted)
    except ConfigError as error:
        shown = error.message
        assert "Terraform_BackendFile" in shown and every(fault.cure for fault in error.faults)
    else:
        assert name == "pg"
        shown = f"{found.id} {found!r} {found.block()} {redacted(found.environment['PG_CONN_STR'], ())}"
    assert "plant3d" not in shown and "h1dden" not in shown


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("git.example.org/state", "is no address"),
        ("ftp://git.example.org/state", "is no address"),
        ("https://git.example.org:port/state", "is no address"),
        ("https://git.example.org/state?ref=main", "has a . or a # in it"),
    ],
)
def test_an_address_that_states_cannot_be_beneath_is_refused(tmp_path: Path, address: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[http\] address {problem}"):
        backends.load(queue(tmp_path, "http", f"[http]\naddress = {address}\n"))


@pytest.mark.parametrize("name", ["pg", "s3", "http"])
def test_what_to_write_is_said_of_that_backend_and_not_hidden(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        backends.load(queue(tmp_path, name, "[other]\n"))
    cure = redacted(caught.value.faults[0].cure, ())
    lines = dict(line.split(" = ", 1) for line in cure.split(" with ")[1].split(", ") if " = " in line)
    section = "".join(f"{key} = {value}\n" for key, value in lines.items())
    assert f"[{name}]" in cure and "****" not in cure
    backends.load(queue(tmp_path, name, f"[{name}]\n{section}"))


def test_what_was_read_of_a_backend_is_not_read_again(tmp_path: Path) -> None:
    with QuietServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        wanted = queue(
            tmp_path, "http", HTTP.replace("https://git.example.org", f"http://127.0.0.1:{server.server_port}")
        )
        found = backends.load(wanted)
        wanted.terraform.backend_file.unlink()
        told = backend_time(found)
        server.shutdown()
    assert told is not None and abs(told - datetime.now(UTC)) < timedelta(minutes=1)
    assert backend_time(Backend("pg")) is None


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Terraform_BackendFile"):
        backends.load(queue(tmp_path, rights=0o644))


def test_local_needs_no_file(tmp_path: Path) -> None:
    found = backends.load(parse("ce", "q", OPTIONS, tmp_path, tmp_path))
    assert found == Backend("local", BackendId("local")) and found.environment == {}


@pytest.mark.parametrize(
    ("said", "ident"),
    [
        ("\x1b[31m│\x1b[0m Lock Info:\n\x1b[31m│\x1b[0m \x1b[0m  ID:        5c44aa-pushed\n", "5c44aa-pushed"),
        (r'{"detail":"already locked:\nID=the-holders\nLock Info:\n  ID:        its-own-one"}', "the-holders"),
        (r'{"detail":"x\nLock Info:\n  ID:        from-json\n  Path: y"}', "from-json"),
        ("Error: no lock at all", ""),
    ],
)
def test_who_holds_a_state_is_read_from_what_terraform_says(said: str, ident: str) -> None:
    assert lock_in(Ended(1, "", said, Stopped.NO)) == ident and lock_in(Ended(0, "", said, Stopped.NO)) == ""


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"Workspace_Installation": ""}, "Workspace_Installation"),
        ({"Terraform_Module": "native"}, "Terraform_Module"),
        ({"Terraform_Backend": "consul"}, "Terraform_Backend"),
    ],
)
def test_what_cannot_be_shared_is_refused(tmp_path: Path, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        queue(tmp_path, backend=options.pop("Terraform_Backend", "pg"), **options)
    assert [one.option for one in caught.value.faults] == [fault]
