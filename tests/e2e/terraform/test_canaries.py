"""A cloud that shows everything it was told, in every spelling: no secret reaches any sink, with any verb."""

from __future__ import annotations

import base64
import html
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.unit.conftest import serving
from tfce.cli.main import main

KEY, SECRET, TOKEN = "AKIACANARYCANARYKEY1", "cAn4ry/Secr3t+Word=9", "cAn4ry-s3ssion/tok3n+=="
PROXY = "Q0FOQVJZcHJveHk" * 5  # in the wrapper, as a PEM and as base64
WRAPPER = f"#!/bin/sh\ncat <<X\n-----BEGIN PRIVATE KEY-----\n{PROXY}\n-----END PRIVATE KEY-----\nX\n"
CFG = """
ce.example.org
{{
  CEType = Terraform
  CloudType = EC2
  Driver_host = 127.0.0.1
  Driver_port = {port}
  Driver_secure = False
  CloudAuth = {folder}/cloud.auth
  Instance_Image = ami-12345678
  Instance_Flavor = t3.micro
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
VERBS = {
    "doctor": [],
    "status": [],
    "audit": [],
    "reap": ["--json"],
    "kill": ["cloud://i-1"],
    "log": ["cloud://i-1"],
    "migrate": [],
    "render": [],
    "submit": ["--wrapper", "{folder}/wrapper"],
    "plan": [],
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
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        told = f"{self.path} {dict(self.headers)} {body} " + " ".join(
            text for secret in (SECRET, TOKEN) for text in spelled(secret)
        )
        error = f"<Code>InvalidParameterValue</Code><Message>{html.escape(told)}</Message>"
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>1</RequestID></Response>".encode()
        self.send_response(400)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST  # noqa: N815


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


@pytest.mark.parametrize("module", ["bulk", "native"])
def test_no_verb_shows_a_secret_anywhere(
    module: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "cloud.auth").touch(0o600)
    (tmp_path / "cloud.auth").write_text(f"[DEFAULT]\nkey = {KEY}\nsecret = {SECRET}\ntoken = {TOKEN}\n")
    (tmp_path / "wrapper").write_text(WRAPPER)
    monkeypatch.setenv("TFCE_CONFIG", str(tmp_path / "site.cfg"))
    shown, refused = "", 0
    with serving(Echo) as port, caplog.at_level(logging.DEBUG):
        (tmp_path / "site.cfg").write_text(CFG.format(port=port, folder=tmp_path, module=module))
        for verb, more in VERBS.items():
            refused += main([verb, "ce.example.org/long", *(one.format(folder=tmp_path) for one in more)]) != 0
            out, err = capfd.readouterr()
            shown += f"\n{verb}: {out}{err}"
    assert refused >= 6 and "InvalidParameterValue" in shown and "****" in shown  # it was heard
    # The user data of a pilot that may still come to be waits there for Terraform, private.
    apart = ("/.terraform/providers/", "/unpacked/", "/contexts/")
    files = [path for path in sorted((tmp_path / "root").rglob("*")) if path.is_file()]
    kept = {
        path: path.read_bytes().decode(errors="replace")
        for path in files
        if not any(x in str(path) for x in apart)
    }
    assert any(path.name == "journal.jsonl" for path in kept)
    for canary in canaries():
        assert canary not in shown and canary not in caplog.text, canary
        assert [path for path, text in kept.items() if canary in text] == [], canary
