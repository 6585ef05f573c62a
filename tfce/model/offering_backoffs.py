"""Which offerings rest, and for how long. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType

from tfce.model.reasons import Kind, Reason
from tfce.model.record_parts import Backoff

_FIRST, _LONGEST = 180, 3600  # seconds

OfferingBackoffs = Mapping[str, Backoff]
# What another offering may not lack. A quota is the whole account's, and an image is missing everywhere.
_OF_ONE = frozenset((Kind.CAPACITY, Kind.NOT_GRANTED, Kind.FLAVOR, Kind.SPOT_QUOTA))
_OF_ALL = frozenset((Kind.QUOTA, Kind.IMAGE))


def another_helps(reason: Reason) -> bool:
    """Whether what failed for ``reason`` may be had of another offering."""
    return reason.kind in _OF_ONE


def without_alternative(reason: Reason) -> Reason:
    """``reason``, which also says so where it is no lack of room of one offering."""
    if reason.kind not in _OF_ALL:
        return reason
    return reason.saying(f"{reason.text} (no lack of room of one offering: no other one was tried)")


def resting(rests: OfferingBackoffs, label: str, now: datetime) -> bool:
    """Whether an offering is left out at ``now``."""
    return label in rests and rests[label].resting(now)


def full(rests: OfferingBackoffs, label: str, reason: Reason, now: datetime) -> OfferingBackoffs:
    """``rests`` after the offering ``label`` had no room once more: three minutes, doubling, at most an hour."""
    failures = (rests[label].failures if label in rests else 0) + 1
    rest = min(_FIRST * 2 ** min(failures - 1, 10), _LONGEST)
    return MappingProxyType({**rests, label: Backoff(failures, reason, now.replace(microsecond=0), rest)})


def only(rests: OfferingBackoffs, labels: Collection[str]) -> OfferingBackoffs:
    """``rests`` of these offerings."""
    return MappingProxyType({label: rest for label, rest in rests.items() if label in labels})
