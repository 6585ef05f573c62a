"""A cloud market that nobody could make up: room and price of 6 flavors in 3 zones, from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

FLAVORS = {"c7": 170_000, "m7": 190_000, "c6": 150_000, "m6": 180_000, "c5": 140_000, "r5": 220_000}
ZONES = ("a", "b", "c")
Place = tuple[str, str]  # flavor, zone

_MEAN_STAY = 5400  # seconds that a room lasts before it is another
_LARGEST = 14


@dataclass(frozen=True)
class Trace:
    """One place's room and price (millionths an hour), a value each ``step`` seconds."""

    room: tuple[int, ...]
    price: tuple[int, ...]


def market(seed: int, steps: int, step: int) -> Mapping[Place, Trace]:
    """The traces of every place. A price is never above what its flavor may cost: a spot market's rule."""
    chance = random.Random(seed)
    return {
        (flavor, zone): _trace(chance, most, steps, step) for flavor, most in FLAVORS.items() for zone in ZONES
    }


def _trace(chance: random.Random, most: int, steps: int, step: int) -> Trace:
    rooms, prices = [], []
    room, share = _room(chance), chance.uniform(0.4, 0.9)
    for _ in range(steps):
        if chance.random() < step / _MEAN_STAY:
            room = _room(chance)
        share = min(1.0, max(0.3, share + (0.65 - share) * 0.01 + chance.gauss(0, 0.012)))
        prices.append(int(most * share))
        rooms.append(room)
    return Trace(tuple(rooms), tuple(prices))


def _room(chance: random.Random) -> int:
    """A third of the time none at all."""
    return 0 if chance.random() < 1 / 3 else chance.randint(1, _LARGEST)
