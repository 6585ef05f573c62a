"""``tfce report``: what happened and what is wrong, as one page for a browser that needs nothing else."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tfce import __version__
from tfce.app import assemble
from tfce.cli import other_hosts, plots, show
from tfce.config.cfg import load_queue, load_queues
from tfce.config.options import Queue
from tfce.model.account import GroupBy, lines
from tfce.model.errors import ConfigError, TfceError
from tfce.model.figures import figures, shown
from tfce.model.overview import Urgency
from tfce.model.redact import redacted
from tfce.model.timeline import Timeline
from tfce.pilots import report
from tfce.pilots.report import QueueReport
from tfce.store import named

log = logging.getLogger("tfce")
_OPTION = "--output"
_TEMPLATE = "report.html.j2"
_MODE = 0o644  # it holds no secret, and a web server may show it
_AT_ONCE = 16  # queues that are looked at side by side
_DAYS = 366


def arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of ``tfce report``."""
    sub.add_argument(
        "--days", type=_days, default=7, metavar="N", help="what happened in so many days (default 7)"
    )
    other_hosts.arguments(sub)
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.html", help="write the page there")


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= _DAYS):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_DAYS}")
    return int(text)


def write(options: argparse.Namespace, config: Path) -> int:
    """Write the page, of the queue that is named or of all."""
    path = named.target(_OPTION, options.output)
    reports = _queue_reports(config, options)
    for one in reports:
        other_hosts.say(one.status.facts.label, one.missing_journals)
    named.write(_OPTION, path, page(reports, datetime.now(UTC), options.days), _MODE)
    ill = sum(1 for one in reports if one.status.urgency is Urgency.PERSON)
    print(f"{path}: {show.queues(len(reports), ill)}")
    return 0


def _queue_reports(config: Path, options: argparse.Namespace) -> list[QueueReport]:
    queues, name = load_queues(config), options.queue
    if name is not None and name not in queues:
        load_queue(config, name)  # says what is wrong with it
    chosen = {label: queue for label, queue in queues.items() if name in (None, label)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda label: _queue_report(label, chosen[label], options), chosen))
    return sorted(found, key=lambda one: one.status.order)


def _queue_report(label: str, queue: Queue | ConfigError, options: argparse.Namespace) -> QueueReport:
    now = datetime.now(UTC)
    try:
        if isinstance(queue, ConfigError):
            raise queue
        fleet = assemble(other_hosts.reading(queue, options), log.debug, sharing=True).fleet
        return report.queue_report(fleet, fleet.announce(), now - timedelta(days=options.days), now)
    except TfceError as error:
        return report.failed(label, error, now)


def page(reports: Sequence[QueueReport], now: datetime, days: int) -> str:
    """The page's HTML. Whatever it shows is escaped, and made visible where it is no text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    since = now - timedelta(days=days)
    whole = sum((one.timeline for one in reports), Timeline())
    books = [one.book for one in reports if one.book]
    drawn = figures(whole, [one.meters for one in reports], books, since, now)
    return environment.get_template(_TEMPLATE).render(
        reports=[(one, _row(one, since, now)) for one in reports],
        drawn=[(grid, plots.plot(grid)) for grid in drawn],
        heads=_HEADS,
        now=now,
        days=days,
        shown=shown,
        width=plots.WIDTH,
        version=__version__,
        needing=sum(1 for one in reports if one.status.urgency is Urgency.PERSON),
    )


def _visible(value: Any) -> Any:
    """Text without secrets, and without what a browser would obey or not show."""
    if isinstance(value, int | float) or hasattr(value, "__html__"):
        return value
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in redacted(str(value)))


_HEADS = (
    "Queue",
    "State",
    "Pilots now",
    "At most",
    "Started",
    "Refused",
    "Ended",
    "VM hours",
    "Last success",
    "Swept",
)


def _row(one: QueueReport, since: datetime, now: datetime) -> tuple[str, ...]:
    """The cells of a queue's row, after its name."""
    facts, seen = one.status.facts, one.timeline.between(since, now)
    books = [one.book] if one.book else []
    kinds = ", ".join(f"{number} {kind}" for kind, number in facts.pilots.items())
    return (
        one.status.urgency.value,
        kinds or (f"{facts.wanted} in the record" if facts.wanted else "none"),
        "-" if facts.total is None else str(facts.total),
        *(str(len(facts)) for facts in (seen.started, seen.refused, seen.ends)),
        shown(sum(used.seconds for used in lines(books, GroupBy.QUEUE, since, now, now)) / 3600),
        show.ago(facts.succeeded, now),
        show.ago(facts.swept, now),
    )
