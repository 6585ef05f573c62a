"""Pilots in VMs that are simulated: they take jobs until none is left, they are drained, or their VM goes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

NOTICE = 120  # seconds that a spot market gives
_BOOT = 90
_YOUNG = 60  # seconds in which a pilot of a broken image ends


@dataclass
class Guest:
    """One VM's pilot. ``until``: its VM's own end; ``margin``: seconds before, in which it takes no further job;
    ``job_until``: end of the job at hand; ``noticed``: since when it takes no further one."""

    born: datetime
    until: datetime
    margin: int
    chance: random.Random
    jobs: int
    broken: bool = False
    job_until: datetime | None = None
    noticed: datetime | None = None
    interrupted: datetime | None = None  # when a spot market takes it away

    @classmethod
    def starting(cls, now: datetime, seed: str, lifetime: int, margin: int, broken: bool) -> Guest:
        """A pilot as a new VM has it: its life is up to a tenth shorter, as the guard spreads them."""
        chance = random.Random(seed)
        life = lifetime - chance.randint(0, lifetime // 10)
        return cls(now, now + timedelta(seconds=life), margin, chance, chance.randint(2, 10), broken)

    def notice(self, now: datetime) -> None:
        """The market tells that it takes the VM."""
        self.interrupted = now + timedelta(seconds=NOTICE)
        self.noticed = self.noticed or now

    def lives_on(self, now: datetime) -> bool:
        """Whether the VM still runs after what happens until ``now``."""
        age = (now - self.born).total_seconds()
        if self.broken:
            return age < _YOUNG
        if now >= self.until - timedelta(seconds=self.margin):
            self.noticed = self.noticed or self.until - timedelta(seconds=self.margin)
        while age >= _BOOT and (self.job_until is None or self.job_until <= now):
            begin = self.job_until or self.born + timedelta(seconds=_BOOT)
            if self.jobs == 0 or (self.noticed and begin >= self.noticed):
                self.job_until = None
                return False
            self.jobs -= 1
            self.job_until = begin + timedelta(minutes=self.chance.randint(5, 60))
        return now < self.until

    def killed_in_spite(self, now: datetime) -> bool:
        """Whether a job dies with the VM now that fitted what was told of its end: its VM's own end, or the
        market's notice. Without any notice each job did."""
        if self.job_until is None or self.job_until <= now:
            return False
        promised = self.interrupted or self.until
        return self.noticed is None or self.job_until <= promised
