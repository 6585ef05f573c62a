"""What a preflight says of the host's clock beside the cloud's."""

from __future__ import annotations

from datetime import UTC, datetime

from tfce.cloud.api import Check

_MOST = 60.0  # seconds the host's clock may be off


def check(
    told: datetime | None, now: datetime | None = None, name: str = "clock", whose: str = "the cloud"
) -> Check:
    """The check ``name`` of the host's time ``now`` (default: the host's clock) against the one that ``whose``
    answers ``told``; both aware."""
    if told is None:
        return Check(name, True, f"{whose} does not say its time")
    off = abs((told - (now or datetime.now(UTC))).total_seconds())
    well = off < _MOST
    return Check(name, well, f"{off:.0f} s from {whose}'s", "" if well else "synchronise the host's clock")
