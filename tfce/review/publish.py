"""The scale of queues as one commit a while, with its summary."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tfce.model.pilot import scale_text
from tfce.model.plurals import counted
from tfce.review import git
from tfce.review.commits import Clone
from tfce.store.workspace import Workspace


@dataclass(frozen=True)
class PilotChange:
    """How a queue's pilots changed since the last commit."""

    label: str
    path: str
    text: str
    before: frozenset[str]
    after: frozenset[str]

    def __str__(self) -> str:
        came, went = len(self.after - self.before), len(self.before - self.after)
        return f"{self.label}: {len(self.before)} -> {len(self.after)} (+{came}, -{went})"


def publish(
    clone: Clone, workspaces: Collection[Workspace], branch: str = "", below: str = ""
) -> list[PilotChange]:
    """Commit what pilots ``workspaces`` have, on ``branch`` (default: the one that is checked out), in one commit.
    What changed; nothing: there is no commit."""
    name = branch or clone.branch
    if not name:
        raise git.GitError("no branch is checked out there", "add --branch NAME")
    base = clone.commit_of(f"refs/heads/{name}") or clone.base()
    found = [one for workspace in workspaces if (one := _change(clone, base, workspace, below)) is not None]
    if found:
        clone.commit(base, {one.path: one.text for one in found}, message(found), name)
    return found


def _change(clone: Clone, base: str, workspace: Workspace, below: str) -> PilotChange | None:
    if not workspace.exists:
        return None
    record = workspace.load()
    path = f"{below}/{workspace.review_copies.scale_file}" if below else workspace.review_copies.scale_file
    text = scale_text(record.pilots, record.installation)
    old = _committed(clone, base, path)
    if old == text:
        return None
    return PilotChange(workspace.queue.label, path, text, _keys(old), frozenset(record.pilots))


def _committed(clone: Clone, base: str, path: str) -> str:
    try:
        return clone.text(base, path) or ""
    except git.GitError:
        return ""


def _keys(text: str) -> frozenset[str]:
    try:
        pilots = json.loads(text)["pilots"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return frozenset()
    return frozenset(pilots) if isinstance(pilots, Mapping) else frozenset()


def message(found: Collection[PilotChange]) -> str:
    """What the commit says."""
    now = sum(len(one.after) for one in found)
    came = sum(len(one.after - one.before) for one in found)
    went = sum(len(one.before - one.after) for one in found)
    head = f"Scale: {counted(now, 'pilot')} in {counted(len(found), 'queue')} (+{came}, -{went})"
    return "\n".join([head, "", *map(str, found), ""])
