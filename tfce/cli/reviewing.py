"""What a reviewed queue shows on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tfce.app import Parts
from tfce.cloud.api import Check
from tfce.config.options import Queue
from tfce.model.errors import TfceError
from tfce.review import standing
from tfce.store.workspace import Workspace


def json(parts: Parts) -> dict[str, Any] | None:
    """How a queue stands, for programs; None: it is not reviewed."""
    seen = parts.workspace.standing
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
        seen = standing.peeked(workspace, datetime.now(UTC))
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
