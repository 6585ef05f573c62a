"""How many lists the queues of one login ask for in a cycle."""

from __future__ import annotations

import pytest

from tfce.cloud.listing import Listing
from tfce.cloud.shared import Lists
from tfce.model.vm import Owner


class Counting:
    """A cloud without VMs that counts its lists, and for how many queues the largest was."""

    def __init__(self) -> None:
        self.lists, self.largest = 0, 0

    def vms(self, *owners: Owner) -> Listing:
        self.lists += 1
        self.largest = max(self.largest, len(owners))
        return Listing()


@pytest.mark.parametrize(("queues", "most"), [(1, 1), (20, 1), (100, 1), (101, 2), (150, 2), (350, 4)])
def test_a_cycle_of_many_queues_takes_few_lists(queues: int, most: int) -> None:
    now, cloud = 0.0, Counting()
    shared = Lists(lambda: now)
    for cycle in range(3):
        cloud.lists = 0
        for number in range(queues):
            now += 0.001
            shared.vms(cloud, Owner("site", "ce", f"q{number}"), 5)  # type: ignore[arg-type]
        assert cloud.lists <= most or not cycle  # in the first nobody knows yet who will ask
        now += 120
    assert cloud.largest <= 100
