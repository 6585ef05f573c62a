"""How much a queue or CE may use, and what it costs: two options and what they must say together. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from tfce.config import readers as read
from tfce.config.declared import option
from tfce.model.allocation import Allocation, Period, Unit
from tfce.model.errors import Fault
from tfce.model.price import Prices, millionths, plain

_HOURS, _PRICE = "Workspace_MaxHours", "Workspace_Price"
_FORM = re.compile(
    r"(?P<number>[0-9]{1,9}(\.[0-9]{1,2})?)\s*(?P<unit>[A-Za-z][A-Za-z-]*)?\s*/\s*(?P<period>[a-z]+)"
    r"(\s+(?P<late>(?!ce$|queue$)[A-Za-z][A-Za-z-]*))?(\s+(?P<scope>ce|queue))?"
)
_UNITS = {"": Unit.HOURS, "hours": Unit.HOURS, "core-hours": Unit.CORE_HOURS, "money": Unit.MONEY}
_CURRENCY = re.compile(r"[A-Z]{3}")


def allocations(value: str) -> tuple[Allocation, ...]:
    """``5000/month``, ``2000 core-hours/week ce``, ``300 EUR/month``; several between commas all hold."""
    return tuple(_allocation(item) for item in read.items(value))


def _allocation(text: str) -> Allocation:
    found = _FORM.fullmatch(text)
    if found is None or (found["unit"] and found["late"]):
        raise ValueError(f"{text!r} must read NUMBER [hours|core-hours|CURRENCY]/day, /week or /month, [ce]")
    if found["period"] not in [one.value for one in Period]:
        raise ValueError(f"{text!r}: an allocation is for a day, a week or a month, not for a {found['period']}")
    unit, currency = _unit(text, found["unit"] or found["late"] or "")
    amount = _hundredths(found["number"])
    return Allocation(amount, unit, Period(found["period"]), found["scope"] == "ce", currency)


def _hundredths(number: str) -> int:
    whole, _, rest = number.partition(".")
    return int(whole) * 100 + int(rest.ljust(2, "0"))


def _unit(text: str, word: str) -> tuple[Unit, str]:
    if _CURRENCY.fullmatch(word):
        return Unit.MONEY, word
    if word not in _UNITS:
        raise ValueError(f"{text!r}: counts hours, core-hours, or the currency of {_PRICE}, not {word}")
    return _UNITS[word], ""


def prices(value: str) -> Prices:
    """``m5.large=0.096, *=0.2, EUR``: an hour of each flavor, ``*`` for all others, and the currency."""
    of: dict[str, int] = {}
    currencies = []
    for item in read.items(value):
        flavor, equals, price = (part.strip() for part in item.rpartition("="))
        if not equals and _CURRENCY.fullmatch(price):
            currencies.append(price)
        elif not equals or not flavor:
            raise ValueError(f"{item!r} must read FLAVOR=PRICE, or be a currency of three capital letters")
        elif plain(flavor) in of:
            raise ValueError(f"{flavor} has two prices")
        else:
            of[plain(flavor)] = millionths(price)
    if len(currencies) > 1 or (currencies and not of):
        raise ValueError(f"names {' and '.join(currencies)}" if of else "names no price")
    return Prices(of, "".join(currencies))


@dataclass(frozen=True)
class Allowance:
    """What may be used, what it costs, and how many cores a VM has where the cloud does not tell."""

    allocations: tuple[Allocation, ...] = option(
        _HOURS,
        allocations,
        "",
        "VM hours, core-hours or money that pilots may use in a day, week or month (UTC): none is started that "
        "would go beyond; ce: all queues of the CE together",
        "5000 core-hours/month ce",
    )
    prices: Prices = option(
        _PRICE,
        prices,
        "",
        "what an hour of a VM costs, by flavor, * for the others, and the currency",
        "m5.large=0.096, *=0.2, EUR",
    )
    processors: int | None = option(
        "NumberOfProcessors",
        read.processors,
        "",
        "processors of a VM, DIRAC's own option; counted for core-hours where the cloud does not tell them",
        "8",
    )


def faults(allowance: Allowance, flavors: Collection[str]) -> list[Fault]:
    """What the options say that cannot be true together."""
    money = [one for one in allowance.allocations if one.unit is Unit.MONEY]
    found = []
    for one in money:
        if not allowance.prices:
            found.append(Fault(_HOURS, str(one), "money needs prices", f"set {_PRICE} = m5.large=0.096, *=0.2"))
        elif one.currency not in ("", allowance.prices.currency):
            said = allowance.prices.currency or "in no currency"
            found.append(Fault(_HOURS, str(one), f"the prices of {_PRICE} are {said}", "name the same currency"))
    dear = [flavor for flavor in flavors if allowance.prices.rate(flavor) is None]
    if money and allowance.prices and dear:
        found.append(Fault(_PRICE, ", ".join(dear), "has no price", "add FLAVOR=PRICE, or *=PRICE for the others"))
    return found
