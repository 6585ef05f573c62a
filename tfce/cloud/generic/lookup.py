"""What libcloud's drivers list: whether what options name is there, and images by id, name or pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

from tfce.cloud import images, records
from tfce.cloud.api import Check
from tfce.cloud.generic.nodes import created_of
from tfce.cloud.records import InvalidRecordError
from tfce.model.errors import CloudError
from tfce.model.images import NAMED, NEWEST, Image, means_newest
from tfce.model.reasons import Kind, Reason

Items = Callable[[str], list[Any]]  # everything of a kind


def check(items: Items, kind: str, option: str, wanted: str) -> Check:
    """Whether the one thing that ``wanted`` (id or name:NAME) names is there."""
    try:
        name = wanted.removeprefix(NAMED)
        field = "name" if wanted.startswith(NAMED) else "id"
        ids = [str(item.id) for item in items(kind) if str(getattr(item, field)) == name]
    except CloudError as error:
        return Check.unanswered(kind, error)
    if len(ids) == 1:
        return Check(kind, True, wanted)
    return Check(kind, False, f"{wanted} matches {len(ids)}", f"set {option} to the id of one that exists")


def image_check(items: Items, wanted: str) -> Check:
    """The same of the image, which may be the newest of a pattern."""
    if not means_newest(wanted):
        return check(items, "image", "Instance_Image", wanted)
    try:
        return images.check(wanted, matching(items("image"), wanted))
    except CloudError as error:
        return Check.unanswered("image", error)


def matching(items: Iterable[Any], wanted: str) -> list[Image]:
    """The images among libcloud's ``items`` that ``wanted`` may mean. Raises ``CloudError`` where nobody can tell
    which of them is the newest."""
    if not wanted.startswith(NEWEST):
        name = wanted.removeprefix(NAMED)
        by_name = wanted.startswith(NAMED)
        return [_image(item) for item in items if name == str(item.name if by_name else item.id)]
    found = [one for one in map(_image, items) if fnmatchcase(one.name, wanted.removeprefix(NEWEST))]
    if found and not any(one.created for one in found):
        problem = f"{wanted}: libcloud's driver does not tell when an image was made"
        raise CloudError(
            problem, reason=Reason(Kind.IMAGE, problem, cure="set Instance_Image to an id or name:NAME")
        )
    return found


def _image(item: Any) -> Image:
    created = None
    with suppress(InvalidRecordError):
        created = created_of(item)
    return Image(records.fact(str(item.id)), records.fact(str(item.name)), created)
