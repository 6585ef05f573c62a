"""What a preflight says of the host's clock beside the cloud's."""

from __future__ import annotations

from datetime import UTC, datetime

from tfce.cloud.api import Check

_MOST = 60.0  # seconds the host's clock may be off


def check(cloud_time: datetime | None, now: datetime | None = None) -> Check:
    """The check of the host's time ``now`` (default: the host's clock) against the cloud's; both aware."""
    if cloud_time is None:
        return Check("clock", True, "the cloud does not say its time")
    off = abs((cloud_time - (now or datetime.now(UTC))).total_seconds())
    well = off < _MOST
    return Check("clock", well, f"{off:.0f} s from the cloud's", "" if well else "synchronise the host's clock")
