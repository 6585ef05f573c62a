"""In which requests a submission's VMs are asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tfce.model.batches import halves
from tfce.model.pilot import Batch, Single, fresh_batches, fresh_keys
from tfce.model.reasons import Kind, Reason

Asked = Single | Batch
_NO_ROOM = (Kind.QUOTA, Kind.CAPACITY)


def requests(count: int, limit: int, taken: Collection[str]) -> list[Asked]:
    """``count`` VMs in batches of ``limit``, or one by one where that is 1; no key is in ``taken``."""
    if count < 2 or limit < 2:
        return list(map(Single, fresh_keys(count, taken)))
    return list(fresh_batches(count, limit, taken))


def halved(count: int, limit: int, taken: Collection[str]) -> list[Asked]:
    """``count`` VMs in batches that halve one another, for a cloud that has too little room for all of them and
    refuses a batch as a whole."""
    batches: list[Asked] = []
    used = set(taken)
    for size in halves(count, limit):
        batches += fresh_batches(size, size, used)
        used |= {key for batch in batches[-1:] for key in batch.keys}
    return batches


def refused_whole(asked: Sequence[Asked], failed: Mapping[str, Reason]) -> list[str]:
    """The keys of those batches of which the cloud had no room for all, and made none."""
    whole = [one for one in asked if isinstance(one, Batch) and one.size > 1]
    return [
        key
        for batch in whole
        if all(key in failed and failed[key].kind in _NO_ROOM for key in batch.keys)
        for key in batch.keys
    ]
