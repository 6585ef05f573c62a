"""Options of what people approve. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tfce.config import readers as read
from tfce.config.approved import Source, source
from tfce.config.declared import option


@dataclass(frozen=True)
class ReviewOptions:
    """Whether people approve the shape of new pilots, and where. Times in seconds."""

    mode: str = option(
        "Workspace_Review",
        read.review,
        "off",
        "shape: new pilots have the shape that was merged at Workspace_Approved, what the options ask beyond it "
        "waits; off: the options count at once",
        "shape",
    )
    approved: Source | None = option(
        "Workspace_Approved",
        source,
        "",
        "what was merged: a folder, or a git repository and its branch, REPOSITORY[//FOLDER]@REF",
        "https://git.example.org/site.git@main",
    )
    age: int = option(
        "Workspace_ReviewAge",
        read.optional_duration,
        "300",
        "seconds after which a repository is fetched again",
        "60",
    )

    @property
    def shape(self) -> bool:
        """Whether the shape of new pilots is the one that was approved."""
        return self.mode == "shape"
