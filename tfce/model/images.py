"""Which image an option means, and how long it stays. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

NAMED, NEWEST = "name:", "newest:"  # what an option begins with that holds no id
_SOON = timedelta(days=90)


@dataclass(frozen=True)
class Image:
    """One image of a cloud's. ``created``: None where the cloud does not tell; ``deprecated``: when its owner
    withdraws it (EC2's DeprecationTime), None for never; ``hidden``: superseded (glance's ``os_hidden``)."""

    id: str
    name: str
    created: datetime | None = None
    deprecated: datetime | None = None
    hidden: bool = False

    def old(self, now: datetime) -> bool:
        """Whether its owner has deprecated or hidden it."""
        return self.hidden or (self.deprecated is not None and self.deprecated <= now)

    def trouble(self, now: datetime) -> str:
        """That it is deprecated or hidden, or will be deprecated within 90 days, with the date; else ""."""
        if self.deprecated is not None and self.deprecated - now <= _SOON:
            word = "has been deprecated since" if self.deprecated <= now else "will be deprecated on"
            return f"image {self.id} ({self.name}) {word} {self.deprecated:%Y-%m-%d}"
        return f"image {self.id} ({self.name}) is hidden: its owner has a newer one" if self.hidden else ""


def means_newest(option: str) -> bool:
    """Whether the option names a pattern, of whose images the newest is meant."""
    return option.startswith(NEWEST)


def newest(images: Iterable[Image], now: datetime) -> Image | None:
    """The newest image that is not deprecated or hidden, else the newest of all; None where none has a time."""
    dated = [image for image in images if image.created is not None]
    fresh = [image for image in dated if not image.old(now)] or dated
    return max(fresh, key=lambda image: (image.created or now, image.id), default=None)
