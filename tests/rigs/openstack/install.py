"""What the rig needs before it can start: OpenStack in a virtual environment, and a certificate authority."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from layout import EXAMPLE_HOST, HERE, HOST, Layout

from tests.rigs import debian
from tests.rigs.errors import RigError

EXTENSIONS = f"""subjectAltName = IP:{HOST}, DNS:localhost, DNS:{EXAMPLE_HOST}
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
"""


def run(argv: Sequence[str | Path], log: Path | None = None) -> None:
    """Run to its end; what it prints goes to `log`, or is shown if it fails. Raises SystemExit."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if log:
        log.write_text(done.stdout + done.stderr)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise SystemExit(f"{' '.join(map(str, argv[:4]))} ... exit {done.returncode}\n{tail}")


def apt_install(*packages: str) -> None:
    """Last resort for a program that a bare Debian lacks."""
    try:
        debian.install(lambda: packages)
    except RigError as error:
        raise SystemExit(f"openstack rig: {error}") from None


def make_venv(layout: Layout) -> None:
    """Install the pinned packages once per requirements file."""
    if (layout.venv / "complete").exists():
        return
    shutil.rmtree(layout.venv, ignore_errors=True)
    layout.venv.parent.mkdir(parents=True, exist_ok=True)
    try:
        run([sys.executable, "-m", "venv", layout.venv])
    except SystemExit:
        apt_install("python3-venv")
        run([sys.executable, "-m", "venv", "--clear", layout.venv])
    run([layout.program("pip"), "install", "-q", "--no-deps", "--require-hashes", "-r", HERE / "requirements.txt"])
    (layout.venv / "complete").touch()


def make_certificates(layout: Layout) -> None:
    """Make our own authority and keystone's certificate, once."""
    tls = layout.state / "tls"
    if (tls / "server.pem").exists():
        return
    if not shutil.which("openssl"):
        apt_install("openssl")
    new_key = ["req", "-newkey", "rsa:2048", "-nodes"]
    _openssl(
        *new_key,
        *("-x509", "-keyout", tls / "ca.key", "-out", layout.ca, "-days", "3650"),
        *("-subj", "/CN=tfce OpenStack rig", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    _openssl(*new_key, "-keyout", tls / "server.key", "-out", tls / "server.csr", "-subj", f"/CN={HOST}")
    (tls / "server.ext").write_text(EXTENSIONS)
    signed = tls / "server.tmp"
    _openssl(
        *("x509", "-req", "-in", tls / "server.csr", "-out", signed, "-days", "800"),
        *("-CA", layout.ca, "-CAkey", tls / "ca.key", "-CAcreateserial", "-extfile", tls / "server.ext"),
    )
    signed.replace(tls / "server.pem")


def _openssl(*arguments: str | Path) -> None:
    run(["openssl", *arguments])
