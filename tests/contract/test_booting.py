"""VMs that boot for longer than they may: they take no room that others need, and go with their reason."""

from __future__ import annotations

import pytest

from tests.contract.edges import WRAPPER, FakeEdge, assert_settled
from tests.fakes import Tainted
from tfce.model.endings import Cause

OPTIONS = {"MaxWaitingJobs": "1", "Terraform_CreateTimeout": "600"}


@pytest.mark.parametrize("gave_up", [False, True], ids=["nobody waits", "terraform waited in vain"])
def test_a_vm_that_never_boots_gives_its_room_back(edge: FakeEdge, gave_up: bool) -> None:
    edge.sky.boot_seconds = 10**6
    if gave_up:
        edge.sky.at("create", Tainted("timeout while waiting for state to become 'running'"))
    (stuck,) = edge.parts(**OPTIONS).fleet.submit(WRAPPER, 1).references
    edge.advance(599)
    held = edge.parts(**OPTIONS).fleet.submit(WRAPPER, 1)
    assert held.references == [] and "MaxWaitingJobs = 1" in held.limited
    assert edge.parts(**OPTIONS).fleet.poll([stuck]) == {stuck: "Waiting"}
    edge.advance(2)
    assert edge.parts(**OPTIONS).fleet.poll([stuck]) == {stuck: "Failed"}
    assert edge.parts(**OPTIONS).fleet.count()["WaitingJobs"] == 0
    assert len(edge.parts(**OPTIONS).fleet.submit(WRAPPER, 1).references) == 1
    (removed,) = edge.parts(**OPTIONS).fleet.reap().removed
    assert removed.reference == stuck and removed.reason.cause is Cause.STUCK
    assert str(removed.reason) == "failed: still pending after 600 s"
    assert edge.parts(**OPTIONS).fleet.poll([stuck]) == {stuck: "Failed"}
    assert_settled(edge.parts(**OPTIONS), edge)
