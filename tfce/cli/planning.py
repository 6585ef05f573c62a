"""``tfce plan``: what Terraform would do, and what new pilots would be, tried on a copy of the workspace."""

from __future__ import annotations

import difflib

from tfce.app import assemble
from tfce.cli import terminal
from tfce.cli.tables import show_json
from tfce.cloud.api import Requirements
from tfce.cloud.factory import connect
from tfce.config import credentials
from tfce.config.options import Queue
from tfce.model.errors import CloudError, ConfigError, Fault, TerraformError, TfceError
from tfce.store import scratch
from tfce.store.workspace import Workspace
from tfce.terraform import variables
from tfce.terraform.results import Plan

_CHANGES = 2


def plan(queue: Queue, refresh: bool, as_json: bool) -> int:
    """Show the plan, and how the shape of new pilots differs from that of the last cycle. Takes no lock and writes
    nothing: ``queue`` may be a candidate."""
    before = Workspace(queue)
    with scratch.copied(queue) as copy:
        try:
            found, after = _tried(copy, before, refresh)
        except TerraformError as error:
            raise _explained(copy, error) from None
        wanted = _wanted(copy)
    diff = _difference(scratch.shape_of(before), after)
    if as_json:
        show_json({"changes": not found.empty, "plan": found.text, "shape": diff, "pilots": wanted})
    else:
        print(found.text)
        print("\n".join(_told(diff, wanted)), end="\n" if diff else "")
    return 0 if found.empty and not diff else _CHANGES


def _explained(queue: Queue, error: TerraformError) -> TfceError:
    """What of the options the cloud does not have, where it can say so: Terraform speaks of a line in a module."""
    try:
        cloud = connect(queue.endpoint, credentials.load(queue))
        cloud.vms(Workspace(queue).any_installation())
        wrong = [check for check in cloud.preflight(Requirements.of(queue)) if not check.ok]
    except CloudError as silent:
        return silent
    except TfceError:
        return error
    faults = [Fault(check.check, "", check.detail, check.cure) for check in wrong]
    if not faults:
        return error
    told = ConfigError.of(faults)
    told.exit_code = error.exit_code  # its own would say that there are changes
    return told


def _wanted(queue: Queue) -> int:
    record = Workspace(queue).file.salvaged()
    return len(record.pilots) if record else 0


def _tried(copy: Queue, before: Workspace, refresh: bool) -> tuple[Plan, str]:
    parts = assemble(copy, announce=terminal.say)
    for line in parts.workspace.review_status.lines() if parts.workspace.review_status else ():
        terminal.say(line)
    parts.workspace.refresh()
    with parts.workspace.locked(alone=True):
        parts.workspace.prepare()
        parts.terraform.prepare()
        if before.has_state:
            parts.workspace.contexts = before.contexts  # where the state says that user data is
        variables.write(parts.workspace)
    return parts.terraform.plan(refresh=refresh), scratch.shape_of(parts.workspace)


def _difference(old: str, new: str) -> list[str]:
    """What new pilots would be that the last ones were not; none for a queue that never had any."""
    if not old:
        return []
    found = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "the last cycle", "the next one", "", "", 0, ""
    )
    return [line for line in found if line[:2] != "@@"]


def _told(diff: list[str], wanted: int) -> list[str]:
    if not diff:
        return []
    kept = f"the {wanted} pilots that are there keep what they have" if wanted else "no pilot is there"
    return ["", f"New pilots would differ from those of the last cycle; {kept}:", *diff]
