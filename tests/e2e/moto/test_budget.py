"""What a cycle may cost, verb by verb: processes of Terraform, API calls, files that are synced to the disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.site import WRAPPER, Site
from tfce.app import Parts


@dataclass
class Meter:
    """What is spent by what is done through it."""

    site: Site
    parts: Parts
    synced: list[int] = field(default_factory=list)

    def spent(self, do: Callable[[], object]) -> tuple[dict[str, int], dict[str, int], int]:
        """Terraform's runs by command, API calls by action, and files synced."""
        before = Counter(self.parts.terraform.started)
        self.site.proxy.counts(reset=True)
        self.synced.clear()
        do()
        return dict(self.parts.terraform.started - before), dict(self.site.proxy.counts()), len(self.synced)


@pytest.fixture
def meter(together: Site, monkeypatch: pytest.MonkeyPatch) -> Meter:
    """A queue with two pilots, whose first submission is past, and whose account a first sweep has learned."""
    made = Meter(together, together.parts())
    real = os.fsync

    def fsync(handle: int) -> None:  # there is no other place where Python would tell of it
        made.synced.append(handle)
        real(handle)

    made.parts.fleet.submit(WRAPPER.encode(), 2)
    made.parts.fleet.reap()
    monkeypatch.setattr(os, "fsync", fsync)
    return made


def test_a_first_submission_initialises_and_applies(together: Site) -> None:
    parts = together.parts()
    parts.fleet.submit(WRAPPER.encode(), 1)
    assert dict(parts.terraform.started) == {"init": 1, "apply": 2}


def test_a_submission_is_one_process_and_one_request(meter: Meter) -> None:
    started, asked, synced = meter.spent(lambda: meter.parts.fleet.submit(WRAPPER.encode(), 30))
    assert started == {"apply": 1}
    assert asked == {"RunInstances": 1}
    assert synced <= 10  # a file and its folder count as two


def test_a_poll_is_no_process_and_one_call(meter: Meter) -> None:
    references = [f"cloud://{vm}" for vm in meter.site.instances()]
    started, asked, synced = meter.spent(lambda: meter.parts.fleet.poll(references))
    assert (started, asked) == ({}, {"DescribeInstances": 1}) and synced == 0


def test_an_audit_is_no_process_and_one_call(meter: Meter) -> None:
    started, asked, synced = meter.spent(meter.parts.fleet.audit)
    assert (started, asked, synced) == ({}, {"DescribeInstances": 1}, 0)


def test_a_sweep_that_finds_nothing_is_no_process(meter: Meter) -> None:
    started, asked, synced = meter.spent(meter.parts.fleet.reap)
    assert (started, asked) == ({}, {"DescribeInstances": 1}) and synced == 0


def test_a_sweep_is_one_process(meter: Meter) -> None:
    for vm in meter.site.instances():
        meter.site.do("StopInstances", vm)
    started, asked, synced = meter.spent(meter.parts.fleet.reap)
    assert started == {"state push": 1} and not meter.site.instances()
    assert asked["DescribeInstances"] == 1 and asked["TerminateInstances"] == 1
    assert synced <= 14


def test_a_kill_is_one_process(meter: Meter) -> None:
    references = [f"cloud://{vm}" for vm in meter.site.instances()]
    started, asked, synced = meter.spent(lambda: meter.parts.fleet.kill(references))
    assert started == {"state push": 1} and not meter.site.instances()
    assert asked["DescribeInstances"] == 1 and asked["TerminateInstances"] == 1
    assert synced <= 14


@pytest.mark.parametrize("verb", ["status", "count"])
def test_a_look_is_no_process_and_one_call(meter: Meter, verb: str) -> None:
    started, asked, synced = meter.spent(getattr(meter.parts.fleet, verb))
    assert (started, asked, synced) == ({}, {"DescribeInstances": 1}, 0)


def test_a_repair_of_what_is_well_is_no_process(meter: Meter) -> None:
    started, asked, synced = meter.spent(meter.parts.fleet.repair)
    assert started == {} and sum(asked.values()) <= 1 and synced <= 8
