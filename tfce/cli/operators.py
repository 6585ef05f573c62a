"""The commands that tell a queue what to do from now on."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from tfce.app import Parts
from tfce.cli import times
from tfce.cli.tables import show_json
from tfce.model.allocation import Balance
from tfce.model.drain import Drain
from tfce.model.errors import ConfigError
from tfce.model.hold import Hold
from tfce.model.pilot import timestamp
from tfce.model.why import Demand


def drain_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of ``tfce drain``."""
    sub.add_argument("--image", default="", metavar="ID", help="only pilots of this image; others are started")
    sub.add_argument(
        "--older-than", type=times.age, default=0, metavar="AGE", help="with --deadline: only these go (12h, 2d)"
    )
    sub.add_argument(
        "--deadline",
        type=times.future,
        metavar="TIME",
        help=f"remove what still runs then: {times.FUTURE}",
    )
    sub.add_argument("--undo", action="store_true", help="start pilots again")


def drain(parts: Parts, options: argparse.Namespace) -> int:
    """Write down what the operator wants, and say it."""
    if options.undo and (options.image or options.older_than or options.deadline):
        raise ConfigError("--undo", "", "ends the drain as a whole", "give it alone")
    if options.older_than and options.deadline is None:
        raise ConfigError("--older-than", str(options.older_than), "says what a deadline ends", "add --deadline")
    now = datetime.now(UTC).replace(microsecond=0)
    wanted = None if options.undo else Drain(now, options.image, options.older_than, options.deadline)
    before = parts.fleet.drain(wanted)
    if options.json:
        show_json({"drain": wanted.to_json() if wanted else None})
    else:
        print(_said(parts.workspace.queue.label, wanted, before))
    return 0


def _said(label: str, wanted: Drain | None, before: Drain | None) -> str:
    if wanted is None:
        return f"{label}: starts pilots again" if before else f"{label}: was not drained"
    return f"{label}: {wanted}; `tfce drain {label} --undo` ends it"


def why(parts: Parts, options: argparse.Namespace) -> int:
    """Say the first cause with its cure, then what else was found."""
    queue = parts.workspace.queue
    found = parts.fleet.why(_demand(queue.ce, queue.name))
    calls = dict(parts.cloud.calls)
    if options.json:
        rows = [{"subject": one.subject.value, "text": one.text, "cure": one.cure} for one in found]
        show_json({"cause": rows[0], "also": rows[1:], "calls": calls})
    else:
        print(f"{parts.workspace.queue.label}: {found[0]}")
        print(*(f"also: {one}" for one in found[1:]), sep="\n", end="\n" if found[1:] else "")
    return 0


def balance_json(there: Balance) -> dict[str, Any]:
    """How an allocation stands, for programs; amounts in its own unit."""
    return {
        "allocation": str(there.allocation),
        "unit": there.allocation.unit.value,
        "currency": there.allocation.currency,
        "from": timestamp(there.start),
        "to": timestamp(there.end),
        "allotted": there.units(there.allocation.most),
        "spent": there.units(there.spent),
        "bound": there.units(there.bound),
        "left": there.units(there.left),
        "unknown": sorted(there.unknown),
    }


def _demand(ce: str, queue: str) -> Demand | None:
    """What DIRAC says of its jobs; None on a host without it."""
    try:
        from tfce.Resources.demand import demand
    except ImportError:
        return None
    return demand(ce, queue)


def hold_json(hold: Hold | None) -> dict[str, Any] | None:
    """What keeps a queue from starting pilots, for programs."""
    if hold is None:
        return None
    return {"kind": hold.kind.value, "text": hold.text, "cure": hold.cure, "may_start": hold.most}


def hold_lines(hold: Hold | None) -> list[str]:
    """The same for people; no line where nothing does."""
    return [] if hold is None else [f"starts {hold.most or 'no'} pilots now: {hold}"]
