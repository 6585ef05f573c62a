"""``tfce``: the operators' commands. Tables for people, ``--json`` for programs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from tfce.cli import terminal
from tfce.cli.parser import parser
from tfce.model.redact import guard_logs
from tfce.model.trace import span
from tfce.store import traces
from tfce.store.actor import doing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code. Never shows a traceback, nor a secret."""
    return terminal.run(lambda: _command(arguments))


def _command(arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        parser().print_help(sys.stderr)
        return 2
    options = parser().parse_args(given)
    logging.basicConfig(level=logging.WARNING, format="tfce: %(message)s", stream=sys.stderr)
    guard_logs()
    doing.set(options.command)
    with traces.to_file(getattr(options, "trace", None)), span("verb", f"tfce {options.command}"):
        code: int = options.run(options)
    return code
