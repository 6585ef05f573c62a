"""What keeps a queue from starting pilots, as one fact. Pure: standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tfce.model.reasons import with_cure


class HoldKind(Enum):
    """The word for people and programs."""

    UNAPPROVED = "not approved"  # people have not merged its shape
    DRAINED = "drained"  # an operator wants no new ones
    PROTECTED = "protected"  # the last ones all ended badly
    RESTING = "resting"  # the cloud had no room
    SPENT = "allocation spent"  # what may be used in this period would not do for one more
    LIMIT = "limit"  # as many as the options allow are there


@dataclass(frozen=True)
class Hold:
    """``text``: why, for people; ``cure``: what ends it; ``most``: how many pilots may be started all the same.
    ``firm``: an operator's own ``tfce submit`` is held, too."""

    kind: HoldKind
    text: str
    cure: str = ""
    most: int = 0
    firm: bool = False

    def __str__(self) -> str:
        return with_cure(self.text, self.cure)
