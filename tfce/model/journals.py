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


@dataclass(frozen=True)
class Lacking:
    """A host whose journal is not here, or not whole. ``wrote``: the time of a line of it that must exist;
    ``read``: that of its last one here; "" for none."""

    host: str
    wrote: str
    read: str = ""

    def __str__(self) -> str:
        upto = f"is here up to {self.read} only" if self.read else "is not here"
        return f"the journal of {self.host} {upto}{f', and it wrote at {self.wrote}' if self.wrote else ''}"


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


def lacking(known: Mapping[str, str], lines: Iterable[Line], since: datetime | None = None) -> tuple[Lacking, ...]:
    """The hosts of which more must exist than ``lines`` tell; ``known``: a time by host at which it wrote. What is
    older than ``since`` is not missed."""
    read = dict[str, str]()
    for line in lines:
        by, time = line.get("by"), line.get("time")
        if isinstance(by, dict) and isinstance(by.get("host"), str) and isinstance(time, str):
            read[by["host"]] = max(read.get(by["host"], ""), time)
    wanted = {host: wrote for host, wrote in known.items() if not since or _since(wrote, since)}
    short = (host for host, wrote in sorted(wanted.items()) if host not in read or read[host] < wrote)
    return tuple(Lacking(host, wanted[host], read.get(host, "")) for host in short)


def _since(wrote: str, since: datetime) -> bool:
    try:
        return moment(wrote) >= since
    except ValueError:
        return True


def wrote(known: Mapping[str, str], host: str, time: str) -> dict[str, str]:
    """``known``, and that ``host`` wrote at ``time``; those that wrote last where there are many."""
    latest = {**known, host: max(time, known.get(host, ""))}
    kept = sorted(latest, key=lambda one: (one == host, latest[one]))[-_MOST:]
    return {one: latest[one] for one in sorted(kept)}
