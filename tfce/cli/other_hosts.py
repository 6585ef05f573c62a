"""Journals of other hosts, for the commands that tell what was done."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tfce.app import open_workspace
from tfce.cli import terminal
from tfce.config.options import Queue
from tfce.model.journals import MissingJournal
from tfce.store.workspace import Workspace

_HELP = "another host's Workspace_Root, a copy of it, or a folder of such; beside those of Workspace_Journals"


def arguments(*commands: argparse.ArgumentParser) -> None:
    """Let each of ``commands`` read what other hosts wrote."""
    for one in commands:
        one.add_argument("--journals", type=_folder, action="append", default=[], metavar="DIR", help=_HELP)


def _folder(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def reading(queue: Queue, options: argparse.Namespace) -> Queue:
    """``queue``, of which those that are named on the command line are read, too."""
    given = tuple(getattr(options, "journals", ()))
    if not given:
        return queue
    return replace(queue, workspace=replace(queue.workspace, journals=(*queue.workspace.journals, *given)))


def current(queue: Queue, options: argparse.Namespace) -> Workspace:
    """The workspace of ``queue`` as it is now, those that are named on the command line beside it."""
    workspace = open_workspace(reading(queue, options))
    workspace.refresh()
    return workspace


def say(label: str, missing_journals: Iterable[MissingJournal]) -> None:
    """Say what is not told, and how it would be."""
    for one in missing_journals:
        terminal.say(f"{label}: {one}: what it did is left out; name a copy of its Workspace_Root with --journals")
