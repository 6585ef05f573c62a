"""Values from a file, each checked. Everything here raises ``ValueError``. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from tfce.model.pilot import moment, timestamp

MOST = 10**9  # more than any number that is remembered, and small enough to reckon with
LAST_YEAR = 9000


def exactly(value: Any, names: Collection[str]) -> None:
    """Raise unless ``value`` is an object with exactly these names."""
    if set(mapping(value)) != set(names):
        raise ValueError(f"{value!r:.80} must hold {', '.join(sorted(names))}, nothing else")


def time(value: Any) -> datetime:
    """A time, as ``timestamp`` writes it."""
    when = moment(text(value))
    if timestamp(when) != value or when.year > LAST_YEAR:
        raise ValueError(f"{value!r} is no time")
    return when


def mapping(value: Any) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.80} is no JSON object")
    return value


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is no text")
    return value


def number(value: Any) -> int:
    """A whole number that is neither negative nor beyond reckoning."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise ValueError(f"{value!r:.40} is no number from 0 to {MOST}")
    return value


def bounded(value: int) -> int:
    """A number as a record may hold it, however a clock or an older version came by it."""
    return min(max(value, 0), MOST)


def amount(value: Any) -> int:
    """A number of seconds or of failures; of one beyond reckoning, which an older version wrote, the most."""
    return number(bounded(value) if type(value) is int and value > MOST else value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The pairs of an object, none of them twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result
