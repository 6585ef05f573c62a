"""A certificate authority of our own, a host and a pilot user: what DIRAC wants before it talks to anybody."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ORGANISATION = "/O=TFCE"
PILOT_DN = f"{ORGANISATION}/CN=Pilot User"
HOST_DN = f"{ORGANISATION}/CN=localhost"
_LEAF = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
_USER = f"{_LEAF}extendedKeyUsage=clientAuth\n"
_HOST = f"{_LEAF}extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"


@dataclass(frozen=True)
class Authority:
    """The files: a folder with trusted CAs, and certificate and key of the host and of the pilot user."""

    folder: Path

    @property
    def trusted(self) -> Path:
        """What X509_CERT_DIR names."""
        return self.folder / "certificates"

    def certificate(self, name: str) -> Path:
        """The certificate of "host" or "user"."""
        return self.folder / f"{name}cert.pem"

    def key(self, name: str) -> Path:
        """The key of "host" or "user"."""
        return self.folder / f"{name}key.pem"


def make(folder: Path) -> Authority:
    """Make all of it in ``folder``, which is made, too."""
    authority = Authority(folder)
    authority.trusted.mkdir(parents=True)
    _openssl(
        folder,
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"{ORGANISATION}/CN=Test CA"),
        *("-keyout", "ca.key", "-out", "ca.pem"),
    )
    for name, subject, extensions in (("host", HOST_DN, _HOST), ("user", PILOT_DN, _USER)):
        (folder / "extensions").write_text(extensions)
        _openssl(
            folder,
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject),
            *("-keyout", f"{name}key.pem", "-out", "request"),
        )
        _openssl(
            folder,
            *("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", "365", "-out", f"{name}cert.pem", "-extfile", "extensions"),
        )
        authority.key(name).chmod(0o400)
    digest = _openssl(folder, "x509", "-in", "ca.pem", "-noout", "-hash").strip()
    (authority.trusted / f"{digest}.0").write_bytes((folder / "ca.pem").read_bytes())
    return authority


def _openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr[-400:]}")
    return done.stdout
