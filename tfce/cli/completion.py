"""``tfce completion``: what a shell needs to complete commands, options and queues' names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

SHELLS = ("bash", "zsh", "fish")
HELP = 'eval "$(tfce completion bash)" in ~/.bashrc; zsh: the same; fish: tfce completion fish | source'
_NAMES = "tfce queues 2>/dev/null"  # of the configuration that TFCE_CONFIG names; no queue, no words
# How each shell asks for the names of queues, as an argument's ``complete``.
QUEUES: Mapping[str, Any] = {
    "bash": "_tfce_queues",
    "zsh": "_tfce_queues",
    "fish": f"({_NAMES})",
    "preamble": {
        "bash": f'_tfce_queues() {{ compgen -W "$({_NAMES})" -- "$1"; }}',
        "zsh": f'_tfce_queues() {{ compadd -- ${{(f)"$({_NAMES})"}} }}',
    },
}


def named(argument: argparse.Action) -> None:
    """Let shells complete ``argument`` with the names of the queues."""
    argument.complete = QUEUES  # type: ignore[attr-defined]


def arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from arguments(command)


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion of ``parser``'s commands for ``shell``."""
    import shtab

    kinds = {"FILE": shtab.FILE, "FILE.html": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in arguments(parser):
        if action.metavar in kinds:
            action.complete = kinds[str(action.metavar)]  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell=shell)).rstrip("\n") + "\n"
