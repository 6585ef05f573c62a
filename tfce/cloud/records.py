"""The fields of one record of a cloud's answer, each checked for what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import prod
from typing import Any

from tfce.cloud import clean

_NAME = 1024  # characters; nova and EC2 allow 255
_VALUE = 4096
_FAULT = 2000
_TAGS = 1024


class InvalidRecordError(Exception):
    """A record of the cloud's answer is not what it should be, and is left out."""


def identity(value: Any) -> str:
    """An id. Raises ``InvalidRecordError``."""
    found = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(found, str) or not clean.is_identity(found):
        raise InvalidRecordError(f"its id is {_shown(value)}")
    return found


def name(value: Any, what: str = "name", most: int = _NAME) -> str:
    """A text of one line. Raises ``InvalidRecordError``."""
    if not isinstance(value, str) or len(value) > most:
        raise InvalidRecordError(f"its {what} is {_shown(value)}")
    return clean.line(value)


def number(value: Any, what: str, most: int = 10**15) -> int:
    """A number that is not negative; 0 for none. Raises ``InvalidRecordError``."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidRecordError(f"its {what} is {_shown(value)}")
    return value


def fault(value: Any) -> str:
    """A reason, cut where it is too long; empty where there is none."""
    return clean.line(value[:_FAULT]) if isinstance(value, str) else ""


def fact(value: Any) -> str:
    """What a VM is made of or where it runs, as the cloud calls it; empty where it does not say."""
    return clean.line(value) if isinstance(value, str) and len(value) <= _NAME else ""


def product(*factors: Any) -> str:
    """Small numbers, multiplied; empty where one of them is none."""
    numbers = [str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in factors]
    if not all(isinstance(one, str) and re.fullmatch(r"[1-9][0-9]{0,4}", one) for one in numbers):
        return ""
    return str(prod(map(int, numbers)))


def tags(value: Any) -> dict[str, str]:
    """Tags, or metadata. Raises ``InvalidRecordError``."""
    if not isinstance(value, Mapping) or len(value) > _TAGS:
        raise InvalidRecordError(f"its tags are {_shown(value)}")
    return {name(key, "tag", _VALUE): name(text, "tag's value", _VALUE) for key, text in value.items()}


def moment(value: Any) -> datetime | None:
    """A time; None for none. One without a zone is UTC. Raises ``InvalidRecordError``."""
    if value is None or value == "":
        return None
    try:
        when = datetime.fromisoformat(value)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise InvalidRecordError(f"its time is {_shown(value)}") from None


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"{clean.line(value[:40])!r}" + (f"… ({len(value)} characters)" if len(value) > 40 else "")
    return "missing" if value is None else f"of type {type(value).__name__}"
