"""Batches that halve one another: any room is filled, in few requests."""

from __future__ import annotations

import math

import pytest

from tfce.model.batches import are_halves, halves


def granted(sizes: list[int], room: int) -> int:
    """How many VMs come up where each batch is granted or refused as a whole, one after the other."""
    left = room
    for size in sizes:
        left -= size if size <= left else 0
    return room - left


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 50, 64, 99, 100, 127, 128, 1000])
def test_any_room_is_filled_in_few_requests(count: int) -> None:
    sizes = halves(count, count)
    assert sum(sizes) == count and len(sizes) <= math.log2(count) + 1
    for room in range(count + 1):
        assert granted(sizes, room) == room


def test_no_batch_is_larger_than_allowed() -> None:
    sizes = halves(250, 100)
    assert sum(sizes) == 250 and max(sizes) == 100 and granted(sizes, 161) == 161
    assert halves(0, 100) == []


@pytest.mark.parametrize("sizes", [[100], [100, 100, 50], [20, 20, 10], [50, 7], []])
def test_batches_as_a_submission_usually_makes_them_are_no_halves(sizes: list[int]) -> None:
    assert not are_halves(sizes)


def test_halves_are_known_again() -> None:
    for count in range(2, 300):
        assert are_halves(halves(count, count)) and are_halves(halves(count, -(-count // 2)))
