"""What the commands print: tables for people, dictionaries for ``--json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tfce.cli.show import ago, span, table
from tfce.config.options import Queue
from tfce.model import vm_spec
from tfce.model.pilot import reference, timestamp
from tfce.model.plurals import counted
from tfce.model.vm import VM
from tfce.pilots.audit import Row
from tfce.pilots.execute import Removal
from tfce.pilots.fleet import SeenPilot, Submission, Sweep
from tfce.pilots.history import HistoryEntry


def show_json(value: Mapping[str, Any]) -> None:
    """Print what a program asked for with ``--json``."""
    print(json.dumps(value, indent=2))


def cost(calls: dict[str, int], seconds: float) -> str:
    """A cycle's cost in words: API calls by action, and seconds."""
    each = ", ".join(f"{name} {number}" for name, number in sorted(calls.items())) or "none"
    return f"{counted(sum(calls.values()), 'API call')} ({each}), {seconds:.1f} s"


def submission_json(submission: Submission) -> dict[str, Any]:
    """A submission as ``tfce submit --json`` prints it."""
    return {
        "references": submission.references,
        "stamps": submission.stamps,
        "failed": [
            {"key": key, "reason": str(why), "kind": why.kind.value} for key, why in submission.failed.items()
        ],
        "calls": dict(submission.calls),
        "seconds": round(submission.seconds, 3),
        "limited": submission.limited,
    }


def submission_table(submission: Submission) -> str:
    """A submission for people."""
    rows = [(stamp, ref, "") for ref, stamp in submission.stamps.items()]
    rows += [(key, "-", str(reason)) for key, reason in submission.failed.items()]
    limited = [f"fewer than asked for: {submission.limited}"] if submission.limited else []
    lines = [table(("STAMP", "REFERENCE", "FAILED"), rows), *limited, cost(submission.calls, submission.seconds)]
    return "\n".join(lines)


def status_rows(queue: Queue, seen: Iterable[SeenPilot]) -> list[dict[str, Any]]:
    """The pilots of ``queue`` as ``tfce status --json`` prints them."""
    return [seen_row(one, datetime.now(UTC), queue.workspace.name_prefix) for one in seen]


def seen_row(one: SeenPilot, now: datetime, prefix: str) -> dict[str, Any]:
    key = one.pilot.key
    known = one.vm.reference if one.vm else (reference(one.pilot.id) if one.pilot.id else None)
    return {
        "reference": known,
        "stamp": key,
        "name": one.vm.name if one.vm else prefix + key,
        "state": one.state,
        "node_state": one.vm.raw_state if one.vm else None,
        "born": timestamp(one.pilot.requested_at),
        "age_s": int((now - one.pilot.requested_at).total_seconds()),
        **dict.fromkeys(vm_spec.NAMES, ""),
        **one.spec.to_json(),
    }


def status_table(rows: Iterable[dict[str, Any]]) -> str:
    """A status for people."""
    shown = [{**row, "born": f"{row['born']} ({span(row['age_s'])} ago)"} for row in rows]
    some = [name for name in ("network", "market") if any(row.get(name) for row in shown)]
    names = ("reference", "stamp", "name", "state", "node_state", "born", "flavor", "zone", *some)
    return table([name.upper() for name in names], [[row.get(name) or "-" for name in names] for row in shown])


def by_image(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many pilots there are of each image."""
    return dict(Counter(str(row.get("image") or "-") for row in rows).most_common())


def image_lines(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The same for people."""
    counted = by_image(rows)
    return [f"images: {', '.join(f'{number} of {image}' for image, number in counted.items())}"] if counted else []


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """A sweep as ``tfce reap --json`` prints it."""
    return {
        "removed": [_removal(removal) for removal in sweep.removed],
        "failed": [{"reference": ref, "reason": reason} for ref, reason in sweep.failed.items()],
        "held": [_removal(removal) for removal in sweep.held],
        "adopted": sweep.adopted,
        "absent": sweep.absent,
        "later": sweep.later,
        "looked_only": sweep.looked_only,
        "kept": sweep.kept,
        "calls": dict(sweep.calls),
        "seconds": round(sweep.seconds, 3),
    }


def _removal(removal: Removal) -> dict[str, Any]:
    return {
        "reference": removal.reference,
        "name": removal.name,
        "cause": removal.reason.cause.value if removal.reason.cause else None,
        "reason": str(removal.reason),
        "lived_s": removal.lived,
    }


def sweep_table(sweep: Sweep, head: str = "REMOVED") -> str:
    """A sweep for people."""
    rows = [_removal_row(removal) for removal in sweep.removed]
    rows += [_removal_row(removal, "held back: ") for removal in sweep.held]
    rows += [(ref, "-", "-", f"FAILED: {reason}") for ref, reason in sweep.failed.items()]
    rows += [(ref, "-", "-", "the cloud knows no such VM") for ref in sweep.absent]
    rows += [(ref, "-", "-", "not listed yet: its removal is remembered") for ref in sweep.later]
    lines = [table((head, "NAME", "LIVED_S", "REASON"), rows)] if rows else ["nothing to remove"]
    lines += ["nothing was removed: tfce only looked"] if sweep.looked_only else []
    lines += [f"taken back into the record: {', '.join(sweep.adopted)}"] if sweep.adopted else []
    return "\n".join([*lines, f"{sweep.kept} kept; {cost(sweep.calls, sweep.seconds)}"])


def _removal_row(removal: Removal, held: str = "") -> tuple[object, ...]:
    shown = _removal(removal)
    lived = "-" if shown["lived_s"] is None else shown["lived_s"]
    return shown["reference"] or "-", shown["name"], lived, f"{held}{shown['reason']}"


def audit_table(rows: Iterable[Row]) -> str:
    """An audit for people."""
    marks = {True: "yes", False: "-"}
    heads = ("KEY", "REFERENCE", "RECORD", "STATE", "CLOUD", "VERDICT", "CURE")
    return table(
        heads,
        [
            (
                r.key,
                r.reference,
                marks[r.recorded],
                marks[r.state],
                r.cloud,
                r.verdict,
                r.cure,
            )
            for r in rows
        ],
    )


def left_over_rows(nodes: Iterable[VM], now: datetime) -> list[dict[str, Any]]:
    """CloudCE's VMs as ``tfce migrate --json`` prints them; ``age_s`` is None where the cloud tells no age."""
    return [
        {
            "reference": node.reference,
            "name": node.name,
            "state": node.state.value,
            "age_s": int((now - node.created).total_seconds()) if node.created else None,
        }
        for node in sorted(nodes, key=lambda node: (node.created or now, node.name))
    ]


def left_over_table(rows: Sequence[dict[str, Any]]) -> str:
    """CloudCE's VMs for people."""
    names = ("reference", "name", "state", "age_s")
    cells = [["-" if row[name] is None else row[name] for name in names] for row in rows]
    return table([name.upper() for name in names], cells) if rows else "no VM is left over"


def history_table(found: Sequence[HistoryEntry]) -> str:
    """What was done to queues, for people; which one where it is not always the same."""
    now, several = datetime.now(UTC), len({one.queue for one in found}) > 1
    rows = [_history_row(one, now)[0 if several else 1 :] for one in found]
    heads = ("QUEUE", "TIME", "EVENT", "PILOTS", "WHAT", "BY")
    return table(heads[0 if several else 1 :], rows) if rows else "nothing is recorded of that"


def _history_row(one: HistoryEntry, now: datetime) -> tuple[object, ...]:
    return one.queue, ago(one.time, now), one.event, one.pilots or "-", one.what, one.who or "-"
