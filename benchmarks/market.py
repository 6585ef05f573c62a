"""A simulated market: `python -m benchmarks.market [--cycles N] [--seed N]`.

Six flavors in three zones whose room and price change, SiteDirector's cycles by a simulated clock, tfce's real
verbs (submit, poll, reap) over the tests' fakes. How much of what an all-knowing scheduler would have got was
delivered, with how many requests? Are a cap, a broken image and the ends of VMs handled as promised?
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import goals
from benchmarks.guests import Guest
from benchmarks.results import FOLDER
from benchmarks.traces import FLAVORS, ZONES, Place, Trace, market
from tests.fakes import Clock, FakeCloud, FakeTerraform, Sky
from tfce.config.options import parse
from tfce.model.price import MICRO
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import VM, State
from tfce.model.vm_spec import VMSpec
from tfce.pilots.fleet import Fleet
from tfce.store.workspace import Workspace

WRAPPER = b"#!/bin/bash\nexec sleep 3600\n"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
CYCLE, STEP, SWEEP = 120, 30, 10  # seconds of SiteDirector's cycle, of the simulation; cycles between sweeps
DEMAND = 60  # pilots that are wanted at any time
LIFE = 6 * 3600
_CYCLE = timedelta(seconds=CYCLE)
OPTIONS = {
    "CloudType": "EC2",
    "Instance_Image": "ami-1",
    "Instance_Flavor": ", ".join(FLAVORS),
    "Terraform_AvailabilityZone": ", ".join(ZONES),
    "Context_MaxLifetime": str(LIFE),
    "Workspace_Installation": "market",
    "Workspace_Price": ", ".join(f"{name}={price / MICRO}" for name, price in FLAVORS.items()),
}
_RUNS = (State.BOOTING, State.RUNNING)


class Market(Sky):
    """The tests' cloud with this market's room and guests. A VM that is off takes no room, as on EC2."""

    def __init__(self, traces: Mapping[Place, Trace]) -> None:
        super().__init__(clock=Clock(START))
        self.traces = traces
        self.guests: dict[str, Guest] = {}
        self.stays: list[Stay] = []
        self.broken = (START, START)  # from when to when the image is
        self.killed_in_spite = self.interruptions = 0

    def now_of(self, values: Sequence[int]) -> int:
        """The value of a trace at this moment."""
        return values[min(int((self.clock() - START).total_seconds()) // STEP, len(values) - 1)]

    def room(self, spec: VMSpec, quota: int | None) -> int:
        """What the trace has beside what runs there."""
        place = (spec.flavor, spec.zone)
        return self.now_of(self.traces[place].room) - sum(1 for vm in self.running() if _place(vm) == place)

    def running(self) -> list[VM]:
        """The VMs that run, those that the market is about to take, too."""
        return [self.vms[node] for node in self.guests]

    def add(self, name: str, tags: Mapping[str, str], **more: object) -> VM:
        """A new VM, with a pilot in it."""
        vm = super().add(name, tags, **more)
        now = self.clock()
        broken = self.broken[0] <= now < self.broken[1]
        self.guests[vm.id] = Guest.starting(now, vm.id, LIFE, LIFE // 10, broken)
        return vm

    def set(self, node_id: str, state: State, fault: str | Reason = "") -> None:
        """A VM that runs no more takes its job with it."""
        super().set(node_id, state, fault)
        if state not in _RUNS and node_id in self.guests:
            guest = self.guests.pop(node_id)
            self.stays.append(Stay(_place(self.vms[node_id]), guest.born, self.clock(), guest.broken))
            self.killed_in_spite += guest.killed_in_spite(self.clock())

    def pass_step(self) -> None:
        """Let a step of time pass: pilots end, and the market takes what has no room any more."""
        self.clock.advance(STEP)
        now = self.clock()
        for node, guest in list(self.guests.items()):
            if guest.interrupted and now >= guest.interrupted:
                self.set(node, State.FAILED, Reason(Kind.TAKEN_AWAY, "Server.SpotInstanceTermination"))
            elif not guest.lives_on(now):
                self.stop(node)
        there = Counter(_place(vm) for vm in self.running() if not self.guests[vm.id].interrupted)
        for place, number in there.items():
            over = number - self.now_of(self.traces[place].room)
            mine = [vm for vm in self.running() if _place(vm) == place and not self.guests[vm.id].interrupted]
            for vm in mine[: max(0, over)]:
                self.interruptions += 1
                self.guests[vm.id].notice(now)


def _place(vm: VM) -> Place:
    return vm.spec.flavor, vm.spec.zone


@dataclass(frozen=True)
class Stay:
    """What the market saw of one VM."""

    place: Place
    begin: datetime
    end: datetime
    broken: bool


@dataclass
class Figures:
    """What came of a run. ``delivered`` and ``possible``: VMs at each cycle."""

    cycles: int
    delivered: list[int] = field(default_factory=list)
    possible: list[int] = field(default_factory=list)
    vms: int = 0
    creates: int = 0
    fizzles: int = 0
    interruptions: int = 0
    killed_in_spite: int = 0
    money: dict[str, float] = field(default_factory=dict)
    hours: dict[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """What was delivered of what was possible."""
        return sum(self.delivered) / max(1, sum(self.possible))


class Run:
    """One queue on one market."""

    def __init__(self, folder: Path, seed: int, cycles: int, **options: str) -> None:
        self.sky = Market(market(seed, (cycles + 1) * CYCLE // STEP, STEP))
        queue = parse("market", "long", {**OPTIONS, **options}, folder / "dirac", folder / "root")
        workspace = Workspace(queue, self.sky.clock)
        cloud = FakeCloud(self.sky)
        self.fleet = Fleet(workspace, FakeTerraform(workspace, self.sky, 100), cloud, self.sky.clock)
        self.figures = Figures(cycles)

    def through(self) -> Figures:
        """All cycles, as SiteDirector makes them: submit what is missing, poll, now and then sweep."""
        for number in range(self.figures.cycles):
            if number % SWEEP == 0:
                self.fleet.reap()
            self._submit()
            references = [f"cloud://{node}" for node in self.sky.guests]
            self.fleet.poll(references)
            for _ in range(CYCLE // STEP):
                self._note()
                self.sky.pass_step()
        return self._closed()

    def _submit(self) -> None:
        there = self.fleet.count()
        missing = DEMAND - there["SubmittedJobs"] - there["WaitingJobs"] - there["RunningJobs"]
        hold = self.fleet.held()
        if missing > 0 and (hold is None or hold.most):
            submission = self.fleet.submit(WRAPPER, missing)
            self.figures.creates += submission.calls["RunInstances"]

    def _note(self) -> None:
        """A VM that has its notice still runs, here and for the all-knowing scheduler."""
        leaving = sum(1 for guest in self.sky.guests.values() if guest.interrupted)
        room = sum(self.sky.now_of(trace.room) for trace in self.sky.traces.values())
        self.figures.delivered.append(min(DEMAND, len(self.sky.guests)))
        self.figures.possible.append(min(DEMAND, room + leaving))

    def _closed(self) -> Figures:
        sky, figures = self.sky, self.figures
        now = sky.clock()
        running = [Stay(_place(sky.vms[node]), one.born, now, one.broken) for node, one in sky.guests.items()]
        stays = [*sky.stays, *running]
        figures.vms, figures.interruptions = len(stays), sky.interruptions
        figures.killed_in_spite = sky.killed_in_spite
        figures.fizzles = sum(1 for stay in stays if stay.broken)
        for stay in stays:
            self._bill(stay)
        return figures

    def _bill(self, stay: Stay) -> None:
        """Hours and money of one VM by day, step by step at the market's own price."""
        prices, begin = self.sky.traces[stay.place].price, stay.begin
        while begin < stay.end:
            step = min(timedelta(seconds=STEP), stay.end - begin)
            day, hours = f"{begin:%Y-%m-%d}", step.total_seconds() / 3600
            price = prices[min(int((begin - START).total_seconds()) // STEP, len(prices) - 1)]
            self.figures.hours[day] = self.figures.hours.get(day, 0) + hours
            self.figures.money[day] = self.figures.money.get(day, 0) + hours * price / MICRO
            begin += step


BROKEN = (40, 70)  # the cycles in which the image is broken, in its run
CAPS = {"hours": 300, "money": 36}  # a day


def simulated(seed: int, cycles: int) -> dict[str, Figures]:
    """The market as it is; with a broken image for an hour; with a cap on hours and money."""
    cap = ", ".join(f"{number} {unit}/day" for unit, number in CAPS.items())
    found = {}
    with tempfile.TemporaryDirectory(prefix="tfce-market-") as name:
        found["free"] = Run(Path(name) / "free", seed, cycles).through()
        broken = Run(Path(name) / "broken", seed, min(cycles, BROKEN[1] + 30))
        broken.sky.broken = (START + BROKEN[0] * _CYCLE, START + BROKEN[1] * _CYCLE)
        found["broken"] = broken.through()
        found["capped"] = Run(Path(name) / "capped", seed, cycles, Workspace_MaxHours=cap).through()
    return found


def told(seed: int, cycles: int, found: Mapping[str, Figures]) -> dict[str, Any]:
    """The figures as they are kept, judged and drawn."""
    free, broken, capped = (found[name] for name in ("free", "broken", "capped"))
    return {
        "seed": seed,
        "cycles": cycles,
        "demand": DEMAND,
        "share": round(free.share, 4),
        "vms": free.vms,
        "creates": free.creates,
        "interruptions": sum(one.interruptions for one in found.values()),
        "killed_in_spite": sum(one.killed_in_spite for one in found.values()),
        "fizzles": broken.fizzles,
        "caps": CAPS,
        "used": {"hours": _most(capped.hours), "money": _most(capped.money)},
        "delivered": free.delivered[:: CYCLE // STEP],
        "possible": free.possible[:: CYCLE // STEP],
    }


def _most(by_day: Mapping[str, float]) -> float:
    return round(max(by_day.values()), 6)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, print, and write the figures down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cycles", type=int, default=500, help="of SiteDirector, two minutes each")
    parser.add_argument("--seed", type=int, default=14, help="of the market")
    parser.add_argument("--results", type=Path, help="file for the figures, instead of one named by the day")
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    figures = told(given.seed, given.cycles, simulated(given.seed, given.cycles))
    now = datetime.now(UTC)
    path = given.results or FOLDER / f"market-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps({"run": f"{now:%Y-%m-%dT%H:%M:%SZ}", **figures}) + "\n")
    for goal, figure, verdict in goals.of_market(figures):
        print(f"{goal}: {figure}: {verdict}")


if __name__ == "__main__":
    main()
