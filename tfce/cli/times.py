"""Times on the command line: one grammar for all commands."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from tfce.config import readers

GRAMMAR = "2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00:00Z, in UTC, or 90m, 12h, 2d"
PAST, FUTURE = f"{GRAMMAR} ago", f"{GRAMMAR} from now"
_UNITS = ("s", "m", "h", "d")


def past(text: str) -> datetime:
    """A time, or how long ago."""
    return _time(text, -1, PAST)


def future(text: str) -> datetime:
    """A time, or how long from now."""
    return _time(text, 1, FUTURE)


def age(text: str) -> int:
    """How old, in seconds."""
    try:
        return readers.age(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _time(text: str, sign: int, grammar: str) -> datetime:
    try:
        if text[-1:] in _UNITS:
            return datetime.now(UTC).replace(microsecond=0) + sign * timedelta(seconds=readers.age(text))
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text} is no time; give {grammar}") from None
