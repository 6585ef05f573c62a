"""A short simulated market: the goals of the long one, and that its judge can say no."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import goals, market
from benchmarks.guests import Guest
from benchmarks.market import DEMAND, START, Run
from benchmarks.traces import FLAVORS
from benchmarks.traces import market as traces
from tests.claims import every
from tfce.model.vm import State

CYCLES = 110


def simulated() -> dict[str, Any]:
    logging.disable(logging.CRITICAL)
    try:
        return market.told(14, CYCLES, market.simulated(14, CYCLES))
    finally:
        logging.disable(logging.NOTSET)


def test_a_short_market_keeps_every_promise_and_the_judge_sees_what_goes_wrong() -> None:
    figures = simulated()
    verdicts = {goal: (figure, verdict) for goal, figure, verdict in goals.of_market(figures)}
    assert len(verdicts) == 6 and {verdict for _, verdict in verdicts.values()} == {"met"}, verdicts
    assert figures["interruptions"] > 20 and figures["fizzles"] > 9 and figures["vms"] > DEMAND
    wrong = {"share": 0.97, "creates": 10**6, "fizzles": 13, "used": {"hours": 300.01, "money": 36.01}}
    judged = [verdict for _, _, verdict in goals.of_market({**figures, **wrong, "killed_in_spite": 1})]
    assert judged == ["missed"] * 6


def test_the_same_seed_is_the_same_market_and_another_one_is_not() -> None:
    assert traces(1, 500, 30) == traces(1, 500, 30) != traces(2, 500, 30)
    found = traces(1, 2000, 30)
    assert len(found) == 18 and {flavor for flavor, _ in found} == set(FLAVORS)
    assert every(0 in trace.room and max(trace.room) > 0 for trace in found.values())
    assert every(0 < price <= FLAVORS[flavor] for (flavor, _), one in found.items() for price in one.price)


def test_a_job_that_a_vm_takes_with_it_is_seen(tmp_path: Path) -> None:
    run = Run(tmp_path, 14, 5)
    run.through()
    node, guest = next((node, one) for node, one in run.sky.guests.items() if one.job_until)
    run.sky.set(node, State.DELETED)
    assert guest.job_until and guest.job_until > run.sky.clock() and run.sky.killed_in_spite == 1


def test_a_pilot_takes_no_job_in_the_margin_before_its_end() -> None:
    guest = Guest.starting(START, "i-1", 7200, 3600, broken=False)
    guest.jobs = 99
    now = START
    while guest.lives_on(now):
        now += timedelta(seconds=30)
    assert guest.noticed == guest.until - timedelta(seconds=3600)
    assert guest.noticed <= now <= guest.until and not guest.killed_in_spite(now)
