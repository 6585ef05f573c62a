"""What a reviewed queue shows on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfce.app import Parts
from tfce.cloud.api import Check
from tfce.config.options import Queue
from tfce.model.errors import TfceError
from tfce.model.review import ReviewStatus
from tfce.review import approvals
from tfce.review import propose as proposing
from tfce.review import publish as publishing
from tfce.review.commits import Clone
from tfce.store.workspace import Workspace


def json(parts: Parts) -> dict[str, Any] | None:
    """How a queue stands, for programs; None: it is not reviewed."""
    return review_json(parts.workspace.review_status)


def review_json(seen: ReviewStatus | None) -> dict[str, Any] | None:
    """The same of a status that is known."""
    if seen is None:
        return None
    return {
        "approval": seen.approval.to_json() if seen.approval else None,
        "waiting": [vars(one) for one in seen.waiting],
        "trouble": seen.trouble,
    }


def checks(queue: Queue) -> Iterator[Check]:
    """What the preflight finds of the approval, asked for now; creates nothing."""
    if not queue.review.shape:
        return
    workspace = Workspace(queue)
    try:
        seen = approvals.preview(workspace, datetime.now(UTC))
    except TfceError as error:
        cure = error.cure or "see that Workspace_Approved can be read by this user, without a password"
        yield Check("approval", False, error.problem, cure)
        return
    if seen.hold:
        yield Check("approval", False, seen.hold.text, seen.hold.cure)
    elif seen.trouble:
        yield Check("approval", False, seen.trouble, "see that Workspace_Approved can be read by this user")
    else:
        cure = f"`tfce propose {queue.label}` writes a branch to merge" if seen.waiting else ""
        yield Check("approval", True, "; ".join([str(seen.approval), *seen.lines()]), cure)


def clone_arguments(sub: argparse.ArgumentParser, what: str) -> None:
    """The arguments of what writes commits."""
    sub.add_argument("--clone", type=Path, default=Path(), metavar="DIR", help="the git clone (default: here)")
    sub.add_argument("--branch", default="", metavar="NAME", help=what)
    sub.add_argument("--push", default="", metavar="REMOTE", help="push the branch there; without this nothing is")


def propose(queue: Queue, options: argparse.Namespace) -> int:
    """Write a branch with the shape that the options ask for, and say what it changes."""
    clone = Clone.at(options.clone)
    found, branch = proposing.propose(clone, queue, options.base, options.branch)
    if not branch:
        print(f"{queue.label}: what the options ask for is there already")
        return 0
    print(f"branch {branch}\n\n{proposing.message(found)}", end="")
    if options.push:
        clone.push(options.push, branch)
    return 0


def publish(queues: Sequence[Queue], options: argparse.Namespace) -> int:
    """Commit the scale of queues, all in one commit."""
    clone = Clone.at(options.clone)
    workspaces = [Workspace(queue) for queue in queues]
    below = next((proposing.below(queue).rstrip("/") for queue in queues), "")
    found = publishing.publish(clone, workspaces, options.branch, below)
    print(publishing.message(found) if found else "nothing changed since the last commit\n", end="")
    if options.push and found:
        clone.push(options.push, options.branch or clone.branch)
    return 0
