"""``tfce``: the operators' commands. Tables for people, ``--json`` for programs."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfce import __version__
from tfce.app import Parts, assemble
from tfce.config.cfg import load_queue, queue_names
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, TfceError
from tfce.model.pilot import timestamp
from tfce.model.verdict import Removal
from tfce.model.vm import VM
from tfce.pilots.consoles import LINES
from tfce.pilots.fleet import Seen, Submission, Sweep
from tfce.pilots.submit import failure_kind, recipe_for
from tfce.store.workspace import Workspace

DONE, PARTLY, USAGE, UNREACHABLE = 0, 1, 2, 3
_PLAN_HAS_CHANGES = 2
_UNREACHABLE_KINDS = ("unreachable", "authentication", "terraform")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code. Never shows a traceback for a user's mistake."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="tfce: %(message)s", stream=sys.stderr)
    # A service manager's SIGTERM ends a command like Ctrl-C: what was begun is recorded first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code: int = options.run(options)
    except TfceError as error:
        print(f"tfce: {error.message}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("tfce: interrupted; the next command finds out what was begun", file=sys.stderr)
        return PARTLY
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PARTLY
    return code


# -- what the commands share -------------------------------------------------------------------------------


def _queue(options: argparse.Namespace) -> Queue:
    return load_queue(_config(options), options.queue)


def _config(options: argparse.Namespace) -> Path:
    name = options.config or os.environ.get("TFCE_CONFIG")
    if not name:
        raise ConfigError("--config", "", "no configuration is named", "add --config FILE, or set TFCE_CONFIG")
    return Path(name)


def _parts(options: argparse.Namespace) -> Parts:
    return assemble(_queue(options), announce=_say)


def _say(text: str) -> None:
    print(f"tfce: {text}", file=sys.stderr, flush=True)


def _json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """``rows`` under ``heads``, in columns."""
    lines = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def cost(calls: dict[str, int], seconds: float) -> str:
    """A cycle's cost in words: API calls by action, and seconds."""
    each = ", ".join(f"{name} {number}" for name, number in sorted(calls.items())) or "none"
    return f"{sum(calls.values())} API calls ({each}), {seconds:.1f} s"


# -- commands ----------------------------------------------------------------------------------------------


def _render(options: argparse.Namespace) -> int:
    if options.context:
        return _context(options)
    if options.wrapper:
        raise ConfigError("--wrapper", str(options.wrapper), "is for --context only", "add --context")
    workspace = Workspace(_queue(options))  # no credentials: a reviewer's checkout has none
    if options.check:
        diff = workspace.outdated()
        print(diff, end="")
        return PARTLY if diff else DONE
    with workspace.locked():
        workspace.prepare()
        before = workspace.outdated()
        workspace.render()
    for name in ("queue.tfvars", "scale.tfvars.json"):
        print(workspace.review / name, "" if str(workspace.review / name) in before else "(unchanged)")
    return DONE


_STAND_IN = b"#!/bin/bash\n# stands for the pilot wrapper\n"


def _context(options: argparse.Namespace) -> int:
    """What a VM would get, secrets masked; asks nothing of anybody."""
    from tfce import userdata

    queue = _queue(options)
    wrapper = _wrapper(options.wrapper) if options.wrapper else _STAND_IN
    own = queue.userdata.proxy_lifetime.lifetime(not options.wrapper or userdata.brings_proxy(wrapper))
    proxy = b"stands for the proxy\n" if own is not None else None
    if not options.wrapper:
        _say(f"no --wrapper: a stand-in of {len(wrapper)} bytes is in its place, so the real size is larger")
    if proxy:
        _say(f"the VM gets a proxy of its own: a stand-in of {len(proxy)} bytes is in its place")
    recipe = recipe_for(queue)
    print(userdata.preview(recipe, key="00000000", wrapper=wrapper, proxy=proxy), end="")
    userdata.render(recipe, key="00000000", wrapper=wrapper, proxy=proxy)  # too large is an error
    return DONE


