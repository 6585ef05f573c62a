"""What a preflight says of an image: whether there is one, which, and whether it is about to go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tfce.cloud.api import Check
from tfce.model.images import Image, means_newest, newest

_OPTION = "Instance_Image"


def check(wanted: str, found: Sequence[Image]) -> Check:
    """The check of the image that ``wanted`` means, of the images that it may mean."""
    now = datetime.now(UTC)
    image = newest(found, now) if means_newest(wanted) else found[0] if len(found) == 1 else None
    if image is not None:
        return lasting(_named(wanted, image), image, now)
    if not found:
        return Check("image", False, f"{wanted}: there is none", f"set {_OPTION} to one that exists")
    ids = ", ".join(one.id for one in found)
    return Check("image", False, f"{wanted} matches {len(found)}: {ids}", f"set {_OPTION} to an id")


def lasting(detail: str, image: Image, now: datetime) -> Check:
    """That an image is there, and is about to go where it is."""
    trouble = image.trouble(now)
    if not trouble:
        return Check("image", True, detail)
    return Check("image", True, f"{detail}; {trouble}", f"set {_OPTION} to a newer one, or to newest:PATTERN")


def _named(wanted: str, image: Image) -> str:
    if not means_newest(wanted):
        return wanted
    made = f", made {image.created:%Y-%m-%d}" if image.created else ""
    return f"{wanted} is {image.id} ({image.name}{made})"
