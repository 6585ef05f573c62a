"""What each command does: one function a command, which returns the process's exit code."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from tfce import app
from tfce.app import Parts, assemble
from tfce.cli import account as accounts
from tfce.cli import (
    auditing,
    drifting,
    journal,
    monitoring,
    operators,
    other_hosts,
    overview,
    pull_requests,
    rendering,
    reporting,
    reviewing,
    selection,
    show,
    tables,
    terminal,
)
from tfce.config import trust
from tfce.config.cfg import load_queue, load_queues
from tfce.config.options import Queue
from tfce.model.errors import ConfigError
from tfce.model.reasons import Kind
from tfce.pilots.fleet import Submission, Sweep
from tfce.pilots.submission import failure_kind
from tfce.store.workspace import Workspace

DONE, PARTLY, UNREACHABLE = 0, 1, 3
_MOST = 2**26  # bytes of references: those of a million pilots
_UNREACHABLE_KINDS = (Kind.UNREACHABLE, Kind.AUTHENTICATION)


def _queue(options: argparse.Namespace) -> Queue:
    return other_hosts.reading(load_queue(_config(options), options.queue), options)


def _config(options: argparse.Namespace) -> Path:
    name = options.config or os.environ.get("TFCE_CONFIG")
    if not name:
        raise ConfigError("--config", "", "no configuration is named", "add --config FILE, or set TFCE_CONFIG")
    return Path(name)


def _parts(options: argparse.Namespace) -> Parts:
    parts = assemble(_queue(options), announce=terminal.say)
    for line in parts.workspace.review_status.lines() if parts.workspace.review_status else ():
        terminal.say(line)
    return parts


def render(options: argparse.Namespace) -> int:
    return rendering.render(_queue(options), options)


def propose(options: argparse.Namespace) -> int:
    return reviewing.propose(_queue(options), options)


def publish(options: argparse.Namespace) -> int:
    found = _selected(options)
    return reviewing.publish(found.queues, options) or found.code


def _selected(options: argparse.Namespace) -> selection.Selection:
    """The queue that is named, else all."""
    return selection.selected(_config(options), [options.queue] if options.queue else ())


def plan(options: argparse.Namespace) -> int:
    if options.pull_request:
        return pull_requests.pull_request(lambda: _queue(options), options)
    from tfce.cli import planning

    return planning.plan(_queue(options), refresh=not options.no_refresh, as_json=options.json)


def submit(options: argparse.Namespace) -> int:
    wrapper = rendering.wrapper_text(options.wrapper)
    parts = _parts(options)
    with nullcontext(_ignore) if options.json else show.progress(f"asking for {options.count} pilots") as say:
        submission = parts.fleet.submit(wrapper, options.count, progress=say, ignore_limits=True)
    if options.json:
        tables.show_json(tables.submission_json(submission))
    else:
        print(tables.submission_table(submission))
    return submission_code(submission)


def _ignore(text: str) -> None:
    """Progress that nobody watches."""


def submission_code(submission: Submission) -> int:
    if not submission.failed:
        return PARTLY if submission.limited else DONE
    nothing = not submission.stamps and not submission.stopped
    return UNREACHABLE if nothing and failure_kind(submission.failed) in _UNREACHABLE_KINDS else PARTLY


def status(options: argparse.Namespace) -> int:
    if options.queue is None:
        return overview.status(options, _config(options))
    if options.watch:
        raise ConfigError("--watch", str(options.watch), "is for all queues", "leave CE/QUEUE out")
    parts = _parts(options)
    start = time.monotonic()
    look = parts.fleet.look()
    rows = tables.status_rows(parts.workspace.queue, look.seen)
    calls, seconds = dict(parts.cloud.calls), round(time.monotonic() - start, 3)
    if options.json:
        tables.show_json(
            {
                "pilots": rows,
                "images": tables.by_image(rows),
                "held": operators.hold_json(look.held),
                "review": reviewing.json(parts),
                "allocations": [operators.balance_json(one) for one in look.balances],
                "calls": calls,
                "seconds": seconds,
            }
        )
    else:
        print(tables.status_table(rows))
        lines = *tables.image_lines(rows), *look.balances, *operators.hold_lines(look.held)
        print(*lines, tables.cost(calls, seconds), sep="\n")
    return DONE


def why(options: argparse.Namespace) -> int:
    return operators.why(_parts(options), options)


def drain(options: argparse.Namespace) -> int:
    return operators.drain(_parts(options), options)


def reap(options: argparse.Namespace) -> int:
    sweep = _parts(options).fleet.reap(dry_run=options.dry_run)
    return _show_sweep(sweep, options.json, "WOULD GO" if sweep.looked_only else "REMOVED")


def kill(options: argparse.Namespace) -> int:
    sweep = _parts(options).fleet.kill(options.reference)
    return _show_sweep(sweep, options.json, "REMOVED")


def _show_sweep(sweep: Sweep, as_json: bool, head: str) -> int:
    if as_json:
        tables.show_json(tables.sweep_json(sweep))
    else:
        print(tables.sweep_table(sweep, head))
    return PARTLY if sweep.failed or sweep.absent else DONE


def log(options: argparse.Namespace) -> int:
    parts = _parts(options)
    found = parts.fleet.log(options.pilot, options.lines)
    if options.json:
        told = {
            "events": [one.facts for one in found.events],
            "missing_journals": [vars(one) for one in found.missing_journals],
        }
        tables.show_json({**vars(found), **told, "calls": dict(parts.cloud.calls)})
    else:
        print(found.text(show.since))
    return PARTLY if found.trouble else DONE


def history(options: argparse.Namespace) -> int:
    there = _selected(options)
    return max(there.code, journal.history(there.queues, options))


def account(options: argparse.Namespace) -> int:
    return accounts.account(options, _config(options))


def report(options: argparse.Namespace) -> int:
    return reporting.write(options, _config(options))


def audit(options: argparse.Namespace) -> int:
    if bool(options.queue) == options.all:
        raise ConfigError("--all", "", "one queue is named, or all are meant", "give CE/QUEUE or --all, not both")
    if options.references and (options.all or options.drift):
        raise ConfigError("--references", str(options.references), "is for one queue's audit", "give CE/QUEUE")
    names = list(load_queues(_config(options))) if options.all else [options.queue]
    if options.drift:
        return drifting.drift(_config(options), names, options.json)
    known = _lines(options.references) if options.references else None
    return (
        auditing.every(_config(options), names, options.json)
        if options.all
        else auditing.one(_parts(options), known, options.json)
    )


def _lines(path: Path) -> list[str]:
    try:
        return trust.read_given(path, _MOST, regular=False).decode("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise ConfigError("--references", str(path), reason, "name a file with one reference a line") from None


def repair(options: argparse.Namespace) -> int:
    lines = _parts(options).fleet.repair()
    if options.json:
        tables.show_json({"done": lines})
        return DONE
    print("\n".join(lines) or "nothing was damaged")
    return DONE


def doctor(options: argparse.Namespace) -> int:
    from tfce.cli import doctor

    if options.queue is None:
        return doctor.every(_config(options), options.json)
    return doctor.one(_queue(options), options.json)


def metrics(options: argparse.Namespace) -> int:
    return monitoring.metrics(options, lambda: _config(options))


def completion(options: argparse.Namespace) -> int:
    from tfce.cli.completion import script
    from tfce.cli.parser import parser

    print(script(parser(), options.shell), end="")
    return DONE


def migrate(options: argparse.Namespace) -> int:
    from tfce.pilots import migration

    parts = _parts(options)
    rows = tables.left_over_rows(migration.left_over(parts.workspace, parts.cloud), datetime.now(UTC))
    statement = migration.statement(parts.workspace.queue.ce)
    if options.json:
        tables.show_json({"vms": rows, "statement": statement, "calls": dict(parts.cloud.calls)})
    else:
        print(tables.left_over_table(rows))
        print(f"\nTheir pilots become Terraform's with this, in PilotAgentsDB:\n{statement}")
    return DONE


def move_state(options: argparse.Namespace) -> int:
    place, pilots = app.move_state(_queue(options), options.backend)
    print(f"{pilots} pilots are in {place} now; set Terraform_Backend = {options.backend} on every host")
    return DONE


def path(options: argparse.Namespace) -> int:
    print(Workspace(_queue(options)).private)
    return DONE


def demo(options: argparse.Namespace) -> int:
    from tfce.cli.demo import demonstrate

    return demonstrate(options.port)


def queues(options: argparse.Namespace) -> int:
    print("\n".join(load_queues(_config(options))))
    return DONE
