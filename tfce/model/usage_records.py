"""What a queue's journal tells of its VMs: who they were, what of, from when to when, and how they ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tfce.model.entries import EndedVM, entries
from tfce.model.pilot import timestamp
from tfce.model.usage import Stay
from tfce.model.vm_spec import VMSpec


@dataclass(frozen=True)
class UsageRecord:
    """One VM. ``end``: None while it runs; ``verdict``: the word for how its pilot ended, "" for unknown."""

    id: str
    key: str
    start: datetime
    end: datetime | None
    spec: VMSpec = field(default_factory=VMSpec)
    verdict: str = ""
    reason: str = ""

    def stay(self, now: datetime) -> Stay:
        """Its time, until ``now`` where it runs."""
        return Stay(self.spec.flavor, self.start, self.end or max(now, self.start))


def line(stay: Stay | None, spec: VMSpec, verdict: str) -> dict[str, Any]:
    """What the journal keeps of a VM that ended, besides who it was."""
    times = {"from": timestamp(stay.start), "to": timestamp(stay.end)} if stay else {}
    return {
        **times,
        **({"made": spec.to_json()} if spec != VMSpec() else {}),
        **({"verdict": verdict} if verdict else {}),
    }


def ended(journal: Iterable[Mapping[str, Any]]) -> dict[str, UsageRecord]:
    """The VMs that the ``journal`` saw end, by id; of one that ended twice, what was written first."""
    specs: dict[str, VMSpec] = {}
    found: dict[str, UsageRecord] = {}
    for one in entries(journal):
        if one.event == "submit":
            specs |= dict.fromkeys(one.keys("keys"), one.spec)
        elif one.event in ("removed", "recovered"):
            for vm in one.ended:
                if vm.id:
                    found.setdefault(vm.id, _usage_record(vm, one.time, specs))
    return found


def _usage_record(vm: EndedVM, written: datetime, asked: Mapping[str, VMSpec]) -> UsageRecord:
    """Lines of older versions say how long a VM lived, and were written when it was removed."""
    end = vm.end or written
    start = vm.start or end - timedelta(seconds=vm.lived or 0)
    spec = vm.spec or asked.get(vm.key, VMSpec())
    return UsageRecord(vm.id, vm.key, start, max(start, end), spec, vm.verdict, vm.reason)
