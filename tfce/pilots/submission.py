"""What came of a submission."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tfce.model import reasons
from tfce.model.reasons import Reason, Stopped


@dataclass
class Submission:
    """What came of a submission: ``stamps`` by reference, in the order of creation, and ``failed``, the
    reason by key. ``calls`` counts API calls by action."""

    stamps: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Reason] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped: Stopped = Stopped.NO
    limited: str = ""  # why fewer were tried than asked for

    @property
    def references(self) -> list[str]:
        """The references of the pilots that exist."""
        return list(self.stamps)

    def followed_by(self, other: Submission, instead_of: Collection[str]) -> Submission:
        """Both together; ``other`` was about the pilots ``instead_of``, which are not spoken of any more."""
        failed = {key: reason for key, reason in self.failed.items() if key not in instead_of}
        stamps, calls = {**self.stamps, **other.stamps}, self.calls + other.calls
        return Submission(stamps, {**failed, **other.failed}, calls, stopped=other.stopped)


def failure_kind(failed: Mapping[str, Reason]) -> reasons.Kind:
    """The kind of failure that most of a submission's pilots met."""
    kinds = Counter(reason.kind for reason in failed.values())
    return kinds.most_common(1)[0][0] if kinds else reasons.Kind.UNCLASSIFIED
