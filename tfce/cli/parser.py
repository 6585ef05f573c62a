"""The commands' arguments: what ``tfce --help`` shows, and the reference page is made from."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from tfce.cli import (
    account,
    commands,
    completion,
    monitoring,
    operators,
    other_hosts,
    pull_requests,
    reporting,
    reviewing,
    times,
)
from tfce.cli.versions import Version
from tfce.config.readers import BACKENDS
from tfce.pilots.consoles import LINES

_EPILOG = (
    "Exit codes: 0 done, 1 done in part or a mismatch, 2 usage or configuration, "
    "3 cloud or Terraform not reachable, 4 busy, 5 unexpected. `plan`: 0 nothing to do, 2 changes."
)

_DIGITS = 10  # of a number: more are a mistake
_PILOT = "cloud://<instance id>, the stamp, or the VM's name"


class _Command(argparse.ArgumentParser):
    """One command's arguments: what it does not know is said with its own usage, not with that of all commands."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """Everything is known, or the process ends."""
        words = list(args or ())
        for number, word in enumerate(words):
            if not word or (word.startswith("--") and word.endswith("=")):
                after = word.rstrip("=") or (words[number - 1] if number else "")
                where = f"what follows {after}" if after else "the first argument"
                self.error(f"{where} is empty; is a variable of the shell not set?")
        found, unknown = super().parse_known_args(words, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; each command's function is its ``run``."""
    root = argparse.ArgumentParser(
        prog="tfce",
        description="Pilots of a DIRAC computing element as cloud VMs, through Terraform.",
        epilog=_EPILOG,
    )
    root.add_argument("--version", action=Version)
    groups = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)
    for of_subject in (_of_workspaces, _of_reviews, _of_pilots, _of_records, _of_hosts):
        of_subject(groups)
    return root


def _command(
    groups: Any,
    run: Callable[[argparse.Namespace], int],
    text: str,
    *,
    json: bool = False,
    queue: Literal["one", "maybe", "none"] = "one",
) -> argparse.ArgumentParser:
    """Add the command that is called as its function is."""
    one: argparse.ArgumentParser = _bare(groups, run, text)
    if queue == "one":
        completion.named(
            one.add_argument("queue", metavar="CE/QUEUE", help="the queue, as in DIRAC's configuration")
        )
    elif queue == "maybe":
        completion.named(
            one.add_argument("queue", metavar="CE/QUEUE", nargs="?", help="this queue only; default: all of them")
        )
    one.add_argument("--config", metavar="FILE", help="DIRAC CFG file; default: the variable TFCE_CONFIG")
    if json:
        one.add_argument("--json", action="store_true", help="print JSON")
    return one


def _traced(*commands: argparse.ArgumentParser) -> None:
    text = "write where the time goes, for Perfetto or chrome://tracing"
    for one in commands:
        one.add_argument("--trace", type=Path, metavar="FILE", help=text)


