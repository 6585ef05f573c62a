"""From the text of an option to its value; ``ValueError`` says what is wrong. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import urlsplit

from tfce.model.proxy import ProxyRule

MOST = 10**8  # of anything; in seconds three years. Sums and eightfolds of it stay below what a record holds
MOST_REPEATS = 1000
_WEEK, _PORTS = 604_800, 65_535  # what waits in the kernel cannot wait for a month
_DIGITS = 30  # of a number, beyond which it is too large whatever follows


def text(value: str) -> str:
    """The text itself."""
    return value


def items(value: str) -> tuple[str, ...]:
    """Items between commas."""
    return tuple(item.strip() for item in value.split(",") if item.strip())


def alternatives(value: str) -> tuple[str, ...]:
    """Items between commas, the preferred one first; at least one where there is any text."""
    found = items(value)
    if value and not found:
        raise ValueError("names nothing")
    return found


def whole(value: str) -> int:
    """A whole number."""
    found = re.fullmatch(r"([+-]?)0*([0-9]+)", value)
    if found is None:
        raise ValueError("must be a whole number")
    return int(found[1] + found[2][:_DIGITS])


def _between(least: int, most: int, why: str = "") -> Callable[[str], int]:
    """A reader of whole numbers from ``least`` to ``most``; ``why``: what that many are."""
    too_few = f"must be a whole number{f' of at least {least}' if least else ', not negative'}"
    too_many = f"must be a whole number of at most {most}{f' ({why})' if why else ''}"

    def read(value: str) -> int:
        try:
            number = whole(value)
        except ValueError as error:
            raise ValueError(too_many if why else str(error)) from None
        if not least <= number <= most:
            raise ValueError(too_few if number < least else too_many)
        return number

    return read


_NEVER = "three years in seconds, as good as never"
count, natural = _between(1, MOST), _between(0, MOST)
duration, optional_duration = _between(1, MOST, _NEVER), _between(0, MOST, _NEVER)
patience, pause = _between(1, _WEEK, "a week in seconds"), _between(0, _WEEK, "a week in seconds")
repeats, port = _between(0, MOST_REPEATS), _between(1, _PORTS)


def prefix(value: str) -> str:
    """The start of a name: empty, or long enough to be nobody else's."""
    if value and len(value) < 4:
        raise ValueError("must have at least 4 characters, so that no other VM's name begins like that")
    return value


def optional_count(value: str) -> int | None:
    """A whole number of at least 1, or nothing."""
    return count(value) if value else None


def maybe_duration(value: str) -> int | None:
    """Seconds, not negative, or nothing."""
    return optional_duration(value) if value else None


def image(value: str) -> str:
    """An id, name:NAME or newest:PATTERN."""
    kind, colon, name = value.partition(":")
    if colon and kind in ("name", "newest") and not name.strip():
        raise ValueError("names nothing")
    return value


_VISIBILITIES = ("public", "private", "shared")


def visibilities(value: str) -> tuple[str, ...]:
    """Some of glance's words; anybody may publish for the community."""
    found = alternatives(value.lower())
    if not set(found) <= set(_VISIBILITIES):
        raise ValueError(f"must be some of {', '.join(_VISIBILITIES)}")
    return found


class Spot(Enum):
    """Which markets VMs come from. The value is the option's."""

    NO = "no"
    YES = "yes"
    FIRST = "first"

    @property
    def markets(self) -> tuple[str, ...]:
        """The markets in order of preference; "": the common one."""
        return {Spot.NO: ("",), Spot.YES: ("spot",), Spot.FIRST: ("spot", "")}[self]


def spot(value: str) -> Spot:
    """no, yes or first."""
    try:
        return Spot(value.strip().lower())
    except ValueError:
        raise ValueError(f"must be {', '.join(one.value for one in Spot)}") from None


def price(value: str) -> str:
    """A price that is more than nothing, as it was written; or nothing."""
    if value and not (re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) and float(value)):
        raise ValueError("must be a price, more than 0, with a point")
    return value


def minutes(value: str) -> int | None:
    """An option of DIRAC's own: a number, cut to a whole one; None for anything else, not ours to refuse."""
    return int(value.partition(".")[0]) if re.fullmatch(r"0*[1-9][0-9]{0,8}(\.[0-9]*)?", value) else None


