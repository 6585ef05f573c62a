"""Which provider a queue once ran stays the one that it runs: Terraform's lock file is kept, and checked.

Terraform compares the provider that it takes with the file. What comes from a folder is checked here, before: the
error can then name the folder and the file that disagree. Hashes of published providers are known here, too.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from tfce.model.errors import TerraformError
from tfce.store import files
from tfce.terraform.modules import OUR_PROVIDER

_BLOCK = re.compile(r'^provider "([^"\n]+)" \{\n(.*?)^\}\n?', re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r'^\s*version\s*=\s*"([^"\n]*)"', re.MULTILINE)
_HASH = re.compile(r'"(h1:[^"\n]+)"')
# Of unpacked providers as they were published, by source, version and platform; each was made from a zip that has
# the publisher's own hash.
KNOWN = {
    ("hashicorp/aws", "3.39.0", "linux_amd64"): "h1:goOMfGE4SjLps+hpxJFEM/pZFiNgvi6BMG8/w86+f6k=",
}


def keep(lock: Path, source: str, version: str, folder: Path | None, platform: str) -> None:
    """Make ``lock`` ready for an init with this provider (in ``folder``, or of a registry where that is None):
    what it has of other versions, and of our own provider, goes. Raises ``TerraformError`` where the provider is
    another than the one it names, or than the one that is known."""
    text = files.believed(lock) or ""
    if _BLOCK.sub("", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).strip():
        text = ""  # torn: Terraform could not read it either
    blocks = [found for found in _BLOCK.finditer(text) if _stays(found, source, version)]
    if folder is not None and source != OUR_PROVIDER:
        _same(lock, source, version, folder, platform, blocks)
    if blocks:
        files.renew(lock, "\n".join(found.group() for found in blocks))
    else:
        files.remove(lock)


def _stays(found: re.Match[str], source: str, version: str) -> bool:
    named = found.group(1).partition("/")[2]
    if named == OUR_PROVIDER:  # this very package, under a program that is made for each Python
        return False
    has = _VERSION.search(found.group(2))
    return has is not None and (named != source or version in ("", has[1]))


def _same(lock: Path, source: str, version: str, folder: Path, platform: str, blocks: list[re.Match[str]]) -> None:
    here = digest(folder)
    known = KNOWN.get((source, version, platform))
    if known and here != known:
        raise TerraformError(
            f"provider {source} {version} in {folder} is not the one that was published ({here})",
            "put back a copy of it that you trust",
        )
    for found in blocks:
        kept = _HASH.findall(found.group(2))
        if found.group(1).partition("/")[2] == source and kept and here not in kept:
            raise TerraformError(
                f"provider {source} {version} in {folder} is another one than before ({lock} names {kept[0]})",
                f"put it back, or remove {lock} if you replaced it",
            )


def digest(folder: Path) -> str:
    """Terraform's ``h1`` of an unpacked provider."""
    lines = [
        f"{_sum(path)}  {path.relative_to(folder).as_posix()}\n" for path in folder.rglob("*") if path.is_file()
    ]
    lines.sort(key=lambda line: line[66:])
    return "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
