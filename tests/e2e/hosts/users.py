"""Users of this machine as whom hosts run, so that none can write another's files."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.rigs import mirror

_PROBE = "import os, sys, tests.e2e.hosts.agent; os.stat(sys.executable); os.listdir(sys.argv[1])"
_READING = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


@dataclass(frozen=True)
class User:
    """One of them. ``reading``: may read what is not its own, too, as where this Python lies in root's folder."""

    number: int
    group: int
    reading: bool = False

    @property
    def command(self) -> tuple[str, ...]:
        """What begins a command line that the user runs."""
        who = (f"--reuid={self.number}", f"--regid={self.group}", "--clear-groups")
        return ("setpriv", *who, *(_READING if self.reading else ()))

    def give(self, folder: Path) -> None:
        """Make the folder and all in it the user's own; the folder above lets everybody through."""
        folder.parent.chmod(0o711)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.number, self.group)

    def why_not(self) -> str:
        """Why it cannot run our programs; "" where it can."""
        words = [*self.command, sys.executable, "-c", _PROBE, str(mirror.ensure())]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stderr.strip()[-200:] or "it cannot" if done.returncode else ""


def some(number: int) -> tuple[list[User], str]:
    """So many of the machine's own users, none of them root, or none and the reason."""
    if os.geteuid() != 0:
        return [], "only root can be another user"
    if not shutil.which("setpriv"):
        return [], "no setpriv here"
    names = [one for one in pwd.getpwall() if one.pw_uid][:number]
    why = "too few users here"
    for reading in (False, True):
        found = [User(one.pw_uid, one.pw_gid, reading) for one in names]
        why = next((said for one in found if (said := one.why_not())), "")
        if len(found) == number and not why:
            return found, ""
    return [], why
