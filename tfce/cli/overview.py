"""``tfce status`` without a queue: all of them, the worst first."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfce.app import survey
from tfce.cli import operators, reviewing, show
from tfce.model.allocation import Balance
from tfce.model.case import Condition
from tfce.model.overview import Problem, QueueStatus, Urgency
from tfce.model.pilot import timestamp
from tfce.model.review import ReviewStatus

HEADS = ("", "QUEUE", "PILOTS", "OF", "SPENT", "COST", "SHAPE", "LAST SUCCESS", "SWEPT", "BUSY", "WHAT")
_NOT_ALWAYS = ("SPENT", "COST", "SHAPE", "BUSY")  # columns that are left out where no queue has anything there
_NAMES = {Condition.HEALTHY.value: "running"}


def status(options: argparse.Namespace, path: Path) -> int:
    """Show all queues, once or again and again; 1 when one needs a person."""
    while True:
        start = time.monotonic()
        lines = survey(path)
        code = int(any(line.urgency is Urgency.PERSON for line in lines))
        _show(lines, options, time.monotonic() - start)
        if not options.watch:
            return code
        time.sleep(options.watch)


def _show(lines: Sequence[QueueStatus], options: argparse.Namespace, seconds: float) -> None:
    from tfce.cli.tables import show_json

    now = datetime.now(UTC)
    if options.json:
        show_json({"queues": [line_json(line) for line in lines], "seconds": round(seconds, 3)})
        return
    if options.watch and sys.stdout.isatty():
        print("\x1b[2J\x1b[H", end="")
    print(show.table(*filled([row_of(line, now) for line in lines])))
    ill = sum(1 for line in lines if line.urgency is Urgency.PERSON)
    print(f"{show.queues(len(lines), ill)}; {timestamp(now)}, {seconds:.1f} s", flush=True)


def filled(rows: list[tuple[str, ...]]) -> tuple[list[str], list[list[str]]]:
    """The columns that say something, with their heads."""
    said = [n for n, head in enumerate(HEADS) if head not in _NOT_ALWAYS or any(row[n] != "-" for row in rows)]
    return [HEADS[n] for n in said], [[row[n] for n in said] for row in rows]


def row_of(line: QueueStatus, now: datetime) -> tuple[str, ...]:
    """The cells of a queue, in the order of ``HEADS``."""
    facts = line.facts
    bounds = [str(most) if most is not None else "-" for most in (facts.total, facts.waiting)]
    pilots = ", ".join(f"{number} {_NAMES.get(kind, kind)}" for kind, number in facts.pilots.items())
    return (
        line.urgency.value,
        facts.label,
        pilots or (f"{facts.wanted} in the record" if facts.wanted else "?" if facts.error else "none"),
        "/".join(bounds),
        ", ".join(map(_share, facts.spent)) or "-",
        _cost(facts.cost),
        _shape(facts.review),
        _age(facts.succeeded, now),
        _age(facts.swept, now),
        f"{facts.holding.who} ({_age(facts.holding.since, now)})" if facts.holding else "-",
        "; also: ".join(str(one) for one in line.problems) or "-",
    )


def _share(one: Balance) -> str:
    most, spent = one.allocation.most, one.spent
    return (
        f"{100 * spent / most:.0f}% of {one.allocation}" if most else f"{one.units(spent):.2f} of {one.allocation}"
    )


def _cost(month: Balance | None) -> str:
    if month is None:
        return "-"
    least = "at least " if month.unknown else ""
    return f"{least}{month.units(month.spent):.2f} {month.allocation.currency}".rstrip() + " this month"


def _shape(review: ReviewStatus | None) -> str:
    if review is None:
        return "-"
    if review.hold:
        return "not approved"
    return f"{len(review.waiting)} waiting" if review.waiting else "approved"


def _age(when: datetime | None, now: datetime) -> str:
    return "-" if when is None else f"{show.span(int((now - when).total_seconds()))} ago"


def line_json(line: QueueStatus) -> dict[str, Any]:
    """A queue as ``tfce status --json`` prints it."""
    facts, backoff, pending, holding = line.facts, line.facts.backoff, line.facts.pending, line.facts.holding
    return {
        "queue": facts.label,
        "need": line.urgency.value,
        "cloud": facts.cloud,
        "pilots": dict(facts.pilots),
        "wanted": facts.wanted,
        "limits": {"total": facts.total, "waiting": facts.waiting},
        "held": operators.hold_json(facts.hold),
        "backoff": backoff and {"failures": backoff.failures, "until": timestamp(backoff.until)},
        "protected": facts.protected,
        "drain": facts.drain and facts.drain.to_json(),
        "pending": pending
        and {"operation": pending.operation.value, "pilots": len(pending.keys), "since": timestamp(pending.since)},
        "lock": holding and {"holder": holding.who, "since": timestamp(holding.since)},
        "allocations": [operators.balance_json(one) for one in facts.spent],
        "cost": _cost_json(facts.cost),
        "review": reviewing.review_json(facts.review),
        "last_success": show.moment_json(facts.succeeded),
        "last_sweep": show.moment_json(facts.swept),
        "troubles": [_trouble(one) for one in line.problems],
    }


def _cost_json(month: Balance | None) -> dict[str, Any] | None:
    if month is None:
        return None
    spent, unknown = month.units(month.spent), sorted(month.unknown)
    return {
        "since": timestamp(month.start),
        "money": spent,
        "currency": month.allocation.currency,
        "unknown": unknown,
    }


def _trouble(one: Problem) -> dict[str, Any]:
    return {"text": one.text, "cure": one.cure, "person": one.person}
