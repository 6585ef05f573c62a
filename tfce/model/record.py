"""Everything that tfce remembers of a queue, as one value. Pure: standard library only.

``store`` keeps it in one file. Whatever else lies in a workspace is made from it, from the options, or by
Terraform."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from tfce.model import fields
from tfce.model.drain import Drain
from tfce.model.health import Health
from tfce.model.offering_backoffs import OfferingBackoffs
from tfce.model.pilot import Pilot, is_key, timestamp
from tfce.model.reasons import Reason
from tfce.model.record_parts import Backoff, Home, Operation, Pending, Tombstone
from tfce.model.usage import Usage
from tfce.model.vm_spec import NAMES, VMSpec

__all__ = ["SCHEMA", "Backoff", "Home", "NewerError", "Operation", "Pending", "Record", "Tombstone"]

SCHEMA = 1
_T = TypeVar("_T")
TOMBSTONES = 5_000  # removed pilots whose last state is remembered


@dataclass(frozen=True)
class Record:
    """The memory of one queue. ``generation`` counts its writes; ``unseen_since``: since when the cloud's list has
    shown none of the pilots; ``drain``: how it is being emptied;
    ``health``: how its pilots end; ``offering_backoffs``: offerings without room; ``usage``: of VMs that ended;
    ``queue``: whose it is, CE/QUEUE ("" in records of old); ``queues``: of a CE's own record, what the states of
    its queues are called. Immutable: changes give a new record."""

    installation: str
    pilots: Mapping[str, Pilot] = field(default_factory=lambda: MappingProxyType({}))
    tombstones: Mapping[str, Tombstone] = field(default_factory=lambda: MappingProxyType({}))
    pending: Pending | None = None
    backoff: Backoff | None = None
    home: Home | None = None
    unseen_since: datetime | None = None
    generation: int = 0
    drain: Drain | None = None
    health: Health = field(default_factory=Health)
    offering_backoffs: OfferingBackoffs = field(default_factory=lambda: MappingProxyType({}))
    usage: Usage = field(default_factory=Usage)
    queue: str = ""
    queues: frozenset[str] = frozenset()

    # -- pilots --------------------------------------------------------------------------------------------

    def including(self, pilots: Iterable[Pilot]) -> Record:
        """This record with ``pilots`` among those that are wanted."""
        return replace(self, pilots=MappingProxyType({**self.pilots, **{one.key: one for one in pilots}}))

    def without(self, keys: Collection[str]) -> Record:
        """This record less the pilots ``keys``; one that it does not have is no error."""
        kept = {key: pilot for key, pilot in self.pilots.items() if key not in keys}
        return replace(self, pilots=MappingProxyType(kept))

    def placed(self, ids: Mapping[str, str]) -> Record:
        """This record with the instance ids of pilots, by key, as far as it has these pilots."""
        known = {key: replace(self.pilots[key], id=node) for key, node in ids.items() if key in self.pilots}
        return replace(self, pilots=MappingProxyType({**self.pilots, **known}))

    @property
    def used_keys(self) -> frozenset[str]:
        """Keys that no new pilot may get."""
        return frozenset(self.pilots) | {stone.key for stone in self.tombstones.values()}

    @property
    def ever_lived(self) -> bool:
        """Whether any wanted pilot is known to have a VM."""
        return any(pilot.id for pilot in self.pilots.values())

    # -- what becomes of them ------------------------------------------------------------------------------

    def begin(self, operation: Operation, keys: Iterable[str], now: datetime) -> Record:
        """This record with an operation that is about to be asked of the cloud. What another one left pending
        stays part of it."""
        before = self.pending.keys if self.pending else frozenset()
        return replace(self, pending=Pending(operation, before | frozenset(keys), now.replace(microsecond=0)))

    def settled(self) -> Record:
        """Record, state and cloud agree again."""
        return replace(self, pending=None)

    def with_tombstones(self, stones: Iterable[Tombstone]) -> Record:
        """This record with more tombstones. One that exists keeps its time and reason. Of too many, those of
        removals that are done go first, the oldest before the others."""
        merged = dict(self.tombstones)
        for stone in stones:
            old = merged.get(stone.id)
            if old is not None:
                merged[stone.id] = old.merged(stone)
            elif stone.id:
                merged[stone.id] = stone
        newest = sorted(merged.values(), key=_worth, reverse=True)[:TOMBSTONES]
        return replace(self, tombstones=MappingProxyType({stone.id: stone for stone in newest}))

    def without_tombstones(self, ids: Iterable[str]) -> Record:
        """This record without the tombstones of VMs that nobody removed, and that are listed again."""
        found = {node for node in ids if node in self.tombstones and not self.tombstones[node].dismissed}
        kept = {node: stone for node, stone in self.tombstones.items() if node not in found}
        return replace(self, tombstones=MappingProxyType(kept)) if found else self

    # -- the cloud's room ----------------------------------------------------------------------------------

    def without_room(self, reason: Reason, now: datetime, cooldown: int) -> Record:
        """One more submission in a row found no room. From the second on, none is tried for ``cooldown`` seconds;
        twice as long after each further one, up to eight times."""
        failures = (self.backoff.failures if self.backoff else 0) + 1
        rest = cooldown * min(2 ** max(failures - 2, 0), 8) if failures > 1 else 0
        return replace(self, backoff=Backoff(failures, reason, now.replace(microsecond=0), rest))

    def with_room(self) -> Record:
        """The cloud has room again."""
        return replace(self, backoff=None)

    # -- time ----------------------------------------------------------------------------------------------

    def not_after(self, now: datetime) -> Record:
        """This record with no time in it later than ``now``: what was written while the clock was ahead is as old
        as the moment at which the clock was put right."""
        now = now.replace(microsecond=0)
        pilots = {k: replace(one, requested_at=min(one.requested_at, now)) for k, one in self.pilots.items()}
        stones = {k: replace(one, when=min(one.when, now)) for k, one in self.tombstones.items()}
        return replace(
            self,
            pilots=MappingProxyType(pilots),
            tombstones=MappingProxyType(stones),
            pending=self.pending and replace(self.pending, since=min(self.pending.since, now)),
            unseen_since=self.unseen_since and min(self.unseen_since, now),
            health=self.health.not_after(now),
        )

    # -- text ----------------------------------------------------------------------------------------------

    def dump(self) -> str:
        """The record as JSON, sorted, a pilot a line."""
        document = {
            "schema": SCHEMA,
            "generation": self.generation,
            "installation": self.installation,
            "home": vars(self.home) if self.home else None,
            "pilots": {key: _pilot_json(pilot) for key, pilot in self.pilots.items()},
            "tombstones": {node: stone.to_json() for node, stone in self.tombstones.items()},
            "pending": self.pending and self.pending.to_json(),
            "backoff": self.backoff and self.backoff.to_json(),
            "unseen_since": timestamp(self.unseen_since) if self.unseen_since else None,
            **({"drain": self.drain.to_json()} if self.drain else {}),
            **({"health": self.health.to_json()} if self.health != Health() else {}),
            **(
                {"rests": {label: one.to_json() for label, one in self.offering_backoffs.items()}}
                if self.offering_backoffs
                else {}
            ),
            **({"usage": self.usage.to_json()} if self.usage != Usage() else {}),
            **({"queue": self.queue} if self.queue else {}),
            **({"queues": sorted(self.queues)} if self.queues else {}),
        }
        return _object({name: _text(value) for name, value in document.items()}) + "\n"

    @classmethod
    def load(cls, text: str) -> Record:
        """The record in ``text``. Raises ``ValueError`` for anything that is not exactly a record: an empty or
        torn file must never be read as "no pilots"."""
        try:
            return _record(json.loads(text, object_pairs_hook=fields.unique))
        except (TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def _worth(stone: Tombstone) -> tuple[bool, datetime, str]:
    return not (stone.accepted or stone.gone), stone.when, stone.id


# -- JSON, checked in both directions --------------------------------------------------------------------------


# Not json's own indentation, for which it has no quick way: of ten thousand pilots it takes ten times as long.
_compact = json.JSONEncoder(sort_keys=True).encode


def _text(value: Any) -> str:
    """A value of the document; of a map each entry in a line."""
    return (
        _object({key: _compact(one) for key, one in value.items()}, " ")
        if isinstance(value, dict)
        else _compact(value)
    )


def _object(texts: Mapping[str, str], indent: str = "") -> str:
    lines = ",\n".join(f"{indent} {_compact(key)}: {texts[key]}" for key in sorted(texts))
    return f"{{\n{lines}\n{indent}}}" if texts else "{}"


def _pilot_json(pilot: Pilot) -> dict[str, str]:
    return {
        "requested_at": timestamp(pilot.requested_at),
        "submission": pilot.submission_id,
        **({"id": pilot.id} if pilot.id else {}),
        **pilot.spec.to_json(),
    }


_FIELDS = frozenset(
    ("schema", "generation", "installation", "home", "pilots", "tombstones", "pending", "backoff", "unseen_since")
)


_OPTIONAL = frozenset(("drain", "health", "rests", "usage", "queue", "queues"))  # where there is anything to say


def _unless_none(read: Callable[[Any], _T], value: Any) -> _T | None:
    return None if value is None else read(value)


class NewerError(ValueError):
    """A record that a newer tfce wrote: it says more than this one understands."""


def _judge_version(data: dict[str, Any]) -> None:
    if (schema := fields.number(data.get("schema"))) > SCHEMA:
        raise NewerError(f"a newer tfce wrote it (schema {schema}, this one knows {SCHEMA})")
    if schema < SCHEMA:
        raise ValueError(f"no tfce ever wrote schema {schema}")
    more = sorted(set(data) - _FIELDS - _OPTIONAL)
    if more and set(data) >= _FIELDS:
        raise NewerError(f"a newer tfce wrote it (it remembers {', '.join(more)!s:.80})")


def _record(data: Any) -> Record:
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    _judge_version(data)
    fields.exactly({**dict.fromkeys(_OPTIONAL), **data}, _FIELDS | _OPTIONAL)
    return Record(
        installation=fields.text(data["installation"]),
        pilots=MappingProxyType(
            {key: _pilot(key, entry) for key, entry in fields.mapping(data["pilots"]).items()}
        ),
        tombstones=MappingProxyType(
            {node: Tombstone.from_json(node, one) for node, one in fields.mapping(data["tombstones"]).items()}
        ),
        pending=_unless_none(Pending.from_json, data["pending"]),
        backoff=_unless_none(Backoff.from_json, data["backoff"]),
        home=_unless_none(Home.from_json, data["home"]),
        unseen_since=_unless_none(fields.time, data["unseen_since"]),
        generation=fields.number(data["generation"]),
        drain=_unless_none(Drain.from_json, data.get("drain")),
        health=Health.from_json(data.get("health")),
        offering_backoffs=_offering_backoffs(data.get("rests")),
        usage=Usage.from_json(data.get("usage")),
        queue=fields.text(data.get("queue", "")),
        queues=frozenset(map(fields.text, data.get("queues", ()))),
    )


_PILOT = frozenset(("requested_at", "submission"))
_PILOT_ALL = _PILOT | {"id", *NAMES}


def _pilot(key: str, entry: Any) -> Pilot:
    if not is_key(key):
        raise ValueError(f"pilot {key!r} is not 8 upper-case hex digits")
    if not _PILOT <= fields.mapping(entry).keys() <= _PILOT_ALL:
        fields.exactly({**dict.fromkeys(_PILOT_ALL - _PILOT), **entry}, _PILOT_ALL)
    when, made = fields.time(entry["requested_at"]), VMSpec.from_json(entry)
    return Pilot(key, when, fields.text(entry["submission"]), fields.text(entry.get("id", "")), made)


def _offering_backoffs(entry: Any) -> OfferingBackoffs:
    found = fields.mapping({} if entry is None else entry)
    return MappingProxyType({label: Backoff.from_json(one) for label, one in found.items()})
