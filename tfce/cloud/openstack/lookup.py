"""What an OpenStack calls by a name or an id: the one look-up of the preflight and of the provider."""

from __future__ import annotations

import urllib.parse
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from tfce.cloud import records
from tfce.cloud.listing import listed, pages, sound
from tfce.cloud.openstack.session import Session
from tfce.cloud.records import InvalidRecordError
from tfce.model.errors import CloudError
from tfce.model.images import NAMED, NEWEST, Image

Record = dict[str, Any]


@dataclass(frozen=True)
class _Kind:
    """Where things of a kind are: ``service``, the ``path`` of their list, and what they are called in answers."""

    service: str
    path: str
    items: str
    item: str
    by_name: bool = True  # whether the service can search by name
    numbers: tuple[str, ...] = ()


_KINDS = {
    "image": _Kind("image", "/v2/images", "images", "", numbers=("size", "min_disk", "min_ram")),
    "flavor": _Kind("compute", "/flavors/detail", "flavors", "flavor", False, ("vcpus", "ram", "disk")),
    "network": _Kind("network", "/v2.0/networks", "networks", "network"),
    "security_group": _Kind("network", "/v2.0/security-groups", "security_groups", "security_group"),
}


class _UnknownError(Exception):
    """The service does not know what it is asked for."""


def find(session: Session, kind: str, name: str) -> list[str]:
    """The ids of what is called ``name``, as ``matching`` finds it."""
    return [str(record["id"]) for record in matching(session, kind, NAMED + name)]


def matching(session: Session, kind: str, wanted: str) -> list[Record]:
    """All of a kind that ``wanted`` (an id, or name:NAMED) names and that VMs can be made with. Where nothing
    of that name can be used, what cannot be."""
    if not wanted.startswith(NAMED):
        return _by_id(session, kind, wanted)
    name = wanted.removeprefix(NAMED)
    found = _named(session, kind, name, {})
    if kind != "image":
        return found
    # Hidden images are the older ones of a name; those that others only share or publish are not taken by name:
    # anybody could give his the name of yours.
    found = found or _named(session, kind, name, {"os_hidden": "true"})
    return [image for image in found if image.get("status") == "active"] or found


def images(session: Session, wanted: str, visible: Collection[str]) -> list[Image]:
    """The images that ``wanted`` may mean; of a pattern only those of these visibilities."""
    if not wanted.startswith(NEWEST):
        return [image_of(record) for record in matching(session, "image", wanted)]
    asking, pattern = f"looking for the image {wanted}", wanted.removeprefix(NEWEST)
    search = {"status": "active", "sort": "created_at:desc"}
    found = [one for one in _listed(session, "image", asking, search) if one.get("status") == "active"]
    known = [one for one in found if one.get("visibility") in visible]
    return [image_of(one) for one in known if fnmatchcase(str(one.get("name")), pattern)]


def image_of(record: Record) -> Image:
    """An image as glance has it."""
    created = None
    with suppress(InvalidRecordError):
        created = records.moment(record.get("created_at"))
    return Image(str(record["id"]), str(record.get("name") or ""), created, hidden=record.get("os_hidden") is True)


def foreign(session: Session, name: str) -> list[Record]:
    """Images of that name that others published or offered, and that can be had by their ids only."""
    offers = ({"visibility": "community"}, {"visibility": "shared", "member_status": "pending"})
    return [image for offer in offers for image in _named(session, "image", name, offer)]


def everything(session: Session, kind: str) -> list[Record]:
    """All of a kind that the project sees without asking for it."""
    return list(_listed(session, kind, f"listing {kind}s", {}))


def _by_id(session: Session, kind: str, identity: str) -> list[Record]:
    where = _KINDS[kind]
    if identity in ("", ".", ".."):
        return []
    path = f"{where.path.removesuffix('/detail')}/{urllib.parse.quote(identity, safe='')}"
    answer = session.ask(f"looking for the {kind} {identity}", path, none=(400, 404), service=where.service)
    record = answer.get(where.item) if answer and where.item else answer
    if not isinstance(record, dict) or record.get("id") != identity:
        return []
    try:
        return [_checked(where, record)]
    except InvalidRecordError as error:
        raise CloudError(f"looking for the {kind} {identity}: {error}", "unreachable") from None


def _checked(where: _Kind, record: Any) -> Record:
    """A record whose fields that are looked at are what they should be. Raises ``InvalidRecordError``."""
    if not isinstance(record, dict):
        raise InvalidRecordError("it is no record")
    texts = {item: records.name(record[item], item) for item in ("name", "status") if record.get(item) is not None}
    numbers = {item: records.number(record.get(item), item) for item in where.numbers}
    return {**record, **texts, **numbers, "id": records.identity(record.get("id"))}


def _named(session: Session, kind: str, name: str, more: dict[str, str]) -> list[Record]:
    asking = f"looking for the {kind} {name}"
    search = _search(kind, name)
    try:
        found = list(_listed(session, kind, asking, {**search, **more}))
    except _UnknownError:  # old glances know no operators, or no such visibility
        found = [] if more else list(_listed(session, kind, asking, {}))
    return [record for record in found if record.get("name") == name]


def _search(kind: str, name: str) -> dict[str, str]:
    """The filter that lets a service search for ``name``; empty where it cannot."""
    if not _KINDS[kind].by_name:
        return {}
    if kind != "image" or not set(name) & set(':,"\\'):
        return {"name": name}
    # glance takes what is before a colon for an operator, and has quotes, in which it cannot have quotes.
    return {} if set(name) & set('"\\') else {"name": f'in:"{name}"'}


def _listed(session: Session, kind: str, asking: str, search: dict[str, str]) -> Iterator[Record]:
    where = _KINDS[kind]

    def ask(marker: str | None) -> tuple[list[Record], str | None]:
        params = {**search, "limit": "500", **({"marker": marker} if marker else {})}
        answer = session.ask(asking, where.path, params, none=(400,) if search else (), service=where.service)
        if answer is None:
            raise _UnknownError
        return listed(asking, answer, where.items), next_marker(answer, where.items)

    return sound(asking, pages(asking, session.limits, ask), partial(_checked, where))


def next_marker(answer: Record, items: str) -> str | None:
    """Where the next page of an answer begins, None after the last: glance has one link, the others a list."""
    links = answer.get(f"{items}_links") or []
    hrefs = [link.get("href") for link in links if isinstance(link, dict) and link.get("rel") == "next"]
    href = (hrefs or [answer.get("next")])[0]
    query = urllib.parse.urlsplit(href).query if isinstance(href, str) else ""
    found = urllib.parse.parse_qs(query).get("marker")
    return found[0] if found else None
