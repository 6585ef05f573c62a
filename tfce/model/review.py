"""What people approved of a queue's shape, and what waits for them. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tfce.model.hold import Hold


@dataclass(frozen=True)
class Approval:
    """What was approved, and by whom. ``digest``: of its files; ``source``: where they are from; ``commit``: that
    brought them, with its ``author`` and ``date`` ("" where there is no git)."""

    digest: str
    source: str
    commit: str = ""
    author: str = ""
    date: str = ""

    def to_json(self) -> dict[str, str]:
        """As the journal has it."""
        return {name: text for name, text in vars(self).items() if text}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Approval:
        """The reverse; other names in ``entry`` are left alone."""
        return cls(**{one.name: str(entry.get(one.name, "")) for one in fields(cls)})

    def __str__(self) -> str:
        commit = f"commit {self.commit[:12]} by {self.author}, {self.date}" if self.commit else self.source
        return f"{commit} (digest {self.digest[:12]})"


@dataclass(frozen=True)
class Difference:
    """One option that asks for something else than what was approved; both in words."""

    option: str
    approved: str
    asked: str

    def __str__(self) -> str:
        return f"{self.option}: {self.asked or 'no value'} is asked for, {self.approved or 'no value'} is approved"


@dataclass(frozen=True)
class ReviewStatus:
    """How a queue stands that is reviewed. ``waiting``: what is asked for and not approved; ``hold``: why no pilot
    can be started at all; ``trouble``: why the approval may be out of date."""

    approval: Approval | None = None
    waiting: tuple[Difference, ...] = field(default=())
    hold: Hold | None = None
    trouble: str = ""

    def lines(self) -> list[str]:
        """What people should know of it, nothing where all is well."""
        waits = [f"waits for approval: {one}" for one in self.waiting]
        return [*waits, *([f"the approval may be out of date: {self.trouble}"] if self.trouble else [])]
