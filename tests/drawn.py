"""What is drawn of long matrices: `make test` prints a seed and has it in TFCE_DRAW. Without one all is tried.

All of them would double the time of the suite, for the native modules above all: their providers start slowly.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")
VARIABLE = "TFCE_DRAW"


def some(of: Sequence[T], share: float, name: str) -> list[T]:
    """Of ``of`` this share, at least one, in its order: the same for a seed and ``name``. All without a seed."""
    if not drawn():
        return list(of)
    chosen = random.Random(f"{os.environ[VARIABLE]} {name}").sample(range(len(of)), max(1, round(len(of) * share)))
    return [of[number] for number in sorted(chosen)]


def seeded() -> Mapping[str, str]:
    """The seed as the environment of the tests has it; nothing where ALL are to be tried."""
    if everything():
        return {}
    seed = os.environ.get("SEED") or str(random.SystemRandom().randrange(1, 2**31))
    print(f"SEED={seed} draws a part of what is long; ALL=1 tries all", file=sys.stderr, flush=True)
    return {VARIABLE: seed}


def everything() -> bool:
    """Whether nothing is to be spared."""
    return bool(os.environ.get("ALL"))


def drawn() -> bool:
    """Whether a part is enough."""
    return bool(os.environ.get(VARIABLE))


def keep(config: pytest.Config, items: list[pytest.Item], among: Sequence[pytest.Item], share: float) -> None:
    """Of the tests ``among`` the ``items`` leave only this share; pytest counts the others as deselected."""
    if not among:
        return
    kept = set(some(among, share, str(among[0].path.name)))
    left_out = [item for item in among if item not in kept]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]
