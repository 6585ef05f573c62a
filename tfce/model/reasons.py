"""Why something did not happen: an enumeration with its evidence. Pure: standard library only.

A reason is made where a cloud's own code is known (``tfce.cloud.*.errors``), and turned into words once, where
people read it. Nothing reads those words back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any


class Stopped(StrEnum):
    """Why a program was ended before its time, in words; false if it was not."""

    NO = ""
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


class Kind(Enum):
    """What a reason means to the people who ask; the value is the word that DIRAC's answers and the command line
    show."""

    QUOTA = "quota"
    SPOT_QUOTA = "spot quota"  # of instances that the cloud may take back, not of the others
    CAPACITY = "capacity"
    THROTTLED = "throttled"
    NOT_GRANTED = "not granted"  # the cloud made fewer VMs than it was asked for, and does not say why
    AUTHENTICATION = "authentication"
    IMAGE = "image"
    FLAVOR = "flavor"
    NETWORK = "network"
    KEY_PAIR = "key pair"
    USER_DATA = "context"
    CONFIGURATION = "configuration"
    UNREACHABLE = "unreachable"  # nobody knows what the cloud did
    TAKEN_AWAY = "taken away"  # the cloud ended a VM of its own accord
    STOPPED = "stopped"
    TIMED_OUT = "timed out"
    PROVIDER = "provider"  # Terraform did not reach tfce's own: the cloud was asked for nothing
    GONE = "gone"
    UNCLASSIFIED = "unclassified"


# Kinds that say the cloud has no room now; see Workspace_Cooldown.
_NO_ROOM = frozenset({Kind.QUOTA, Kind.SPOT_QUOTA, Kind.CAPACITY, Kind.THROTTLED, Kind.NOT_GRANTED})
_LONGEST = 4000  # characters of one field in a file


def with_cure(problem: str, cure: str) -> str:
    """What is wrong and what to do, where that is known, as people read it."""
    return f"{problem}; {cure}" if cure else problem


@dataclass(frozen=True)
class Reason:
    """Why. ``text``: the evidence in the cloud's words, for people only; ``code``: the code of the cloud's API;
    ``cure``: what to do, where that is known."""

    kind: Kind
    text: str
    code: str = ""
    cure: str = ""

    def __str__(self) -> str:
        return with_cure(self.text, self.cure)

    @property
    def no_room(self) -> bool:
        """Whether the cloud has no room now."""
        return self.kind in _NO_ROOM

    @property
    def starts_nothing(self) -> bool:
        """Whether a whole submission that ended so is a reason to rest: there is no room, this host
        does not get so far, or nobody knows why."""
        return self.no_room or self.kind in (Kind.PROVIDER, Kind.UNCLASSIFIED)

    def saying(self, text: str) -> Reason:
        """The same reason in other words."""
        return replace(self, text=text)

    def to_json(self) -> dict[str, str]:
        """As it stands in files."""
        more = {"code": self.code, "cure": self.cure}
        said = {"text": self.text, **{name: text for name, text in more.items() if text}}
        return {"kind": self.kind.value, **{name: text[:_LONGEST] for name, text in said.items()}}

    @classmethod
    def from_json(cls, value: Any) -> Reason:
        """A reason that a file holds; a mere text is one that nobody classified, and so is a newer tfce's kind:
        its word is the code then. Raises ``ValueError``."""
        if isinstance(value, str):
            return cls(Kind.UNCLASSIFIED, value[:_LONGEST])
        fields = ("kind", "text", "code", "cure")
        if not isinstance(value, dict) or not {"kind", "text"} <= set(value):
            raise ValueError("a reason must hold kind and text")
        word, text, code, cure = (value.get(name, "") for name in fields)
        if not all(isinstance(one, str) and len(one) <= _LONGEST for one in (word, text, code, cure)):
            raise ValueError("a reason's fields must be texts")
        kind = next((kind for kind in Kind if kind.value == word), None)
        return cls(kind or Kind.UNCLASSIFIED, text, code if kind else code or word, cure)
