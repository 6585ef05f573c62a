"""How the pilots of a queue end, and whether any of them works. Pure: standard library only.

A row of bad ends is those since the last pilot that worked: what was asked for before that one, or with it, says
nothing of what is asked for now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise, takewhile
from typing import Any

from tfce.model import fields
from tfce.model.console import Markers
from tfce.model.pilot import timestamp
from tfce.model.vm_spec import NAMES, VMSpec

_REMEMBERED = 50  # bad ends
_LONGEST_WAIT = 3600  # seconds between two pilots that a protected queue tries


class Verdict(Enum):
    """What became of a pilot. The value is the word for people."""

    WORKED = "worked"
    FIZZLED = "fizzled"  # ended young
    NEVER_STARTED = "never started"  # the VM ran, and its pilot did not
    TAKEN_AWAY = "taken away"  # by the cloud, or by somebody else
    BOOT_FAILED = "failed to boot"


BAD = frozenset((Verdict.FIZZLED, Verdict.NEVER_STARTED, Verdict.BOOT_FAILED))


@dataclass(frozen=True)
class End:
    """One bad end. ``id``: the VM's; ``requested_at``: of its pilot; ``lived``: seconds, None where nobody can
    tell; ``exit_code``: of the pilot wrapper; ``said``: the cloud's fault, or the last line of the console."""

    id: str
    verdict: Verdict
    requested_at: datetime
    lived: int | None = None
    spec: VMSpec = field(default_factory=VMSpec)
    exit_code: str = ""
    said: str = ""


@dataclass(frozen=True)
class Health:
    """``row``: the bad ends since the last pilot that worked, the oldest first; ``worked``: when that one was
    asked for."""

    row: tuple[End, ...] = ()
    worked: datetime | None = None

    def learning(self, ends: Iterable[End], worked: Iterable[datetime]) -> Health:
        """This, and what was seen since: bad ``ends`` (one that is known is replaced), and when pilots that worked
        were asked for."""
        best = max((one for one in (self.worked, *worked) if one), default=None)
        known = {end.id: end for end in (*self.row, *ends)}
        row = [end for end in known.values() if best is None or end.requested_at > best]
        row.sort(key=lambda end: (end.requested_at, end.id))
        return Health(tuple(row[-_REMEMBERED:]), best)

    def without(self, ids: Iterable[str]) -> Health:
        """This without the bad ends of these VMs, which turned out to have worked."""
        gone = frozenset(ids)
        return replace(self, row=tuple(end for end in self.row if end.id not in gone))

    def not_after(self, now: datetime) -> Health:
        """This with no time in it later than ``now``."""
        row = tuple(replace(end, requested_at=min(end.requested_at, now)) for end in self.row)
        return Health(row, self.worked and min(self.worked, now))

    def protected(self, after: int) -> bool:
        """Whether ``after`` pilots in a row ended badly (0: never)."""
        return 0 < after <= len(self.row)

    def wait(self, after: int, cooldown: int) -> int:
        """Seconds from a protected queue's last pilot to the next one that it tries: ``cooldown``, and twice as
        long after each that was tried in vain, up to an hour."""
        asked = [end.requested_at for end in self.row]
        apart = [later - before >= timedelta(seconds=cooldown) for before, later in pairwise(asked)]
        alone = len(list(takewhile(bool, reversed(apart))))
        tried = min(alone, max(0, len(self.row) - after))
        return max(cooldown, min(cooldown * (1 << tried), _LONGEST_WAIT))

    def probe_due(self, others: Iterable[datetime], now: datetime, cooldown: int) -> bool:
        """Whether a protected queue may try one pilot: none was asked for in the last ``cooldown`` seconds.
        ``others``: when the pilots that have not ended were asked for."""
        newest = max((*(end.requested_at for end in self.row), *others), default=None)
        return newest is None or not timedelta(0) <= now - newest < timedelta(seconds=cooldown)

    def to_json(self) -> dict[str, Any]:
        """As it stands in the record."""
        return {"row": [_end_json(end) for end in self.row], "worked": self.worked and timestamp(self.worked)}

    @classmethod
    def from_json(cls, value: Any) -> Health:
        """The reverse. Raises ``ValueError`` for anything else."""
        if value is None:
            return cls()
        fields.exactly(value, ("row", "worked"))
        if not isinstance(value["row"], list):
            raise ValueError("a row of bad ends must be a list")
        worked = None if value["worked"] is None else fields.time(value["worked"])
        return cls(tuple(end for end in map(_end, value["row"]) if end), worked)

    def __str__(self) -> str:
        return f"{_ends(self.row)}{_common(self.row)}" if self.row else "no pilot ended badly"


_VERDICTS = frozenset(verdict.value for verdict in Verdict)
_FIELDS = ("id", "verdict", "requested_at", "lived", "exit_code", "said")


def _end_json(end: End) -> dict[str, Any]:
    values = {name: getattr(end, name) for name in _FIELDS}
    lived = None if end.lived is None else fields.bounded(end.lived)
    more = {"verdict": end.verdict.value, "requested_at": timestamp(end.requested_at), "lived": lived}
    return {**values, **more, **end.spec.to_json()}


def _end(entry: Any) -> End | None:
    """A bad end; None for a verdict that only a newer tfce knows."""
    fields.exactly({**dict.fromkeys(NAMES, ""), **fields.mapping(entry)}, (*_FIELDS, *NAMES))
    if fields.text(entry["verdict"]) not in _VERDICTS:
        return None
    return End(
        id=fields.text(entry["id"]),
        verdict=Verdict(entry["verdict"]),
        requested_at=fields.time(entry["requested_at"]),
        lived=None if entry["lived"] is None else fields.amount(entry["lived"]),
        spec=VMSpec.from_json(entry),
        exit_code=fields.text(entry["exit_code"]),
        said=fields.text(entry["said"]),
    )


def _ends(row: tuple[End, ...]) -> str:
    verdicts = list(dict.fromkeys(end.verdict.value for end in row))
    lives = [end.lived for end in row if end.lived is not None]
    lived = f", after {min(lives)} to {max(lives)} s" if lives else ""
    return f"{len(row)} pilots in a row {', '.join(verdicts)}{lived}"


def _common(row: tuple[End, ...]) -> str:
    """What all have in common."""
    facts = [(name, {getattr(end.spec, name) for end in row}) for name in NAMES]
    facts += [("exit code", {end.exit_code for end in row}), ("last words:", {end.said for end in row})]
    same = [f"{name} {next(iter(values))}" for name, values in facts if len(values) == 1 and values != {""}]
    return f"; all had {', '.join(same)}" if same else ""


def verdict_of_end(lived: int | None, young: int, markers: Markers) -> Verdict:
    """What became of a pilot whose VM switched itself off."""
    if markers.job or (lived is not None and lived >= young):
        return Verdict.WORKED
    never = not markers.starts and (markers.trouble or bool(markers.stage))
    return Verdict.NEVER_STARTED if never else Verdict.FIZZLED
