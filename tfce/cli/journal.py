"""``tfce history``: what was done to the pilots, by whom, when and why."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from tfce.cli import other_hosts, tables, terminal
from tfce.config.options import Queue
from tfce.model.errors import TfceError
from tfce.model.journals import MissingJournal
from tfce.pilots.history import HistoryEntry, history_entries
from tfce.store.other_hosts import merged_journal


def history(queues: Iterable[Queue], options: argparse.Namespace) -> int:
    """Show it; the worst of the exit codes."""
    found, missing_journals, code = list[HistoryEntry](), dict[str, tuple[MissingJournal, ...]](), 0
    for queue in queues:
        try:
            happened, missing_journals[queue.label] = _of(queue, options)
            found += happened
        except TfceError as error:
            terminal.say(f"{queue.label} is left out: {error.message}")
            code = max(code, error.exit_code)
    found.sort(key=lambda one: one.time)
    for label, hosts in missing_journals.items():
        other_hosts.say(label, hosts)
    if options.json:
        lines = [{"queue": one.queue, **one.facts} for one in found]
        missing = {label: [vars(one) for one in hosts] for label, hosts in missing_journals.items() if hosts}
        tables.show_json({"history": lines, "missing_journals": missing})
    else:
        print(tables.history_table(found))
    return code


def _of(queue: Queue, options: argparse.Namespace) -> tuple[list[HistoryEntry], tuple[MissingJournal, ...]]:
    workspace = other_hosts.current(queue, options)
    here = merged_journal(workspace, options.since)
    return history_entries(
        workspace, here.entries, options.since, options.until, options.pilot
    ), here.missing_journals
