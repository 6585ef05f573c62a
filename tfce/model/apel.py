"""APEL's cloud usage record, version 0.4: what a site sends to EGI's accounting. Pure.

Only what is known is said. No user is named: a pilot's VM is no person's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tfce.model.usage_records import UsageRecord

HEADER = "APEL-cloud-message: v0.4"
_END = "%%"
_WIDTH = 255  # of a text

Record = Mapping[str, str | int]


@dataclass(frozen=True)
class ApelSite:
    """``site``: its name in the GOCDB; ``service``: the CE; ``cloud``: what runs it; ``prefix``: of VMs' names."""

    site: str
    service: str
    cloud: str
    prefix: str


def record(used: UsageRecord, where: ApelSite, cores: int | None, now: datetime) -> Record:
    """One VM's record, as far as it is known at ``now``; a later one of the same VM takes its place. CPU time is
    what was allotted, as cloud sites report it."""
    stay = used.stay(now)
    wall = int((stay.end - stay.start).total_seconds())
    over: dict[str, str | int] = {"Status": "started"}
    if used.end:
        over = {"Status": "completed", "EndTime": _epoch(stay.end)}
    cpus = {"CpuDuration": wall * cores, "CpuCount": cores} if cores else {}
    image = {"ImageId": _text(used.spec.image)} if used.spec.image else {}
    return {
        "VMUUID": _text(used.id),
        "SiteName": _text(where.site),
        "CloudComputeService": _text(where.service),
        "MachineName": _text(f"{where.prefix}{used.key}"),
        **over,
        "StartTime": _epoch(stay.start),
        "WallDuration": wall,
        **cpus,
        **image,
        "CloudType": _text(where.cloud),
    }


def message(records: Iterable[Record]) -> str:
    """The records as one message."""
    parts = [HEADER]
    for one in records:
        parts += [*(f"{name}: {value}" for name, value in one.items()), _END]
    return "\n".join(parts)


def _epoch(when: datetime) -> int:
    return int(when.timestamp())


def _text(value: str) -> str:
    return " ".join(value.split())[:_WIDTH]
