"""What a line of a queue's journal says, read in one place. Pure: standard library only.

The journal is a file that others can write and old versions wrote: what has not the shape of ours is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tfce.model.drain import Drain
from tfce.model.pilot import REFERENCE_PREFIX, instance_id, moment, reference
from tfce.model.reasons import Reason
from tfce.model.vm_spec import VMSpec

_FIRST = 1990  # no year before it was this one
_ALWAYS = ("time", "event", "by")
_SHARED = ("made", "shape")  # the same for all pilots of a line
_LONGEST = timedelta(days=3650)  # no VM lived longer; a figure beyond it is none


@dataclass(frozen=True)
class EndedVM:
    """One VM that an entry says was removed. ``id``: "" where the pilot had none; ``cause``, ``reason`` and
    ``verdict``: "" for unknown; ``start`` and ``end``: aware; ``lived``: seconds; None for unknown."""

    key: str
    id: str
    cause: str
    reason: str
    verdict: str
    spec: VMSpec | None
    start: datetime | None
    end: datetime | None
    lived: int | None


@dataclass(frozen=True)
class Entry:
    """What was done, at ``time`` (aware), with its ``facts``."""

    time: datetime
    event: str
    facts: Mapping[str, Any]

    @property
    def who(self) -> str:
        """Who wrote it: ``user@host (program, pid)``; "" in lines of older versions."""
        by = self.facts.get("by")
        if not isinstance(by, dict):
            return ""
        user, host, program, pid = (by.get(name, "?") for name in ("user", "host", "program", "pid"))
        return f"{user}@{host} ({program}, {pid})"

    @property
    def host(self) -> str:
        """The host on which it was written, "" for unknown."""
        return _text(_mapping(self.facts.get("by")), "host")

    @property
    def more(self) -> Mapping[str, Any]:
        """The facts, without when and by whom it was written, and what it is called."""
        return {name: value for name, value in self.facts.items() if name not in _ALWAYS}

    def about(self, key: str, node_id: str) -> Entry | None:
        """What it says of the pilot with this key or VM; None where it speaks of others only."""
        names = [name for name in (key, node_id and reference(node_id)) if name]
        said = ((name, _of_one(value, names)) for name, value in self.more.items())
        facts = {name: values[0] for name, values in said if values}
        if not facts:
            return None
        head = {name: self.facts[name] for name in ("time", "event")} | _objects(self.facts, ("by",))
        return replace(self, facts=head | facts | _objects(self.facts, _SHARED))

    def word(self, name: str, otherwise: str = "") -> str:
        """The fact ``name`` as it is shown to people."""
        return str(self.facts[name]) if name in self.facts else otherwise

    def size(self, name: str) -> int:
        """How many pilots the fact ``name`` is about."""
        value = self.facts.get(name)
        return 1 if isinstance(value, str) else len(value) if isinstance(value, dict | list) else 0

    @property
    def created(self) -> Mapping[str, str]:
        """The VMs that were made, by the pilots' keys."""
        return {key: one for key, one in _mapping(self.facts.get("created")).items() if isinstance(one, str)}

    @property
    def causes(self) -> list[str]:
        """Why pilots are to be removed, once for each."""
        value = self.facts.get("pilots")
        return [str(one) for one in value.values()] if isinstance(value, dict) else [str(value)] if value else []

    @property
    def endings(self) -> list[str]:
        """Why VMs were removed, once for each."""
        value = self.facts.get("vms")
        vms = value if isinstance(value, list) else [value]
        return [str(one.get("reason", "killed")) for one in vms if isinstance(one, dict)]

    @property
    def refusals(self) -> list[str]:
        """The kinds of reasons for which pilots failed, once for each. What is said of one pilot has one."""
        failed = _mapping(self.facts.get("failed"))
        reasons = [failed] if "kind" in failed else failed.values()
        return [str(one["kind"]) for one in reasons if isinstance(one, dict) and "kind" in one]

    @property
    def reasons(self) -> dict[str, Reason]:
        """Why pilots failed, by their keys; nothing where somebody else wrote the line."""
        with suppress(ValueError):
            return {key: Reason.from_json(one) for key, one in _mapping(self.facts.get("failed")).items()}
        return {}

    @property
    def calls(self) -> int | None:
        """How many API calls were made; None where it is not told."""
        value = self.facts.get("calls")
        return sum(one for one in value.values() if isinstance(one, int)) if isinstance(value, dict) else None

    @property
    def shape(self) -> Mapping[str, str]:
        """The digest of what was asked for; where it was approved, by which commit, and who wrote that."""
        return {name: str(value) for name, value in _mapping(self.facts.get("shape")).items() if value}

    @property
    def drain(self) -> Drain | None:
        """What an operator asked for; None where it is not told in full."""
        with suppress(ValueError):
            return Drain.from_json(dict(self.more))
        return None

    def keys(self, name: str) -> tuple[str, ...]:
        """The pilots' keys that the fact ``name`` lists, or has something to say of."""
        value = self.facts.get(name)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | dict) else ()

    def reason(self, key: str) -> str:
        """The kind of reason for which the pilot ``key`` failed, "" for unknown."""
        return _text(_mapping(_mapping(self.facts.get("failed")).get(key)), "kind")

    @property
    def spec(self) -> VMSpec:
        """What the VMs that were asked for are made of."""
        return _made(self.facts.get("made")) or VMSpec()

    @property
    def ended(self) -> Iterator[EndedVM]:
        """The VMs that were removed."""
        vms = self.facts.get("vms")
        for entry in vms if isinstance(vms, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("key"), str):
                yield _ended(entry)


def entries(journal: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    """The entries of the lines of a ``journal``, in their order."""
    for line in journal:
        time, event = _moment(line.get("time")), line.get("event")
        if time is not None and isinstance(event, str):
            yield Entry(time, event, line)


def _of_one(value: object, names: Sequence[str]) -> list[Any]:
    """What a fact says of the pilot that has one of these names."""
    if isinstance(value, dict):
        return [value[name] for name in names if name in value]
    return [one for one in value if _is_of(one, names)] if isinstance(value, list) else []


def _is_of(one: object, names: Sequence[str]) -> bool:
    if isinstance(one, dict):
        return one.get("key") in names or one.get("reference") in names
    return one in names


def _objects(facts: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: facts[name] for name in names if isinstance(facts.get(name), dict)}


def _ended(entry: Mapping[str, Any]) -> EndedVM:
    told = _text(entry, "reference")
    return EndedVM(
        key=entry["key"],
        id=instance_id(told) if told.startswith(REFERENCE_PREFIX) else "",
        cause=_text(entry, "cause"),
        reason=_text(entry, "reason"),
        verdict=_text(entry, "verdict"),
        spec=_made(entry.get("made")),
        start=_moment(entry.get("from")),
        end=_moment(entry.get("to")),
        lived=_seconds(entry.get("lived_s")),
    )


def _made(value: object) -> VMSpec | None:
    try:
        return VMSpec.from_json(value) if isinstance(value, dict) else None
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    try:
        when = moment(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return when if when.year >= _FIRST else None


def _seconds(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LONGEST.total_seconds()
    return value if good and isinstance(value, int) else None


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