def processors(value: str) -> int | None:
    """An option of DIRAC's own: a whole number of at least 1; None for anything else, not ours to refuse."""
    return int(value) if re.fullmatch(r"0*[1-9][0-9]{0,3}", value) else None


def host(value: str) -> str:
    """A host's name or address, as a URL has it: an IPv6 address in brackets."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    with suppress(ValueError):
        return f"[{IPv6Address(bare)}]"
    if not re.fullmatch(r"(?!.*://)[\w-]{1,63}(\.[\w-]{1,63})*\.?", value):
        raise ValueError(
            "is not a host's name or address alone: http or https, port and path are Driver_secure, Driver_port "
            "and Driver_path"
        )
    return value


def url(value: str) -> str:
    """The URL of an API."""
    with suppress(ValueError):
        parts = urlsplit(value)
        well = parts.scheme in ("http", "https") and not re.search(r"[\s?#]", value) and parts.port != 0
        if well and host(parts.hostname or ""):
            return value
    raise ValueError("is not a URL, such as https://cloud.example.org:5000")


def url_path(value: str) -> str:
    """The path of a URL, from its first slash on."""
    if re.search(r"[\s?#]|://", value):
        raise ValueError("is not the path of a URL alone, such as /services/Cloud")
    return f"/{value.lstrip('/')}"


def proxy_rule(value: str) -> ProxyRule:
    """A whole number of at least 1, ``none``, or nothing."""
    if value.strip().lower() == "none":
        return ProxyRule(None, True)
    try:
        return ProxyRule(duration(value), True) if value else ProxyRule()
    except ValueError as error:
        raise ValueError(f"{error}, or none") from None


def age(value: str) -> int:
    """Seconds, or a number of minutes (30m), hours (12h) or days (2d)."""
    number, unit = (value[:-1], value[-1:]) if value[-1:] in _UNITS else (value, "s")
    if not re.fullmatch("[0-9]+", number) or not 0 < whole(number) * _UNITS[unit] <= MOST:
        raise ValueError("must be a time such as 90s, 30m, 12h or 2d")
    return whole(number) * _UNITS[unit]


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def share(value: str) -> float:
    """A number above 0, at most 1."""
    try:
        number = float(value if value.isascii() else "")
    except ValueError:
        raise ValueError("must be a number, such as 0.5") from None
    if not 0 < number <= 1:
        raise ValueError("must be above 0 and at most 1")
    return number


def flag(value: str) -> bool:
    """True or False."""
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise ValueError("must be True or False") from None


_WORDS = {
    **dict.fromkeys(("yes", "y", "true", "t", "on", "1"), True),
    **dict.fromkeys(("no", "n", "false", "f", "off", "0"), False),
}


def path(value: str) -> Path | None:
    """An absolute path; ~ and environment variables expand."""
    if not value:
        return None
    expanded = os.path.expanduser(os.path.expandvars(value))  # noqa: PTH111  expandvars pathlib has none
    if "$" in expanded:
        raise ValueError("names an environment variable that is not set")
    if not os.path.isabs(expanded):  # noqa: PTH117
        raise ValueError("must be an absolute path")
    return Path(expanded)


def paths(value: str) -> tuple[Path, ...]:
    """Absolute paths between commas."""
    return tuple(found for item in items(value) if (found := path(item)))


def module(value: str) -> str | Path:
    """A module's name, or its folder."""
    return value if value in ("native", "bulk") else path(value) or "bulk"


def review(value: str) -> str:
    """What people approve."""
    if value not in ("off", "shape"):
        raise ValueError("must be off or shape")
    return value


def backend(value: str) -> str:
    """A backend of Terraform's that locks its states."""
    if value not in BACKENDS:
        raise ValueError(f"must be one of {', '.join(BACKENDS)}")
    return value


BACKENDS = ("local", "pg", "s3", "http")


def tags(value: str) -> dict[str, str]:
    """NAME=VALUE, NAME=VALUE."""
    pairs = [item.partition("=") for item in items(value)]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise ValueError("must read NAME=VALUE, NAME=VALUE")
    return {name.strip(): text.strip() for name, _, text in pairs}
