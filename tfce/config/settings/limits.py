"""DIRAC's own limits of a queue. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tfce.config import readers as read
from tfce.config.declared import option


@dataclass(frozen=True)
class Limits:
    """How many VMs the queue may have; None: DIRAC alone decides."""

    total: int | None = option(
        "MaxTotalJobs",
        read.optional_count,
        "",
        "VMs of the queue that may wait and run; DIRAC's default is 1",
        "50",
    )
    waiting: int | None = option(
        "MaxWaitingJobs", read.optional_count, "", "VMs of the queue that may boot; DIRAC's default is 1", "10"
    )
    cpu_minutes: int | None = option(
        "maxCPUTime",
        read.minutes,
        "",
        "minutes a job of the queue may take; compared by tfce doctor",
        "2880",
    )
