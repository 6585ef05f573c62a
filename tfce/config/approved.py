"""Where approved shapes are: a folder, or a branch, tag or commit of a git repository. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_HOST = r"[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?"
_URLS = (
    rf"https://{_HOST}/[^\s@?#]+",
    rf"ssh://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?{_HOST}/[^\s@?#]+",
    rf"[A-Za-z0-9_][A-Za-z0-9_.-]*@{_HOST}:[^\s@?#:-][^\s@?#:]*",
    r"/[^\s@?#]+",
)
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*(?:[./][A-Za-z0-9_+-]+)*")
_WORDS = "write a folder, or a git repository and its branch: https://host/site.git@main, git@host:site.git@main"


@dataclass(frozen=True)
class Source:
    """``address``: a folder, or a repository's URL or path; ``ref``: its branch, tag or commit, "" for a folder;
    ``below``: the folder in the repository that holds ``shape/``."""

    address: str
    ref: str = ""
    below: str = ""

    @property
    def folder(self) -> Path | None:
        """The folder, where it is no repository."""
        return None if self.ref else Path(self.address)

    @property
    def local(self) -> Path | None:
        """The path of a folder or repository on this host."""
        return Path(self.address) if self.address.startswith("/") else None

    def __str__(self) -> str:
        below = f"//{self.below}" if self.below else ""
        return f"{self.address}{below}@{self.ref}" if self.ref else self.address


def source(value: str) -> Source | None:
    """A folder, or ``REPOSITORY[//FOLDER]@REF``."""
    if not value:
        return None
    if value.startswith("/") and "@" not in value:
        return Source(_path(value))
    address, _, ref = value.rpartition("@")
    if not _REF.fullmatch(ref) or ref.endswith(".lock") or ".." in ref:
        raise ValueError(f"names no branch, tag or commit after its last @; {_WORDS}")
    head, scheme, rest = address.rpartition("://")
    rest, _, below = rest.partition("//")
    address = f"{head}{scheme}{rest}"
    if below and not re.fullmatch(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", below, re.ASCII):
        raise ValueError("names no folder after //")
    if re.match(r"https://[^/]*@", address):
        raise ValueError(
            "has a login in its URL, which everybody may read; use ssh and a key, or an open repository"
        )
    if not any(re.fullmatch(url, address) for url in _URLS):
        raise ValueError(f"is no https or ssh URL, and no absolute path; {_WORDS}")
    return Source(_path(address) if address.startswith("/") else address, ref, below)


def _path(value: str) -> str:
    if ".." in Path(value).parts or not value.isprintable():
        raise ValueError("must be an absolute path without ..")
    return value
