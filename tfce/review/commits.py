"""Commits to a person's own clone by objects alone: runs no hook and no filter, and takes the named files only,
whatever else the clone's index or work tree holds."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfce.config import trust
from tfce.model.errors import ConfigError
from tfce.review import git
from tfce.store import files
from tfce.store.actor import actor

_BRANCH = re.compile(r"[A-Za-z0-9][\w+-]*(?:[./][\w+-]+)*", re.ASCII)
_REMOTE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Clone:
    """A person's clone, at ``folder``."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Clone:
        """The clone whose top ``folder`` is. Raises ``ConfigError`` for anything else."""
        with trust.for_option("--clone", folder):
            trust.checked(folder.absolute())
        if not (folder / ".git").exists():
            raise ConfigError("--clone", str(folder), "is not the top folder of a git clone", "name one")
        return cls(folder.absolute())

    def commit_of(self, ref: str) -> str:
        """The commit that ``ref`` names, "" where there is none."""
        try:
            return git.resolved(self.folder, ref)
        except git.GitError:
            return ""

    def base(self, *wished: str) -> str:
        """The commit of the first of the refs ``wished`` that there is, as ``origin`` had it last or here; else of
        HEAD."""
        refs = [one for ref in wished if ref for one in (f"refs/remotes/origin/{ref}", ref)]
        found = next(filter(None, map(self.commit_of, [*refs, "HEAD"])), "")
        if not found:
            raise ConfigError("--clone", str(self.folder), "has no commit yet", "commit something first")
        return found

    @property
    def branch(self) -> str:
        """The branch that is checked out, "" for none."""
        try:
            return git.run(self.folder, "symbolic-ref", "--quiet", "--short", "HEAD").strip()
        except git.GitError:
            return ""

    def text(self, commit: str, path: str) -> str | None:
        """The plain file ``path`` of ``commit``; None where there is none."""
        return git.read(self.folder, commit, path)

    def commit(self, base: str, texts: Mapping[str, str], message: str, branch: str) -> str:
        """Put a commit with ``texts`` (by path) on ``base``, and let ``branch`` name it; the commit."""
        if not _BRANCH.fullmatch(branch) or branch.endswith(".lock"):
            raise ConfigError("--branch", branch, "is no name of a branch", "use letters, digits, - . and /")
        blobs = {path: self._blob(text) for path, text in texts.items()}
        with tempfile.TemporaryDirectory(prefix="tfce-") as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            git.run(self.folder, "read-tree", base, extra=index)
            self._enter(blobs, index)
            tree = git.run(self.folder, "write-tree", extra=index).strip()
            note = Path(folder) / "message"
            note.write_text(message)
            made = git.run(
                self.folder, "commit-tree", tree, "-p", base, "-F", str(note), extra=self._who()
            ).strip()
        known = self.commit_of(f"refs/heads/{branch}")
        git.run(self.folder, "update-ref", "-m", "tfce", f"refs/heads/{branch}", made, known or "0" * len(made))
        if branch == self.branch:
            self._show(texts, blobs)
        return made

    def _blob(self, text: str) -> str:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="tfce-") as stream:
            stream.write(text)
            stream.flush()
            return git.run(self.folder, "hash-object", "-w", "--no-filters", "--", stream.name).strip()

    def _enter(self, blobs: Mapping[str, str], index: Mapping[str, str]) -> None:
        for path, blob in blobs.items():
            git.run(self.folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", extra=index)

    def _show(self, texts: Mapping[str, str], blobs: Mapping[str, str]) -> None:
        """The commit is checked out: let the files, and the index, say the same."""
        for path, text in texts.items():
            files.renew(trust.unlinked(self.folder, self.folder / path), text, 0o644)
        self._enter(blobs, {})

    def _who(self) -> dict[str, str]:
        """Who commits: as the clone's owner told git, else the user and host."""
        me = actor()
        usual = {"name": str(me["user"]), "email": f"{me['user']}@{me['host']}"}
        who = {}
        for field, otherwise in usual.items():
            told = self._setting(f"user.{field}") or otherwise
            for role in ("AUTHOR", "COMMITTER"):
                name = f"GIT_{role}_{field.upper()}"
                who[name] = os.environ.get(name) or told
        return who

    def _setting(self, name: str) -> str:
        try:
            return git.run(self.folder, "config", "--get", name, own=True).strip()
        except git.GitError:
            return ""

    def push(self, remote: str, branch: str) -> None:
        """Push ``branch`` with the user's own login, without hooks."""
        if not _REMOTE.fullmatch(remote):
            raise ConfigError("--push", remote, "is no name of a remote", "see `git remote`")
        git.run(self.folder, "push", "--quiet", "--", remote, f"refs/heads/{branch}", timeout=60, own=True)
