"""Commands about several queues: one that is not fit keeps nobody from the others, and is said."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tfce.cli import terminal
from tfce.config.cfg import load_named, load_queues
from tfce.config.options import Queue
from tfce.model.errors import ConfigError


@dataclass(frozen=True)
class Selection:
    """Queues that are fit; ``code``: 1 where others had to be left out."""

    queues: list[Queue]
    code: int = 0


def selected(path: Path, names: Collection[str] = ()) -> Selection:
    """The queues ``names``, each of which must be fit, or all of the configuration that are."""
    if names:
        return Selection(load_named(path, names))
    found = load_queues(path)
    fit = [queue for queue in found.values() if isinstance(queue, Queue)]
    faults = {label: queue for label, queue in found.items() if isinstance(queue, ConfigError)}
    if not fit:
        raise next(iter(faults.values()))
    for label, error in faults.items():
        terminal.say(f"{label} is left out: {error.message}")
    return Selection(fit, int(bool(faults)))
