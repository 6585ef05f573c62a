"""A cloud that shows everything it was told, in every spelling: no secret reaches any sink, with any verb."""

from __future__ import annotations

import argparse
import base64
import html
import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.unit.conftest import serving
from tfce.app import assemble
from tfce.cli.main import main
from tfce.cli.parser import parser
from tfce.config.cfg import load_queue

KEY, SECRET, TOKEN = "AKIACANARYCANARYKEY1", "cAn4ry/Secr3t+Word=9", "cAn4ry-s3ssion/tok3n+=="
PROXY = "Q0FOQVJZcHJveHk" * 5  # in the wrapper, as a PEM and as base64
WRAPPER = f"#!/bin/sh\ncat <<X\n-----BEGIN PRIVATE KEY-----\n{PROXY}\n-----END PRIVATE KEY-----\nX\n"
CFG = """
ce.example.org
{{
  CEType = Terraform
{cloud}
  CloudAuth = {folder}/cloud.auth
  Terraform_MaxRetries = 0
  Terraform_Module = {module}
  Workspace_Root = {folder}/root
  Workspace_Installation = canary
  Queues
  {{
    long
    {{
    }}
  }}
}}
"""
EC2 = """
  CloudType = EC2
  Driver_host = 127.0.0.1
  Driver_port = {port}
  Driver_secure = False
  Instance_Image = ami-12345678
  Instance_Flavor = t3.micro
"""
OPENSTACK = """
  CloudType = OPENSTACK
  Driver_ex_force_auth_url = http://127.0.0.1:{port}
  Driver_ex_force_auth_version = 3.x_password
  Driver_ex_tenant_name = project
  Driver_ex_force_service_region = RegionOne
  Instance_Image = 00000000-0000-0000-0000-000000000001
  Instance_Flavor = 00000000-0000-0000-0000-000000000002
  Instance_Networks = 00000000-0000-0000-0000-000000000003
"""
NO_CLOUD = ("queues", "path", "demo", "metrics", "completion", "propose", "publish")  # ask no cloud, need no login
VERBS = {
    "doctor": [],
    "status": [],
    "audit": [],
    "reap": ["--json"],
    "kill": ["cloud://i-1"],
    "log": ["cloud://i-1"],
    "migrate": [],
    "move-state": ["pg"],
    "render": [],
    "submit": ["--wrapper", "{folder}/wrapper"],
    "plan": [],
    "history": [],
    "account": [],
    "report": ["-o", "{folder}/root/report.html"],
    "why": [],
    "drain": ["--json"],
    "repair": [],
}