def _bare(groups: Any, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = groups.add_parser(
        run.__name__.replace("_", "-"), help=text, description=text[0].upper() + text[1:] + "."
    )
    one.set_defaults(run=run)
    return one


def _of_workspaces(groups: Any) -> None:
    _command(groups, commands.queues, "list the queues in the configuration", queue="none")
    _command(groups, commands.path, "print the queue's private workspace folder")
    render = _command(groups, commands.render, "write the workspace's reviewable files")
    instead = render.add_mutually_exclusive_group()
    instead.add_argument(
        "--check",
        action="store_true",
        help="only show what of the shape is out of date, and exit 1; needs no login",
    )
    instead.add_argument("--context", action="store_true", help="only show what a VM would get, secrets masked")
    render.add_argument(
        "--files", type=Path, metavar="DIR", help="the reviewable files are here, not in Workspace_Files"
    )
    render.add_argument("--wrapper", type=Path, metavar="FILE", help="with --context: the pilot wrapper")
    plan = _command(
        groups,
        commands.plan,
        "show Terraform's plan, and what new pilots would be; changes nothing, also with another --config",
        json=True,
    )
    pull_requests.arguments(plan)
    plan.add_argument("--no-refresh", action="store_true", help="do not ask the cloud about existing VMs")


def _of_reviews(groups: Any) -> None:
    propose = _command(groups, commands.propose, "write a branch with the shape that the options ask for")
    reviewing.clone_arguments(propose, "its name (default: tfce/CE-QUEUE-DIGEST)")
    propose.add_argument("--base", default="", metavar="REF", help="what it is put on (default: what is approved)")
    publish = _command(groups, commands.publish, "commit how many pilots there are, and which", queue="maybe")
    reviewing.clone_arguments(publish, "commit there (default: the branch that is checked out)")


def _of_pilots(groups: Any) -> None:
    submit = _command(groups, commands.submit, "start pilots", json=True)
    submit.add_argument("--count", type=_at_least_one, default=1, help="how many (default 1)")
    submit.add_argument("--wrapper", type=Path, required=True, metavar="FILE", help="the pilot wrapper to run")
    status = _command(groups, commands.status, "show all queues, or one queue's pilots", json=True, queue="maybe")
    status.add_argument(
        "--watch",
        type=_at_least_one,
        nargs="?",
        const=10,
        metavar="SECONDS",
        help="all queues: show them again every so many seconds (default 10)",
    )
    reap = _command(groups, commands.reap, "remove ended, failed and overdue VMs", json=True)
    reap.add_argument("--dry-run", action="store_true", help="only say what would go")
    kill = _command(groups, commands.kill, "remove the VMs of these pilots", json=True)
    _traced(submit, status, reap, kill)
    kill.add_argument("reference", nargs="+", metavar="REFERENCE|KEY|NAME", help=_PILOT)
    pilot = _command(groups, commands.log, "show what is known of one pilot, and its VM's console", json=True)
    pilot.add_argument("pilot", metavar="REFERENCE|KEY|NAME", help=_PILOT)
    pilot.add_argument(
        "--lines", type=_at_least_one, default=LINES, metavar="N", help=f"of the console (default {LINES})"
    )
    other_hosts.arguments(pilot)
    _command(groups, commands.why, "say why no pilots match, and what to do", json=True)
    drain = _command(groups, commands.drain, "start no new pilots", json=True)
    operators.drain_arguments(drain)


def _of_records(groups: Any) -> None:
    what = "show what was done to the pilots, by whom, when and why"
    history = _command(groups, commands.history, what, json=True, queue="maybe")
    history.add_argument("--from", dest="since", type=times.past, metavar="TIME", help=f"not before {times.PAST}")
    history.add_argument("--to", dest="until", type=times.past, metavar="TIME", help=f"not after {times.PAST}")
    history.add_argument("--pilot", default="", metavar="REFERENCE|KEY|NAME", help=f"of this pilot only: {_PILOT}")
    other_hosts.arguments(history)
    used = _command(groups, commands.account, "add up what pilots used: hours, cores, money", queue="none")
    account.arguments(used)
    report = _command(
        groups, commands.report, "write a page: what is wrong, and what happened, with figures", queue="maybe"
    )
    reporting.arguments(report)
    text = "compare record, Terraform state and cloud"
    audit = _command(groups, commands.audit, text, json=True, queue="maybe")
    audit.add_argument("--all", action="store_true", help="all queues in the configuration")
    audit.add_argument(
        "--drift",
        action="store_true",
        help="compare options, approved shape, Terraform's variables and running VMs",
    )
    audit.add_argument("--references", type=Path, metavar="FILE", help="the references DIRAC knows, one a line")
    _command(groups, commands.repair, "rebuild a damaged record or state", json=True)
    moved = _command(groups, commands.move_state, "move a queue's record and Terraform state to another backend")
    moved.add_argument("backend", choices=BACKENDS, metavar="BACKEND", help=", ".join(BACKENDS))
    _command(groups, commands.migrate, "list the VMs that CloudCE left, and the SQL that hands over", json=True)


def _of_hosts(groups: Any) -> None:
    _command(
        groups, commands.doctor, "check configuration, tools and cloud; creates nothing", json=True, queue="maybe"
    )
    measured = _command(groups, commands.metrics, "show what was measured, for Prometheus", queue="none")
    monitoring.arguments(measured)
    shell = _bare(groups, commands.completion, "print what a shell needs to complete tfce's commands")
    shell.add_argument("shell", choices=completion.SHELLS, help=completion.HELP)
    demo = _bare(groups, commands.demo, "run the main job on an emulated cloud, from nothing")
    demo.add_argument(
        "--port", type=_at_least_one, help="an EC2 emulator that listens on 127.0.0.1; default: moto"
    )


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:_DIGITS]) >= 1 and len(text) < _DIGITS):
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 1")
    return int(text)
