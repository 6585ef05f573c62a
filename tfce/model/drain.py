"""A queue that is being emptied: no new pilots, and after a deadline no old ones. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tfce.model import fields
from tfce.model.pilot import timestamp


@dataclass(frozen=True)
class Drain:
    """What an operator asked for at ``since``. ``image``: only pilots of this image are meant, new ones of another
    are started; ``older_than``: of those that run, only the ones that were this many seconds old; ``deadline``:
    when those that are meant and still run are removed (None: they end by themselves)."""

    since: datetime
    image: str = ""
    older_than: int = 0
    deadline: datetime | None = None

    def holds(self, images: Iterable[str]) -> bool:
        """Whether no pilot of an image that is known by these names is started."""
        return not self.image or self.image in images

    def __str__(self) -> str:
        image = f" of image {self.image}" if self.image else ""
        drained = f"drained{image} since {timestamp(self.since)}"
        if self.deadline is None:
            return drained
        older = f"is older than {self.older_than} s and " if self.older_than else ""
        return f"{drained}, what {older}still runs is removed after {timestamp(self.deadline)}"

    def to_json(self) -> dict[str, Any]:
        """As it stands in the record."""
        deadline = timestamp(self.deadline) if self.deadline else None
        return {
            "since": timestamp(self.since),
            "image": self.image,
            "older_than": fields.bounded(self.older_than),
            "deadline": deadline,
        }

    @classmethod
    def from_json(cls, entry: Any) -> Drain:
        """The reverse. Raises ``ValueError`` for anything else."""
        fields.exactly(entry, ("since", "image", "older_than", "deadline"))
        deadline = None if entry["deadline"] is None else fields.time(entry["deadline"])
        since, older = fields.time(entry["since"]), fields.amount(entry["older_than"])
        return cls(since, fields.text(entry["image"]), older, deadline)
