"""Servers of states that have on disk what they were told to write before they answer, each a process of its own:
`python -m tests.rigs.kept_states PORT FOLDER http|gitlab`. `kept` starts and kills it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.rigs.fate import UNANSWERED, UNDONE, Fate
from tests.rigs.gitlab import GitLab
from tests.rigs.statehttp import Answer, StateServer


class KeptStates(StateServer):
    """One that has its data in ``folder``."""

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__()
        self.port, self._fate, self._one = port, Fate(folder), threading.Lock()
        if kept := self._fate.kept():
            self.remember(kept)

    def answer(self, method: str, path: str, ident: str, body: bytes) -> Answer:
        """Status and body of one request; one after the other."""
        with self._one:
            if method == "GET":
                return super().answer(method, path, ident, body)
            self._fate.at(UNDONE)
            answer = super().answer(method, path, ident, body)
            self._fate.keep(self.memory())
            self._fate.at(UNANSWERED)
            return answer


class KeptGitLab(KeptStates, GitLab):
    """GitLab's answers, kept."""


KINDS = {"http": KeptStates, "gitlab": KeptGitLab}

if __name__ == "__main__":
    with KINDS[sys.argv[3]](int(sys.argv[1]), Path(sys.argv[2])):
        threading.Event().wait()
