"""Every fault with each action and each verb that asks for it; a sample of them, by a seed that is printed."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

from tests.rigs.hostile import ODD, STATUSES

ANY = (
    *map(str, STATUSES),
    "html",
    "type",
    "cut",
    "drop",
    "endless",
    "drip",
    "late",
    "redirect",
    "ahead",
    "behind",
    "random",
)
LISTS = ("half", "doubled", "empty", "shuffled", "again", "stale", *(f"odd-{what}" for what in ODD))
READS = ("poll", "count", "status", "log", "audit", "doctor", "migrate", "plan")
WRITES = ("submit", "reap", "kill", "repair")
_ALL = (*READS, *WRITES)
# What each verb asks of the cloud; a test keeps these tables.
EC2 = {
    "DescribeInstances": _ALL,
    "RunInstances": ("submit",),
    "TerminateInstances": ("reap", "kill"),
    "GetConsoleOutput": ("log", "reap"),
    "DescribeImages": ("doctor",),
    "DescribeInstanceTypes": ("doctor",),
    "DescribeAvailabilityZones": ("doctor",),
}
OPENSTACK = {
    "POST /auth/tokens": _ALL,
    "GET /servers/detail": _ALL,
    "POST /servers": ("submit",),
    "GET /servers/ID": ("submit",),
    "DELETE /servers/ID": ("reap", "kill"),
    "POST /servers/ID/action": ("log", "reap"),
    "GET /images": ("submit", "plan", "doctor"),
    "GET /networks": ("submit", "plan", "doctor"),
    "GET /flavors/ID": ("doctor",),
    "GET /limits": ("doctor",),
}
CLOUDS = {"ec2": EC2, "openstack": OPENSTACK}
SAMPLE = 250  # of each run, unless TFCE_HOSTILE is "all" or another number
SEED = "TFCE_HOSTILE_SEED"
SIZE = "TFCE_HOSTILE"


@dataclass(frozen=True)
class Case:
    """One verb while one action is spoilt in one way."""

    cloud: str
    action: str
    effect: str
    verb: str

    def __str__(self) -> str:
        return f"{self.cloud}-{self.action.replace(' /', '_').replace('/', '.')}-{self.effect}-{self.verb}"


def _lists(action: str) -> bool:
    return action.startswith(("Describe", "GET "))


def every() -> list[Case]:
    """All cases."""
    return [
        Case(cloud, action, effect, verb)
        for cloud, actions in CLOUDS.items()
        for action, verbs in actions.items()
        for effect in (*ANY, *(LISTS if _lists(action) else ()))
        for verb in verbs
    ]


def drawn() -> list[Case]:
    """The cases of this run, those of one cloud together."""
    cases, size = every(), os.environ.get(SIZE, str(SAMPLE))
    if size == "all":
        return cases
    sample = random.Random(os.environ.get(SEED, "0")).sample(cases, min(int(size), len(cases)))
    return sorted(sample, key=str)