def _wrapper(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError("--wrapper", str(path), str(error.strerror), "name the pilot wrapper") from None


def _plan(options: argparse.Namespace) -> int:
    parts = _parts(options)
    with parts.workspace.locked():
        parts.workspace.prepare()
        parts.terraform.prepare()
        parts.workspace.render()
    plan = parts.terraform.plan(refresh=not options.no_refresh)
    print(plan.text)
    return DONE if plan.empty else _PLAN_HAS_CHANGES


def _submit(options: argparse.Namespace) -> int:
    wrapper = _wrapper(options.wrapper)
    parts = _parts(options)
    progress = _say if not options.json else (lambda text: None)
    submission = parts.fleet.submit(wrapper, options.count, progress=progress, insist=True)
    if options.json:
        _json(submission_json(submission))
    else:
        print(submission_table(submission))
    return _submission_code(submission)


def submission_json(submission: Submission) -> dict[str, Any]:
    """A submission as ``tfce submit --json`` prints it."""
    return {
        "references": submission.references,
        "stamps": submission.stamps,
        "failed": [{"key": key, "reason": reason} for key, reason in submission.failed.items()],
        "calls": dict(submission.calls),
        "seconds": round(submission.seconds, 3),
        "limited": submission.limited,
    }


def submission_table(submission: Submission) -> str:
    """A submission for people."""
    rows = [(stamp, ref, "") for ref, stamp in submission.stamps.items()]
    rows += [(key, "-", reason) for key, reason in submission.failed.items()]
    limited = [f"fewer than asked for: {submission.limited}"] if submission.limited else []
    lines = [table(("STAMP", "REFERENCE", "FAILED"), rows), *limited, cost(submission.calls, submission.seconds)]
    return "\n".join(lines)


def _submission_code(submission: Submission) -> int:
    if not submission.failed:
        return PARTLY if submission.limited else DONE
    nothing = not submission.stamps and not submission.stopped
    return UNREACHABLE if nothing and failure_kind(submission.failed) in _UNREACHABLE_KINDS else PARTLY


def _status(options: argparse.Namespace) -> int:
    parts = _parts(options)
    start = time.monotonic()
    rows = status_rows(parts)
    calls, seconds = dict(parts.cloud.calls), round(time.monotonic() - start, 3)
    if options.json:
        _json({"pilots": rows, "calls": calls, "seconds": seconds})
    else:
        print(status_table(rows))
        print(cost(calls, seconds))
    return DONE


def status_rows(parts: Parts) -> list[dict[str, Any]]:
    """The queue's pilots as ``tfce status --json`` prints them."""
    seen = parts.fleet.status()
    ids = {} if all(one.node for one in seen) else parts.terraform.instances()
    prefix = parts.workspace.queue.workspace.name_prefix
    return [_seen_row(one, ids, datetime.now(UTC), prefix) for one in seen]


def _seen_row(one: Seen, ids: Any, now: datetime, prefix: str) -> dict[str, Any]:
    key = one.pilot.key
    known = one.node.reference if one.node else (f"cloud://{ids[key].id}" if key in ids else None)
    return {
        "reference": known,
        "stamp": key,
        "name": one.node.name if one.node else prefix + key,
        "state": one.state,
        "node_state": one.node.raw_state if one.node else None,
        "born": timestamp(one.pilot.born),
        "age_s": int((now - one.pilot.born).total_seconds()),
    }


def status_table(rows: Iterable[dict[str, Any]]) -> str:
    """A status for people."""
    names = ("reference", "stamp", "name", "state", "node_state", "born", "age_s")
    return table([name.upper() for name in names], [[row[name] or "-" for name in names] for row in rows])


def _reap(options: argparse.Namespace) -> int:
    sweep = _parts(options).fleet.reap(dry_run=options.dry_run)
    return _show_sweep(sweep, options.json, "WOULD GO" if options.dry_run else "REMOVED")


def _kill(options: argparse.Namespace) -> int:
    sweep = _parts(options).fleet.kill(options.reference)
    return _show_sweep(sweep, options.json, "REMOVED")


def _show_sweep(sweep: Sweep, as_json: bool, head: str) -> int:
    if as_json:
        _json(sweep_json(sweep))
    else:
        print(sweep_table(sweep, head))
    return PARTLY if sweep.failed or sweep.absent else DONE


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """A sweep as ``tfce reap --json`` prints it."""
    return {
        "removed": [_removal(removal) for removal in sweep.removed],
        "failed": [{"reference": ref, "reason": reason} for ref, reason in sweep.failed.items()],
        "held": [_removal(removal) for removal in sweep.held],
        "adopted": sweep.adopted,
        "absent": sweep.absent,
        "kept": sweep.kept,
        "calls": dict(sweep.calls),
        "seconds": round(sweep.seconds, 3),
    }


def _removal(removal: Removal) -> dict[str, Any]:
    node = removal.node
    return {
        "reference": node.reference if node else None,
        "name": node.name if node else removal.key,
        "reason": removal.reason,
        "lived_s": removal.lived,
    }


def sweep_table(sweep: Sweep, head: str = "REMOVED") -> str:
    """A sweep for people."""
    rows = [_removal_row(removal) for removal in sweep.removed]
    rows += [_removal_row(removal, "held back: ") for removal in sweep.held]
    rows += [(ref, "-", "-", f"FAILED: {reason}") for ref, reason in sweep.failed.items()]
    rows += [(ref, "-", "-", "the cloud knows no such VM") for ref in sweep.absent]
    lines = [table((head, "NAME", "LIVED_S", "REASON"), rows)] if rows else ["nothing to remove"]
    lines += [f"taken back into the roster: {', '.join(sweep.adopted)}"] if sweep.adopted else []
    return "\n".join([*lines, f"{sweep.kept} kept; {cost(sweep.calls, sweep.seconds)}"])


def _removal_row(removal: Removal, held: str = "") -> tuple[object, ...]:
    shown = _removal(removal)
    lived = "-" if shown["lived_s"] is None else shown["lived_s"]
    return shown["reference"] or "-", shown["name"], lived, f"{held}{shown['reason']}"


def _log(options: argparse.Namespace) -> int:
    parts = _parts(options)
    found = parts.fleet.log(options.pilot, options.lines)
    if options.json:
        _json({**vars(found), "calls": dict(parts.cloud.calls)})
    else:
        print(found.text())
    return PARTLY if found.trouble else DONE


def _audit(options: argparse.Namespace) -> int:
    parts = _parts(options)
    known = _lines(options.references) if options.references else None
    rows = parts.fleet.audit(known)
    mismatches = sum(1 for row in rows if row.mismatch)
    label = parts.workspace.queue.label
    if options.json:
        shown = [{**vars(row), "cure": row.cure.replace("CE/QUEUE", label)} for row in rows]
        _json({"rows": shown, "mismatches": mismatches})
    else:
        print(audit_table(rows, label))
        print(f"{mismatches} mismatches; {cost(parts.cloud.calls, 0)}")
    return PARTLY if mismatches else DONE


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise ConfigError("--references", str(path), reason, "name a file with one reference a line") from None


def audit_table(rows: Iterable[Any], label: str) -> str:
    """An audit for people."""
    marks = {True: "yes", False: "-"}
    heads = ("KEY", "REFERENCE", "ROSTER", "STATE", "CLOUD", "VERDICT", "CURE")
    return table(
        heads,
        [
            (
                r.key,
                r.reference,
                marks[r.roster],
                marks[r.state],
                r.cloud,
                r.verdict,
                r.cure.replace("CE/QUEUE", label),
            )
            for r in rows
        ],
    )


def _repair(options: argparse.Namespace) -> int:
    lines = _parts(options).fleet.repair()
    print("\n".join(lines) or "nothing was damaged")
    return DONE


def _doctor(options: argparse.Namespace) -> int:
    from tfce.cli.doctor import examine

    checks = examine(_queue(options))
    if options.json:
        _json({"checks": [vars(check) for check in checks]})
    else:
        rows = [("ok" if check.ok else "FAULT", check.check, check.detail, check.cure) for check in checks]
        print(table(("", "CHECK", "FOUND", "CURE"), rows))
    return DONE if all(check.ok for check in checks) else PARTLY


def _migrate(options: argparse.Namespace) -> int:
    from tfce.pilots import migration

    parts = _parts(options)
    rows = left_over_rows(migration.left_over(parts.workspace, parts.cloud), datetime.now(UTC))
    statement = migration.statement(parts.workspace.queue.ce)
    if options.json:
        _json({"vms": rows, "statement": statement, "calls": dict(parts.cloud.calls)})
    else:
        print(left_over_table(rows))
        print(f"\nTheir pilots become Terraform's with this, in PilotAgentsDB:\n{statement}")
    return DONE


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


def _path(options: argparse.Namespace) -> int:
    print(Workspace(_queue(options)).private)
    return DONE


def _queues(options: argparse.Namespace) -> int:
    print("\n".join(queue_names(_config(options))))
    return DONE


# -- the parser --------------------------------------------------------------------------------------------


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tfce",
        description="Pilots of a DIRAC computing element as cloud VMs, through Terraform.",
        epilog="Exit codes: 0 done, 1 done in part or a mismatch, 2 usage or configuration, "
        "3 cloud or Terraform not reachable, 4 busy. `plan`: 0 nothing to do, 2 changes.",
    )
    parser.add_argument("--version", action="version", version=f"tfce {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str,
        run: Callable[[argparse.Namespace], int],
        text: str,
        json_too: bool = False,
        queue: bool = True,
    ) -> Any:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if queue:
            sub.add_argument("queue", metavar="CE/QUEUE", help="the queue, as in DIRAC's configuration")
        sub.add_argument("--config", metavar="FILE", help="DIRAC CFG file; default: the variable TFCE_CONFIG")
        if json_too:
            sub.add_argument("--json", action="store_true", help="print JSON")
        sub.set_defaults(run=run)
        return sub

    command("queues", _queues, "list the queues in the configuration", queue=False)
    command("path", _path, "print the queue's private workspace folder")
    render = command("render", _render, "write the workspace's reviewable files")
    instead = render.add_mutually_exclusive_group()
    instead.add_argument(
        "--check", action="store_true", help="only show what is out of date; exit 1 if anything is"
    )
    instead.add_argument("--context", action="store_true", help="only show what a VM would get, secrets masked")
    render.add_argument("--wrapper", type=Path, metavar="FILE", help="with --context: the pilot wrapper")
    plan = command("plan", _plan, "show Terraform's plan")
    plan.add_argument("--no-refresh", action="store_true", help="do not ask the cloud about existing VMs")
    submit = command("submit", _submit, "start pilots", json_too=True)
    submit.add_argument("--count", type=_at_least_one, default=1, help="how many (default 1)")
    submit.add_argument("--wrapper", type=Path, required=True, metavar="FILE", help="the pilot wrapper to run")
    command("status", _status, "show the queue's pilots", json_too=True)
    reap = command("reap", _reap, "remove ended, failed and overdue VMs", json_too=True)
    reap.add_argument("--dry-run", action="store_true", help="only say what would go")
    kill = command("kill", _kill, "remove the VMs of these pilots", json_too=True)
    kill.add_argument("reference", nargs="+", metavar="REFERENCE", help="cloud://<instance id>")
    pilot = command("log", _log, "show what is known of one pilot, and its VM's console", json_too=True)
    pilot.add_argument("pilot", metavar="REFERENCE|KEY", help="cloud://<instance id>, or the stamp")
    pilot.add_argument(
        "--lines", type=_at_least_one, default=LINES, metavar="N", help=f"of the console (default {LINES})"
    )
    audit = command("audit", _audit, "compare roster, Terraform state and cloud", json_too=True)
    audit.add_argument("--references", type=Path, metavar="FILE", help="the references DIRAC knows, one a line")
    command("repair", _repair, "rebuild a damaged roster or state")
    command("migrate", _migrate, "list the VMs that CloudCE left, and the SQL that hands over", json_too=True)
    command("doctor", _doctor, "check configuration, tools and cloud; creates nothing", json_too=True)
    return parser
