"""The journals of several hosts as one, and whose are not there. Pure: standard library only."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tfce.model.pilot import moment

Line = Mapping[str, Any]

_MOST = 16  # hosts that are remembered of a queue


@dataclass(frozen=True, order=True)
class Writer:
    """Who writes into a queue's record and journal. Hosts may have one name; each has a ``folder`` with a mark, ""
    for what one wrote before others shared the record."""

    host: str
    folder: str = ""

    @property
    def key(self) -> str:
        """As records have it, where the writers are the keys of an object."""
        return f"{self.host} {self.folder}".strip()

    @classmethod
    def of_key(cls, key: str) -> Writer:
        """The reverse. No host's name has a blank."""
        return cls(*key.split(" ", 1))


@dataclass(frozen=True)
class MissingJournal:
    """A host whose journal is not here, or not whole. ``wrote``: the time of a line of it that must exist;
    ``read``: that of its last one here; "" for none; ``folder``: the mark of its folder, where another host
    has the same name."""

    host: str
    wrote: str
    read: str = ""
    folder: str = ""

    def __str__(self) -> str:
        upto = f"is here up to {self.read} only" if self.read else "is not here"
        which = f" (folder {self.folder})" if self.folder else ""
        return f"the journal of {self.host}{which} {upto}{f', and it wrote at {self.wrote}' if self.wrote else ''}"


def merged(journals: Sequence[Sequence[Line]]) -> list[Line]:
    """The lines of all ``journals`` in the order of their times, those of one in its own order. Each counts once:
    a copy has the lines of its original."""
    if len(journals) == 1:
        return list(journals[0])
    seen = set[tuple[str, int]]()
    timed = [list(_timed(_fresh(lines, seen))) for lines in journals]
    return [line for _, line in heapq.merge(*timed, key=lambda one: one[0])]


def _fresh(lines: Iterable[Line], seen: set[tuple[str, int]]) -> Iterator[Line]:
    """The lines that no journal before had as often."""
    numbers = Counter[str]()
    for line in lines:
        text = json.dumps(line, sort_keys=True)
        numbers[text] += 1
        mark = text, numbers[text]
        if mark not in seen:
            seen.add(mark)
            yield line


def _timed(lines: Iterable[Line]) -> Iterator[tuple[str, Line]]:
    """Each line with the latest time so far: a clock that was set back turns no journal round."""
    latest = ""
    for line in lines:
        time = line.get("time")
        latest = max(latest, time) if isinstance(time, str) else latest
        yield latest, line


def missing_journals(
    known: Mapping[str, str], lines: Iterable[Line], since: datetime | None = None
) -> tuple[MissingJournal, ...]:
    """The hosts of which more must exist than ``lines`` tell; ``known``: a time at which it wrote, by writer, as
    records have it. What is older than ``since`` is not missed."""
    read = _read(lines)
    writers = {Writer.of_key(key): wrote for key, wrote in known.items()}
    wanted = {one: wrote for one, wrote in writers.items() if not since or _since(wrote, since)}
    namesakes = Counter(one.host for one in writers)
    found = list[MissingJournal]()
    for one, wrote in sorted(wanted.items()):
        # What a host wrote before others shared the record has no mark.
        last = max(read.get(one, ""), read.get(Writer(one.host), ""))
        if not last or last < wrote:
            found.append(MissingJournal(one.host, wrote, last, one.folder if namesakes[one.host] > 1 else ""))
    return tuple(found)


def _read(lines: Iterable[Line]) -> dict[Writer, str]:
    """The latest time of each writer."""
    read = dict[Writer, str]()
    for line in lines:
        by, time = line.get("by"), line.get("time")
        if isinstance(by, dict) and isinstance(by.get("host"), str) and isinstance(time, str):
            one = Writer(by["host"], str(by.get("folder", "")))
            read[one] = max(read.get(one, ""), time)
    return read


def _since(wrote: str, since: datetime) -> bool:
    try:
        return moment(wrote) >= since
    except ValueError:
        return True


def wrote(known: Mapping[str, str], who: Writer, time: str) -> dict[str, str]:
    """``known``, and that ``who`` wrote at ``time``; those that wrote last where there are many."""
    latest = {**known, who.key: max(time, known.get(who.key, ""))}
    kept = sorted(latest, key=lambda one: (one == who.key, latest[one]))[-_MOST:]
    return {one: latest[one] for one in sorted(kept)}
