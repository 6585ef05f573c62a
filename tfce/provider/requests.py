"""Which API calls would make the pilots that are missing, by what lies in the folder of user data."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tfce.model.pilot import Batch
from tfce.store import files


@dataclass(frozen=True)
class Request:
    """What one call asks for: a pilot's VM, or those of a batch. ``text``: the user data; None: there is none."""

    asked: str | Batch
    keys: tuple[str, ...]
    text: str | None


def needed(missing: Collection[str], contexts: Path) -> Iterator[Request]:
    """The calls that would make the ``missing``, those for most VMs first. A folder's file is a pilot's user data,
    or a batch's."""
    labels = sorted(path.name for path in contexts.glob("*-*")) if missing else []
    single = dict.fromkeys(missing)
    for batch in sorted(filter(None, map(Batch.parse, labels)), key=lambda batch: -batch.size):
        keys = tuple(key for key in batch.keys if key in single)
        if keys:
            yield Request(batch, keys, files.believed(contexts / batch.label))
            single = {key: None for key in single if key not in keys}
    for key in single:
        yield Request(key, (key,), files.believed(contexts / key))
