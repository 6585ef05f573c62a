"""What an hour of a VM costs, by flavor. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tfce.model.images import NAMED

MICRO = 10**6  # money is reckoned in whole millionths, so that no sum is ever off by a rounding
ANY = "*"


@dataclass(frozen=True)
class Prices:
    """Millionths an hour of each flavor, ``*`` for all others; ``currency``: what the site calls its money."""

    of: Mapping[str, int] = field(default_factory=dict)
    currency: str = ""

    def __bool__(self) -> bool:
        return bool(self.of)

    def rate(self, flavor: str) -> int | None:
        """Millionths an hour of ``flavor``; None where no price is known."""
        return self.of.get(plain(flavor), self.of.get(ANY))


def plain(flavor: str) -> str:
    """A flavor as the cloud calls it, whether an option names it or has its id."""
    return flavor.removeprefix(NAMED)


def millionths(text: str) -> int:
    """An amount of money. Raises ``ValueError`` unless it is a number with at most six places."""
    try:
        amount = Decimal(text if text.isascii() else "") * MICRO
    except ArithmeticError:
        raise ValueError(f"{text} is no amount") from None
    if not amount.is_finite() or not 0 <= amount < 10**12 or amount != int(amount):
        raise ValueError(f"{text} is no amount: a number below a million, with at most six places")
    return int(amount)
