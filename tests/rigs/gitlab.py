"""A server of states that answers as GitLab's API does, which differs from what Terraform's http backend asks of a
server (GitLab 18's `lib/api/terraform/state.rb` and the services behind it say how):

- Each number of a state is a version of its own: one that is there already is refused (422), and what is read is
  the highest, not the last.
- A lock is a version-less state: reading it gives 204. Who comes second gets 409; what is written past a lock,
  500; a lock without Terraform's seven words, 400.
- Removing says 200 also where a lock keeps the state. A removed state is there until a worker went over it: until
  then all but that is refused (422).
- What is too long is refused (413), and so is a token whose role does not suffice, or a state that a rule protects
  (403), all but reading it.
- The lock's ID in the body counts where the body is said to be JSON, or nothing is said of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.rigs.statehttp import Answer, Memory, StateServer, lock_id

_WORDS = ("ID", "Operation", "Info", "Who", "Version", "Created", "Path")
_WORKER = 1.0  # seconds until what was removed is gone


class GitLab(StateServer):
    """The states of one project, by path. ``largest``: bytes of a state, 0 for any; ``protected``: whether a rule
    lets nobody write who is no pipeline."""

    def __init__(self) -> None:
        super().__init__()
        self.largest, self.protected = 0, False
        self._versions: dict[str, dict[int, bytes]] = {}
        self._removed: dict[str, float] = {}

    def memory(self) -> Memory:
        """All that it has to keep."""
        return {**super().memory(), "versions": self._versions, "removed": self._removed}

    def remember(self, memory: Memory) -> None:
        """Have what was kept."""
        super().remember(memory)
        self._versions, self._removed = memory["versions"], memory["removed"]

    def backup(self) -> Callable[[], None]:
        """What puts back what is there now: the database and the files, as GitLab's own backup has them."""
        kept = {path: dict(versions) for path, versions in self._versions.items()}
        return lambda: self._versions.update(kept)

    def answer(self, method: str, path: str, ident: str, body: bytes) -> Answer:
        """Status and body of one request."""
        with self._lock:
            state = path.removesuffix("/lock")
            if self._removed.get(state, time.monotonic()) > time.monotonic():
                return 422, b""
            self._removed.pop(state, None)
            if self.protected and method != "GET":
                return 403, b'{"message":"403 Forbidden"}'
            if path.endswith("/lock"):
                return self._locking(method, state, body)
            return {"GET": self._read, "POST": self._write, "DELETE": self._remove}[method](state, ident, body)

    def _read(self, state: str, ident: str, body: bytes) -> Answer:
        versions = self._versions.get(state)
        if versions is None:
            return 404, b""
        return (200, versions[max(versions)]) if versions else (204, b"")

    def _write(self, state: str, ident: str, body: bytes) -> Answer:
        if self.largest and len(body) > self.largest:
            return 413, b""
        if lock_id(self.locks.get(state, b"")) != ident:
            return 500, b""
        number = json.loads(body)["serial"]
        if number in self._versions.setdefault(state, {}):
            return 422, b""
        self._versions[state][number] = body
        self.states[state] = self._versions[state][max(self._versions[state])]
        return 200, b""

    def _remove(self, state: str, ident: str, body: bytes) -> Answer:
        if state not in self._versions:
            return 404, b""
        if state not in self.locks:
            del self._versions[state]
            self.states.pop(state, None)
            self._removed[state] = time.monotonic() + _WORKER
        return 200, b""

    def _locking(self, method: str, path: str, body: bytes) -> Answer:
        if method == "POST":
            told = json.loads(body)
            if not all(isinstance(told.get(word), str) for word in _WORDS):
                return 400, b""
            self._versions.setdefault(path, {})
            held = self.locks.setdefault(path, body)
            return (200 if held is body else 409), held
        if method != "DELETE":
            return 405, b""
        if lock_id(body) and lock_id(self.locks.get(path, b"")) != lock_id(body):
            return 409, b""
        self._versions.setdefault(path, {})
        self.locks.pop(path, None)
        return 200, b""
