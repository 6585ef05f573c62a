"""EC2's images: by id, name or pattern, with when they were made and until when they are kept."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findall

from tfce.cloud import records
from tfce.cloud.ec2.answers import text_of
from tfce.cloud.ec2.errors import knows_no
from tfce.cloud.ec2.session import Session, literal
from tfce.cloud.listing import sound
from tfce.cloud.records import InvalidRecordError
from tfce.model.errors import CloudError
from tfce.model.images import NAMED, NEWEST, Image

_ALL = "IncludeDeprecated"


def matching(session: Session, wanted: str, owners: Collection[str]) -> list[Image]:
    """The images that ``wanted`` may mean."""
    asking, params = f"looking for the image {wanted}", _search(wanted, owners)
    try:
        answer = session.ask(asking, {**params, _ALL: "true"})
    except CloudError as error:
        if not knows_no(_ALL, error.reason):
            raise
        answer = session.ask(asking, params)
    return list(sound(asking, findall(answer, "imagesSet/item", NAMESPACE), _image))


def _search(wanted: str, owners: Collection[str]) -> dict[str, str]:
    params = {"Action": "DescribeImages"}
    if not wanted.startswith((NAMED, NEWEST)):
        return {**params, "ImageId.1": wanted}
    by_name = wanted.startswith(NAMED)
    # A pattern is EC2's own: * and ?; a name is taken as it is.
    name = literal(wanted.removeprefix(NAMED)) if by_name else wanted.removeprefix(NEWEST)
    params |= {"Filter.1.Name": "name", "Filter.1.Value.1": name}
    if not by_name:
        params |= {"Filter.2.Name": "state", "Filter.2.Value.1": "available"}
    return params | {f"Owner.{number}": owner for number, owner in enumerate(owners, 1)}


def _image(item: Any) -> Image:
    return Image(
        id=records.identity(text_of(item, "imageId")),
        name=records.fact(text_of(item, "name")),
        created=_moment(text_of(item, "creationDate")),
        deprecated=_moment(text_of(item, "deprecationTime")),
    )


def _moment(text: Any) -> datetime | None:
    with suppress(InvalidRecordError):
        return records.moment(text)
    return None