def spelled(secret: str) -> Iterator[str]:
    """A secret as a cloud may show it."""
    yield secret
    yield quote(secret, safe="")
    yield f"https://user:{quote(secret)}@127.0.0.1/"
    for offset in range(3):
        yield base64.b64encode(b"x" * offset + secret.encode() + b"yyy").decode()


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, and says what it was told."""

    def do_POST(self) -> None:
        error = f"<Code>InvalidParameterValue</Code><Message>{html.escape(self._told())}</Message>"
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>1</RequestID></Response>"
        self._say(400, text, "text/xml")

    do_GET = do_DELETE = do_POST  # noqa: N815

    def _told(self) -> str:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        spellings = " ".join(text for secret in (SECRET, TOKEN) for text in spelled(secret))
        return f"{self.path} {dict(self.headers)} {body} {spellings}"

    def _say(self, status: int, text: str, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text.encode())), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())


class EchoStack(Echo):
    """An OpenStack that lets everybody in, and then refuses everything."""

    def do_POST(self) -> None:
        told, front = self._told(), f"http://{self.headers['Host']}"
        if not self.path.endswith("/auth/tokens"):
            self._say(
                400,
                json.dumps({"badRequest": {"code": 400, "message": f"InvalidInput: {told}"}}),
                "application/json",
            )
            return
        kinds = ("compute", "image", "network")
        where = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne"}
        catalog = [
            {"type": kind, "name": kind, "endpoints": [{**where, "url": f"{front}/{kind}"}]} for kind in kinds
        ]
        user = {"id": "user", "name": "user"}
        token = {"catalog": catalog, "expires_at": "2099-01-01T00:00:00.000000Z", "user": user, "roles": []}
        self._say(201, json.dumps({"token": token}), "application/json", X_Subject_Token=TOKEN)

    do_GET = do_DELETE = do_POST  # noqa: N815


def test_every_verb_that_has_a_queue_is_walked() -> None:
    (groups,) = (one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    assert set(groups.choices) == {*VERBS, *NO_CLOUD}


def canaries() -> Iterator[str]:
    """Parts of every secret that must be nowhere."""
    for secret in (SECRET, TOKEN):
        yield from (text for text in spelled(secret) if "://" not in text and not text.startswith(("eHl", "eHh")))
        for offset in range(3):
            encoded = base64.b64encode(b"x" * offset + secret.encode()).decode()
            yield encoded[4:-4]
    yield KEY
    yield PROXY[:15]
    yield base64.b64encode(PROXY.encode()).decode()[4:24]


@pytest.mark.parametrize(
    ("cloud", "module", "echo", "word"),
    [
        (EC2, "bulk", Echo, "InvalidParameterValue"),
        pytest.param(EC2, "native", Echo, "InvalidParameterValue", marks=pytest.mark.native),
        (OPENSTACK, "bulk", EchoStack, "InvalidInput"),
    ],
    ids=["ec2-bulk", "ec2-native", "openstack-bulk"],
)
def test_no_verb_shows_a_secret_anywhere(
    cloud: str,
    module: str,
    echo: type[Echo],
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "cloud.auth").touch(0o600)
    session = f"token = {TOKEN}\n" if cloud == EC2 else ""
    (tmp_path / "cloud.auth").write_text(f"[DEFAULT]\nkey = {KEY}\nsecret = {SECRET}\n{session}")
    (tmp_path / "wrapper").write_text(WRAPPER)
    monkeypatch.setenv("TFCE_CONFIG", str(tmp_path / "site.cfg"))
    shown, refused = "", 0
    with serving(echo) as port, caplog.at_level(logging.DEBUG):
        (tmp_path / "site.cfg").write_text(
            CFG.format(cloud=cloud.format(port=port), folder=tmp_path, module=module)
        )
        for verb, more in VERBS.items():
            refused += main([verb, "ce.example.org/long", *(one.format(folder=tmp_path) for one in more)]) != 0
            out, err = capfd.readouterr()
            shown += f"\n{verb}: {out}{err}"
    assert refused >= 6 and word in shown and "****" in shown  # it was heard
    assert_nowhere(shown + caplog.text, tmp_path / "root")


def test_the_long_proxy_of_a_pilot_is_nowhere_either(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """What DIRAC's element gives where the wrapper brings no proxy of its own."""
    (tmp_path / "cloud.auth").touch(0o600)
    (tmp_path / "cloud.auth").write_text(f"[DEFAULT]\nkey = {KEY}\nsecret = {SECRET}\ntoken = {TOKEN}\n")
    proxy = f"-----BEGIN CERTIFICATE-----\n{PROXY}\n-----END CERTIFICATE-----\n"
    with serving(Echo) as port, caplog.at_level(logging.DEBUG):
        configured = CFG.format(cloud=EC2.format(port=port), folder=tmp_path, module="bulk")
        (tmp_path / "site.cfg").write_text(configured)
        parts = assemble(load_queue(tmp_path / "site.cfg", "ce.example.org/long"))
        refused = parts.fleet.submit(b"#!/bin/sh\ntrue\n", 2, proxy=proxy.encode())
    reasons = " ".join(str(reason) for reason in refused.failed.values())
    assert len(refused.failed) == 2 and "InvalidParameterValue" in reasons and "****" in reasons
    out, err = capfd.readouterr()
    assert_nowhere(out + err + caplog.text + reasons, tmp_path / "root")


def assert_nowhere(shown: str, root: Path) -> None:
    """No canary is in what was shown, nor in a file below ``root``."""
    # The user data of a pilot that may still come to be waits there for Terraform, private.
    apart = ("/.terraform/providers/", "/unpacked/", "/contexts/")
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    kept = {
        path: path.read_bytes().decode(errors="replace")
        for path in files
        if not any(x in str(path) for x in apart)
    }
    assert any(path.name == "journal.jsonl" for path in kept)
    for canary in canaries():
        assert canary not in shown, canary
        assert [path for path, text in kept.items() if canary in text] == [], canary
