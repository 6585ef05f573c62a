"""Who may act for a queue that several hosts serve. Pure: standard library only.

Whoever is about to ask something of the cloud writes its intent and a lease into the shared document, in one
write that replaces exactly the document it has read. Nobody else writes while the lease stands, and nobody
compares clocks: a lease is over for another host once it has seen the very same document for the lease's seconds
by its own clock, which began later than the holder's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tfce.model import fields

FORMAT = 1
_WRITERS = 64  # folders whose writes a document remembers
MARGIN = 60  # seconds before the end of its lease from which on a holder begins nothing more


@dataclass(frozen=True)
class BackendId:
    """Which backend: its ``name``, as Terraform_Backend has it, and ``where`` it is, which tells it from others of
    that name, holds no login, and is "" for this host's own folder. As a text it is for people."""

    name: str = ""
    where: str = ""

    @classmethod
    def from_json(cls, value: Any) -> BackendId:
        """Which backend a file names; what was written when it was a text is taken over. Raises ``ValueError``."""
        if isinstance(value, str):
            name, _, where = value.partition(" ")
            return cls(name, where)
        fields.exactly(value, ("name", "where"))
        return cls(fields.text(value["name"]), fields.text(value["where"]))

    def __str__(self) -> str:
        return f"{self.name} {self.where}".strip()


NOWHERE = BackendId()


@dataclass(frozen=True)
class Lease:
    """Somebody is at work. ``holder``: its folder's own random name; ``host``: the machine's, for people;
    ``seconds``: how long it lasts from when it is first seen; ``doing``: what was begun."""

    holder: str
    host: str
    seconds: int
    doing: str


@dataclass(frozen=True)
class Document:
    """What hosts share of a queue: its record's text, who is at work on it, and a mark that no two writes have
    in common. ``generation`` counts leases; ``moved``: the backend that has the record now, None for this one;
    ``hosts``: who has written, and up to when its journal tells of that, "" where it told nothing yet; ``writes``:
    of each holder the number of its last write that led to this document."""

    queue: str
    record: str
    mark: str
    generation: int = 0
    lease: Lease | None = None
    moved: BackendId | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, int] = field(default_factory=dict)

    def dump(self) -> str:
        """The document as JSON."""
        inner = {name: vars(one) if one else None for name, one in (("lease", self.lease), ("moved", self.moved))}
        return json.dumps({"format": FORMAT, **vars(self), **inner}, sort_keys=True)

    def lacks(self, writes: Mapping[str, int]) -> set[str]:
        """The holders of whose ``writes``, as somebody has seen them, this document is no successor: it was put
        over them by one that had not read them."""
        return {holder for holder, number in writes.items() if self.writes.get(holder, 0) < number}

    @classmethod
    def load(cls, text: str) -> Document:
        """The document in ``text``; raises ``ValueError`` for anything else."""
        try:
            return _document(json.loads(text, object_pairs_hook=fields.unique))
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class Sighting:
    """Since when this host has seen one document. ``boot``: which start of the machine ``since`` counts from."""

    mark: str
    boot: str
    since: float


def seen(before: Sighting | None, document: Document, boot: str, now: float) -> Sighting:
    """What is known after a look at ``document``: when it was first seen, by the seconds since the machine
    started."""
    if before is not None and (before.mark, before.boot) == (document.mark, boot) and before.since <= now:
        return before
    return Sighting(document.mark, boot, now)


def over(lease: Lease, sighting: Sighting, now: float) -> bool:
    """Whether another host may take over from the holder of ``lease``."""
    return now - sighting.since >= lease.seconds


def may_begin(lease: Lease, written: float, now: float) -> bool:
    """Whether the holder may still begin something; ``written``: a moment before its lease was written."""
    return now - written < max(lease.seconds - MARGIN, 0)


def written(writes: Mapping[str, int], holder: str, number: int) -> dict[str, int]:
    """``writes`` once ``holder`` has written for the ``number``-th time. Of many those who wrote least are left
    out: folders that come and go. One of them that writes again finds that what it knew has to be put back."""
    others = sorted((wrote, other) for other, wrote in writes.items() if other != holder)
    return {other: wrote for wrote, other in others[1 - _WRITERS :]} | {holder: number}


def _document(data: Any) -> Document:
    data = {"hosts": {}, "writes": {}, **fields.mapping(data)}  # what older documents do not have
    fields.exactly(data, ("format", "queue", "record", "mark", "generation", "lease", "moved", "hosts", "writes"))
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']!r}, this tfce knows {FORMAT}")
    return Document(
        queue=fields.text(data["queue"]),
        record=fields.text(data["record"]),
        mark=fields.text(data["mark"]),
        generation=fields.number(data["generation"]),
        lease=_lease(data["lease"]),
        moved=BackendId.from_json(data["moved"]) if data["moved"] else None,
        hosts={host: fields.text(time) for host, time in fields.mapping(data["hosts"]).items()},
        writes={holder: fields.number(one) for holder, one in fields.mapping(data["writes"]).items()},
    )


def _lease(entry: Any) -> Lease | None:
    if entry is None:
        return None
    fields.exactly(entry, ("holder", "host", "seconds", "doing"))
    texts = {name: fields.text(entry[name]) for name in ("holder", "host", "doing")}
    return Lease(seconds=fields.number(entry["seconds"]), **texts)
