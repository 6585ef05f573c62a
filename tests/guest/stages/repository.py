"""A stand-in for CernVM's package repository: an apt repository with a cvmfs that says what is asked of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.rigs import cloudinit
from tfce.config.data import data_path

# Runs in the Debian root, with the folder of the repository at /mnt.
MAKE = r"""
import gzip, hashlib, os, pathlib, subprocess

def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout

top = pathlib.Path("/mnt/cvmrepo/apt")
packages = top / "dists/bookworm-prod/main/binary-all"
packages.mkdir(parents=True)
contents = {
    "cvmfs": {
        "usr/bin/cvmfs_config": "#!/bin/sh\necho \"$@\" >>/seed/cvmfs_config.log\n",
        "cvmfs/grid.cern.ch/etc/grid-security/certificates/ca.pem": "a CA\n",
    },
    "tfce-extra": {"usr/share/tfce-extra": "extra\n"},
}
index = ""
for name, files in contents.items():
    tree = pathlib.Path("/tmp") / name
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: none <a@example.org>\nDescription: x\n"
    for path, text in {**files, "DEBIAN/control": control}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(0o755)
    deb = top / f"{name}.deb"
    run("dpkg-deb", "--root-owner-group", "-b", str(tree), str(deb))
    data = deb.read_bytes()
    index += f"{control}Filename: {name}.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"
(packages / "Packages").write_text(index)
data = index.encode()
release = packages.parents[1] / "Release"
release.write_text(
    "Origin: test\nSuite: bookworm-prod\nCodename: bookworm-prod\nArchitectures: all amd64 arm64\n"
    "Components: main\nDate: Mon, 01 Jan 2024 00:00:00 UTC\nSHA256:\n"
    f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-all/Packages\n"
)
os.environ["GNUPGHOME"] = "/tmp/gnupg"
os.mkdir("/tmp/gnupg", 0o700)
run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", "test <a@example.org>", "rsa2048", "sign")
run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", "stranger <b@example.org>", "rsa2048", "sign")
signed = run("gpg", "--batch", "-u", "a@example.org", "--clearsign", input=release.read_text())
release.with_name("InRelease").write_text(signed)
pathlib.Path("/mnt/key.asc").write_text(run("gpg", "--armor", "--export"))  # both
listing = run("gpg", "--batch", "--with-colons", "--list-keys", "a@example.org")
fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr"))
pathlib.Path("/mnt/fingerprint").write_text(fingerprint)
run("gpgconf", "--kill", "all")
"""

OWNERS = r"""
import os, re, subprocess
os.environ["GNUPGHOME"] = "/tmp"
shown = subprocess.run(["gpg", "--batch", "--show-keys", "/mnt/key"], check=True, capture_output=True, text=True)
print(*re.findall("<(.*)>", shown.stdout))
"""
URL = re.compile("https://cvmrepo.s3.cern.ch/cvmrepo/yum/RPM-GPG-KEY-CernVM.*")
SIGNED = "[signed-by=/etc/pki/cernvm/old.asc,/etc/pki/cernvm/new.asc]"
OLD, NEW = "70B9890488208E315ED45208230D389D8AE45CE7", "FD80468D49B3B24C341741FC8CE0A76C497EA957"


def make(folder: Path) -> Path:
    """Writes the repository to ``folder`` (what the web server at cvmrepo.s3.cern.ch would serve)."""
    folder.mkdir()
    cloudinit.python(folder, MAKE)
    return folder


def reaching(folder: Path) -> Path:
    """A copy of tfce's default template in ``folder`` that asks CernVM's server without TLS."""
    shutil.copytree(data_path("templates") / "default", folder)
    piece = folder / "40-cvmfs.yaml"
    text = URL.sub("http://cvmrepo.s3.cern.ch/key.asc", piece.read_text())
    piece.write_text(_replace(text, f"deb {SIGNED} https://", f"deb {SIGNED} http://"))
    return folder


def trusting(www: Path, folder: Path, fingerprint: str) -> Path:
    """Such a copy whose repository is signed with the key of ``fingerprint`` (OLD or NEW), and with no other; a
    stranger's is in the same file."""
    piece = reaching(folder) / "40-cvmfs.yaml"
    piece.write_text(_replace(piece.read_text(), fingerprint, (www / "fingerprint").read_text()))
    return folder


def owners(folder: Path, key: Path) -> list[str]:
    """Whose keys are in a file; looked at in ``folder``."""
    folder.mkdir()
    shutil.copy(key, folder / "key")
    return cloudinit.python(folder, OWNERS).split()


def _replace(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise AssertionError(f"not found once in the template: {old}")
    return text.replace(old, new)
