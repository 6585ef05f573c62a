"""How large the batches are in which VMs are asked for. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Sequence


def halves(count: int, largest: int) -> list[int]:
    """Sizes, ``count`` in all, none above ``largest``, each at most half (rounded up) of what is left.

    Asked for one after the other they fill any room up to ``count``, though each is granted or refused as a whole:
    in at most log2(count) + 1 requests, where ``largest`` is no bound.
    """
    sizes: list[int] = []
    while count > 0:
        sizes.append(min(-(-count // 2), largest))
        count -= sizes[-1]
    return sizes


def are_halves(sizes: Sequence[int]) -> bool:
    """Whether batches of these sizes, largest first, were made by ``halves``, and are for one after the other."""
    return len(sizes) > 1 and list(sizes) == halves(sum(sizes), sizes[0])
