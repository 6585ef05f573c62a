"""Which image an option means, and how long it stays. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

NAMED, NEWEST = "name:", "newest:"  # what an option begins with that holds no id
_SOON = timedelta(days=90)


@dataclass(frozen=True)
class Image:
    """One image of a cloud's. ``created``: None where the cloud does not tell; ``deprecated``: from when on its
    owner gives it up, None where nobody says; ``hidden``: its owner counts it as an old one."""

    id: str
    name: str
    created: datetime | None = None
    deprecated: datetime | None = None
    hidden: bool = False

    def old(self, now: datetime) -> bool:
        """Whether its owner has given it up."""
        return self.hidden or (self.deprecated is not None and self.deprecated <= now)

    def trouble(self, now: datetime) -> str:
        """That it is given up, or is going to be soon, with the date; "" while it is not."""
        if self.deprecated is not None and self.deprecated - now <= _SOON:
            word = "has been deprecated since" if self.deprecated <= now else "will be deprecated on"
            return f"image {self.id} ({self.name}) {word} {self.deprecated:%Y-%m-%d}"
        return f"image {self.id} ({self.name}) is hidden: its owner has a newer one" if self.hidden else ""


def means_newest(option: str) -> bool:
    """Whether the option names a pattern, of whose images the newest is meant."""
    return option.startswith(NEWEST)


def newest(images: Iterable[Image], now: datetime) -> Image | None:
    """The one that was made last, of those that are not given up, else of all; None where no time is known."""
    dated = [image for image in images if image.created is not None]
    fresh = [image for image in dated if not image.old(now)] or dated
    return max(fresh, key=lambda image: (image.created or now, image.id), default=None)
