"""``tfce account``: what pilots used, for people, spreadsheets, programs and APEL."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tfce import __version__
from tfce.cli import other_hosts, selection, terminal, times
from tfce.cli.show import table
from tfce.cli.tables import show_json
from tfce.config.options import Queue
from tfce.model import apel
from tfce.model.account import GroupBy, QueueUsage, UsageRow, lines, within
from tfce.model.allocation import Period
from tfce.model.apel import ApelSite
from tfce.model.errors import ConfigError
from tfce.model.pilot import timestamp
from tfce.pilots.accounting import book

_LITTLE = 60  # seconds: VMs that failed at once are in no journal
_FORMATS = ("table", "csv", "json", "apel")
_COLUMNS = ("pilots", "vm_hours", "core_hours", "money", "currency", "fizzles")


def arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of ``tfce account``."""
    sub.add_argument("queue", nargs="*", metavar="CE/QUEUE", help="default: all queues of the configuration")
    sub.add_argument(
        "--from", dest="since", type=times.past, metavar="TIME", help=f"default: this month; {times.PAST}"
    )
    sub.add_argument("--to", dest="until", type=times.past, metavar="TIME", help="default: now")
    sub.add_argument(
        "--by", choices=[one.value for one in GroupBy], default="queue", help="what a row is (default queue)"
    )
    sub.add_argument("--format", choices=_FORMATS, default="table", help="default: table; apel: a record a VM")
    other_hosts.arguments(sub)
    sub.add_argument("--site", default="", metavar="NAME", help="apel: the site's name in the GOCDB")


def account(options: argparse.Namespace, config: Path) -> int:
    """Add up and print; 1 where a queue of the configuration had to be left out."""
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = options.since or Period.MONTH.around(now)[0], options.until or now
    if start >= end:
        raise ConfigError("--from", timestamp(start), f"is not before --to {timestamp(end)}", "swap them")
    found = selection.selected(config, options.queue)
    books = [book(other_hosts.current(queue, options), start, end) for queue in found.queues]
    for one in books:
        _warn(one, start)
        other_hosts.say(one.queue, one.missing_journals)
    if options.format == "apel":
        print(_message(options.site, found.queues, books, start, end, now))
    else:
        _SHOWN[options.format](options.by, lines(books, GroupBy(options.by), start, end, now), start, end)
    return found.code


def _warn(one: QueueUsage, start: datetime) -> None:
    """Say what cannot be known: a journal is kept up to a size."""
    if one.missing >= _LITTLE:
        begins = f", which begins at {timestamp(one.begins)}" if one.begins and one.begins > start else ""
        terminal.say(
            f"{one.queue}: {one.missing / 3600:.1f} VM hours more were counted than the journal knows{begins}"
        )


def _table(by: str, found: Sequence[UsageRow], start: datetime, end: datetime) -> None:
    heads = (by.upper(), "PILOTS", "VM HOURS", "CORE HOURS", "MONEY", "FIZZLES")
    rows = [_row(line) for line in found]
    print(table(heads, rows) if rows else "no pilot ran in that time")
    print(f"{timestamp(start)} to {timestamp(end)}, UTC")


def _row(line: UsageRow) -> tuple[object, ...]:
    cells = line.figures
    hours = [("unknown" if cells[name] is None else f"{cells[name]:.2f}") for name in ("vm_hours", "core_hours")]
    money = "-" if cells["money"] is None else f"{cells['money']:.2f} {line.currency}".rstrip()
    return line.name, line.pilots, *hours, money, line.fizzles


def _csv(by: str, found: Sequence[UsageRow], start: datetime, end: datetime) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("from", "to", by, *_COLUMNS))
    for line in found:
        cells = ("unknown" if line.figures[name] is None else line.figures[name] for name in _COLUMNS)
        writer.writerow((timestamp(start), timestamp(end), line.name, *cells))
    print(text.getvalue(), end="")


def _json(by: str, found: Sequence[UsageRow], start: datetime, end: datetime) -> None:
    rows = [{by: line.name, **line.figures} for line in found]
    show_json({"from": timestamp(start), "to": timestamp(end), "by": by, "rows": rows})


_SHOWN: dict[str, Callable[[str, Sequence[UsageRow], datetime, datetime], None]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
}


def _message(
    site: str, queues: Iterable[Queue], books: Iterable[QueueUsage], start: datetime, end: datetime, now: datetime
) -> str:
    if not site:
        raise ConfigError("--site", "", "APEL's records name the site", "add --site NAME, as in the GOCDB")
    records = []
    for queue, one in zip(queues, books, strict=True):
        cloud = f"tfce/{__version__} ({queue.endpoint.cloud})"
        where = ApelSite(site, queue.ce, cloud, queue.workspace.name_prefix)
        ran = (used for used in one.records if within(used, start, end, now))
        records += [apel.record(used, where, one.cores_of(used), now) for used in ran]
    return apel.message(records)
