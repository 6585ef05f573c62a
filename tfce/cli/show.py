"""How things look in a terminal: tables, colours, progress, ages. In a pipe it is plain text, a row a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tfce.cli import terminal
from tfce.model.pilot import moment, timestamp
from tfce.model.plurals import counted
from tfce.model.redact import redacted

_TONES = {
    "bold red": ("FAULT", "needs you", "Failed", "error", "vanished", "duplicate", "doubtful"),
    "yellow": ("held", "note", "Waiting", "booting", "overdue", "stuck", "unrecorded", "never created"),
    "green": ("ok", "Running", "yes"),
}
_TONE = {word: tone for tone, words in _TONES.items() for word in words}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """``rows`` under ``heads``, in columns; in a terminal as wide as it is, in colours unless NO_COLOR is set."""
    cells = [[redacted(str(cell)) for cell in row] for row in rows]
    return _drawn(heads, cells) if sys.stdout.isatty() else plain(heads, cells)


def plain(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same for programs: nothing is wrapped or coloured."""
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _drawn(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.console import Console

    console = Console(
        file=sys.stdout, highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto"
    )
    widths = [max(map(len, (head, *(row[n] for row in rows)))) for n, head in enumerate(heads)]
    needed = sum(min(width, _LEAST if width > _SHORT else width) + _GAP for width in widths)
    with console.capture() as captured:
        console.print(_columns(heads, rows, widths) if needed <= console.width else _stacked(heads, rows))
    return captured.get().rstrip("\n")


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Any:
    """A row for each; what is short is never broken."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for head, width in zip(heads, widths, strict=True):
        made.add_column(head, overflow="fold", no_wrap=width <= _SHORT, min_width=min(width, _LEAST))
    for row in rows:
        made.add_row(*map(_toned, row))
    return made


def _stacked(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """What is too wide for the terminal, a line for each cell that says something."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, _GAP, 0, 0))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for number, row in enumerate(rows):
        if number:
            made.add_row("", "")
        for head, cell in zip(heads, row, strict=True):
            if cell not in ("", "-"):
                made.add_row(Text(head), _toned(cell))
    return made


def _toned(cell: str) -> Any:
    from rich.text import Text

    return Text(cell, style=_TONE.get(cell, ""))


_SHORT = 24  # characters that a terminal of a usual width has room for in each of its columns
_LEAST = 16  # characters of a longer column, below which it cannot be read
_GAP = 2


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Show what goes on: a line that changes in a terminal, else a line each."""
    if not sys.stderr.isatty():
        yield terminal.say
        return
    from rich.console import Console
    from rich.text import Text

    with Console(file=sys.stderr).status(Text(what)) as status:
        yield lambda text: status.update(Text(redacted(text)))


def ago(when: datetime | None, now: datetime) -> str:
    """A time in UTC, and how long ago it was; "-" for none."""
    if when is None:
        return "-"
    seconds = int((now - when).total_seconds())
    return f"{timestamp(when)} ({span(abs(seconds))} {'ago' if seconds >= 0 else 'ahead'})"


def since(time: str) -> str:
    """A time of the journal, and how long ago it was."""
    try:
        return ago(moment(time), datetime.now(UTC))
    except ValueError:
        return time  # a line of the journal that somebody edited


def queues(number: int, ill: int) -> str:
    """How many queues there are, and how many of them want a person."""
    return f"{counted(number, 'queue')}, {counted(ill, 'needs', 'need')} you"


def span(seconds: int) -> str:
    """A length of time in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment_json(when: datetime | None) -> Any:
    """A time for ``--json``."""
    return timestamp(when) if when else None
