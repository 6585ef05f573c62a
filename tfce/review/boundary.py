"""What was merged, checked: from the files of an approved shape to the queue that its pilots follow from now on.

One place judges all of it: names, kinds, sizes. What is not said here is not taken from there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from tfce.config import options
from tfce.config.declared import declared
from tfce.config.options import Queue
from tfce.config.readers import MOST, MOST_REPEATS, Spot
from tfce.config.settings import TerraformOptions, UserData, VmShape
from tfce.model.errors import TfceError
from tfce.model.proxy import ProxyRule
from tfce.model.redact import redacted
from tfce.model.review import Difference
from tfce.review.shape import NONE, Pinned
from tfce.store.review_copies import REST, SHAPE, VARIABLES
from tfce.terraform import literals, variables

_LONGEST, _MOST = 1000, 200
_LARGEST = 65_536
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"([1-9][0-9]{0,8})s")
# Variables that say whose pilots these are and in which cloud: they cannot be taken from a file.
_FIXED = ("ce", "queue", "name_prefix", "cloud", "region", "endpoint")


class ShapeError(TfceError):
    """What was merged is no shape."""

    exit_code = 2
    kind = "review"


@dataclass(frozen=True)
class CheckedShape:
    """A shape without faults: ``queue``, whose options are those that it names; ``elsewhere``: what it says of
    another queue or cloud; ``template`` and ``module``, by digest; the ``digest`` of all of it."""

    queue: Queue
    elsewhere: tuple[Difference, ...]
    template: Pinned
    module: Pinned
    digest: str


def digest(texts: Mapping[str, str]) -> str:
    """Of the files of a shape."""
    return hashlib.sha256(json.dumps([texts[name] for name in SHAPE]).encode()).hexdigest()


def checked(texts: Mapping[str, str], queue: Queue) -> CheckedShape:
    """The shape in ``texts`` (by name) for ``queue``. Raises ``ShapeError`` with all that is wrong."""
    faults: list[str] = []
    for name in SHAPE:
        if len(texts[name]) > _LARGEST or "\ufffd" in texts[name] or "\0" in texts[name]:
            raise ShapeError(f"{name} is no text of at most {_LARGEST} characters")
    said = _taken(VARIABLES, lambda: literals.read(texts[VARIABLES]), faults)
    rest = _taken(REST, lambda: _json(texts[REST]), faults)
    kinds = _kinds(queue)
    found = _checked(VARIABLES, said, kinds, faults)
    more = _checked(REST, rest, _REST, faults)
    if faults:
        raise ShapeError("; ".join(faults), "correct it there; `tfce propose` writes what the options ask for")
    return _wanted(found, more, queue, digest(texts))


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_float=_no_number, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("is no object")
    return value


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no whole number")


def _taken(name: str, read: Callable[[], dict[str, Any]], faults: list[str]) -> dict[str, Any]:
    try:
        return read()
    except ValueError as error:
        faults.append(f"{name}: {error}")
        return {}


# -- kinds of values -------------------------------------------------------------------------------------------

Kind = Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise ValueError("must be a text of printable characters")
    if redacted(value) != value:
        raise ValueError("holds what looks like a secret")
    return value


def _some(value: Any) -> str:
    if not _text(value):
        raise ValueError("must not be empty")
    return str(value)


def _maybe(kind: Kind) -> Kind:
    return lambda value: None if value is None else kind(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise ValueError(f"must be a list of at most {_MOST} texts")
    return tuple(map(_some, value))


def _map(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MOST:
        raise ValueError(f"must be a map of at most {_MOST} texts")
    return {_some(name): _text(text) for name, text in value.items()}


def _number(least: int, most: int = MOST) -> Kind:
    def kind(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return kind


def _seconds(value: Any) -> int:
    found = _SECONDS.fullmatch(_text(value))
    if not found or int(found[1]) > MOST:
        raise ValueError('must be seconds, such as "600s"')
    return int(found[1])


def _proxy(value: Any) -> ProxyRule:
    if value is None:
        return ProxyRule()
    return ProxyRule(None if value == NONE else _number(1)(value), True)


def _object(kinds: Mapping[str, Kind]) -> Kind:
    def kind(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("must be an object")
        faults: list[str] = []
        found = _checked("", value, kinds, faults)
        if faults:
            raise ValueError(", ".join(faults))
        return found

    return kind


def _sha(value: Any) -> str:
    if not _DIGEST.fullmatch(_text(value)):
        raise ValueError("must be a SHA-256 in hexadecimal digits")
    return str(value)


_PINNED = _object({"digest": _sha, "name": _some})
_REST: Mapping[str, Kind] = {
    "alternatives": _object({"flavors": _texts, "networks": _texts, "zones": _texts}),
    "module": _PINNED,
    "template": _PINNED,
    "user_data": _object(
        {
            "cvmfs_proxies": _text,
            "drain_margin": _number(0),
            "linger": _number(0),
            "max_lifetime": _number(1),
            "packages": _texts,
            "proxy_lifetime": _proxy,
        }
    ),
}
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_FIXED, _maybe(_text)),
    "tags": _map,
    "image": _some,
    "image_owners": _texts,
    "flavor": _some,
    "networks": _texts,
    "key_pair": _maybe(_some),
    "security_groups": _texts,
    "availability_zone": _maybe(_some),
    "root_volume_gb": _number(0),
    "create_timeout": _seconds,
    "max_retries": _number(0, MOST_REPEATS),
}


def _kinds(queue: Queue) -> dict[str, Kind]:
    """The variables that this queue's module has."""
    names = {name for section in variables.variables(queue).values() for name in section}
    return {name: kind for name, kind in _KINDS.items() if name in names}


