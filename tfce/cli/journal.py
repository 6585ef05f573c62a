"""``tfce history``: what was done to the pilots, by whom, when and why."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from tfce.cli import other_hosts, tables, terminal
from tfce.config.options import Queue
from tfce.model.errors import TfceError
from tfce.model.journals import Lacking
from tfce.pilots.history import HistoryEntry, history_entries
from tfce.store.other_hosts import told


def history(queues: Iterable[Queue], options: argparse.Namespace) -> int:
    """Show it; the worst of the exit codes."""
    found, lacking, code = list[HistoryEntry](), dict[str, tuple[Lacking, ...]](), 0
    for queue in queues:
        try:
            happened, lacking[queue.label] = _of(queue, options)
            found += happened
        except TfceError as error:
            terminal.say(f"{queue.label} is left out: {error.message}")
            code = max(code, error.exit_code)
    found.sort(key=lambda one: one.time)
    for label, hosts in lacking.items():
        other_hosts.say(label, hosts)
    if options.json:
        lines = [{"queue": one.queue, **one.facts} for one in found]
        missing = {label: [vars(one) for one in hosts] for label, hosts in lacking.items() if hosts}
        tables.show_json({"history": lines, "lacking": missing})
    else:
        print(tables.history_table(found))
    return code


def _of(queue: Queue, options: argparse.Namespace) -> tuple[list[HistoryEntry], tuple[Lacking, ...]]:
    workspace = other_hosts.current(queue, options)
    here = told(workspace, options.since)
    return history_entries(workspace, here.entries, options.since, options.until, options.pilot), here.lacking
