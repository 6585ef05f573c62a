"""What a pilot's VM is made of, and where it runs. Pure: standard library only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any


@dataclass(frozen=True, order=True)
class VMSpec:
    """``image``, ``flavor``, ``zone`` and ``network``: as the options say them when the VM is asked for, as the
    cloud calls them once it is listed; ``host``: the machine it runs on, ``cores``: how many the VM has, where the
    cloud tells. "" for unknown. ``market``: "spot" for one that the cloud may take back, "" for any other."""

    image: str = ""
    flavor: str = ""
    zone: str = ""
    network: str = ""
    host: str = ""
    cores: str = ""
    market: str = ""

    def corrected(self, seen: VMSpec) -> VMSpec:
        """This, with what the cloud itself says instead where it says anything."""
        return VMSpec(*(theirs or ours for ours, theirs in zip(_values(self), _values(seen), strict=True)))

    def completed(self, seen: VMSpec) -> VMSpec:
        """This, with the cloud's own id of the image, and what only the cloud knows; flavor, zone and network keep
        the names that they were asked for by."""
        better = self.corrected(seen)
        flavor, zone = self.flavor or seen.flavor, self.zone or seen.zone
        return VMSpec(better.image, flavor, zone, self.network, seen.host, better.cores, better.market)

    def to_json(self) -> dict[str, str]:
        """What is known, by name."""
        return {name: value for name, value in zip(NAMES, _values(self), strict=True) if value}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> VMSpec:
        """The reverse; other names in ``entry`` are left alone. Raises ``ValueError``."""
        values = [entry.get(name, "") for name in NAMES]
        if {*map(type, values)} != {str}:
            raise ValueError(f"{', '.join(NAMES)} must be texts")
        return cls(*values)

    def __str__(self) -> str:
        return ", ".join(value for value in (self.flavor, self.zone, self.network, self.market) if value)


NAMES = tuple(one.name for one in fields(VMSpec))
_OFFERING = ("flavor", "zone", "network", "market")


def offering(spec: Mapping[str, Any]) -> str:
    """The label of an offering (flavor, zone, network, market), from the field ``made`` of a journal line."""
    return ", ".join(str(spec[name]) for name in _OFFERING if spec.get(name))


_values: Callable[[VMSpec], tuple[str, ...]] = attrgetter(*NAMES)