def _checked(file: str, said: Mapping[str, Any], kinds: Mapping[str, Kind], faults: list[str]) -> dict[str, Any]:
    """The values of ``said``; what is unknown, missing or of another kind is a fault."""
    head = f"{file}: " if file else ""
    found: dict[str, Any] = {}
    if said or not faults:
        faults += [f"{head}{name[:40]!r} is not known" for name in said if name not in kinds]
        faults += [f"{head}{name} is missing" for name in kinds if name not in said]
    for name in kinds.keys() & said.keys():
        try:
            found[name] = kinds[name](said[name])
        except ValueError as error:
            faults.append(f"{head}{name} {error}")
    return found


# -- the queue ---------------------------------------------------------------------------------------------


def _wanted(said: Mapping[str, Any], more: Mapping[str, Any], queue: Queue, sum_of_all: str) -> CheckedShape:
    here = {name: value for section in variables.variables(queue).values() for name, value in section.items()}
    elsewhere = tuple(
        Difference(name, str(said[name] or ""), str(here[name] or ""))
        for name in _FIXED
        if name in said and said[name] != here[name]
    )
    shape = replace(_shape(said, more["alternatives"]), image_visibility=queue.shape.image_visibility)
    told = more["user_data"]
    userdata = replace(queue.userdata, **{name: told[name] for name in told})
    terraform = replace(queue.terraform, create_timeout=said["create_timeout"], max_retries=said["max_retries"])
    faults = [*options.conflicts(shape, userdata, queue.endpoint.capabilities.networks)]
    if faults:
        raise ShapeError("; ".join(map(str, faults)), "correct it there")
    return CheckedShape(
        replace(queue, shape=shape, userdata=userdata, terraform=terraform),
        elsewhere,
        Pinned(**more["template"]),
        Pinned(**more["module"]),
        sum_of_all,
    )


def _shape(said: Mapping[str, Any], others: Mapping[str, tuple[str, ...]]) -> VmShape:
    zone = said["availability_zone"]
    return VmShape(
        image=said["image"],
        flavors=(said["flavor"], *others["flavors"]),
        networks=(*said["networks"], *others["networks"]),
        ssh_key=said["key_pair"] or "",
        image_owners=said["image_owners"],
        image_visibility=(),
        spot=Spot.NO,
        spot_max_price="",
        security_groups=said["security_groups"],
        zones=((zone,) if zone else ()) + others["zones"],
        root_volume=said["root_volume_gb"],
        tags=said["tags"],
    )


def differences(approved: Queue, asked: Queue) -> Iterator[Difference]:
    """What ``asked`` wants beyond ``approved``, by option."""
    names = {"template", "drain_margin"}
    for group, cls, only in (
        ("shape", VmShape, None),
        ("userdata", UserData, {one.name for one in fields(UserData)} - names),
        ("terraform", TerraformOptions, {"create_timeout", "max_retries"}),
    ):
        for field, option in declared(cls):
            old, new = (getattr(getattr(one, group), field) for one in (approved, asked))
            if (only is None or field in only) and old != new:
                yield Difference(option.name, _word(old), _word(new))
    if approved.userdata.margin != asked.userdata.margin:
        yield Difference("Context_DrainMargin", str(approved.userdata.margin), str(asked.userdata.margin))


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" for name, text in sorted(value.items()))
    if isinstance(value, ProxyRule):
        return str(value.seconds or NONE) if value.always else ""
    return str(value)
