"""What the options let a VM be made of: each combination of market, flavor, zone, network that can be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any

from tfce.config.options import Queue
from tfce.config.settings import VmShape
from tfce.model.vm_spec import VMSpec

NetworkZones = Mapping[str, str]  # the zone of a network


@dataclass(frozen=True)
class Offering:
    """One combination; ``zone``: "" for the cloud's own choice; ``networks``: all of them are the VM's;
    ``market``: "spot", or "" for the common one; ``price``: the most that a VM may cost an hour there, "" for no
    bound."""

    image: str
    flavor: str
    zone: str
    networks: tuple[str, ...]
    market: str = ""
    price: str = ""

    @property
    def spec(self) -> VMSpec:
        """The same, as it is remembered of a pilot."""
        return VMSpec(self.image, self.flavor, self.zone, ", ".join(self.networks), market=self.market)

    @property
    def label(self) -> str:
        """What it is called in the record and in messages."""
        return str(self.spec)

    @property
    def variables(self) -> dict[str, Any]:
        """Terraform's variables that differ from one offering to the next."""
        return {
            "flavor": self.flavor,
            "availability_zone": self.zone or None,
            "networks": list(self.networks),
        }

    @property
    def in_market(self) -> dict[str, Any]:
        """The variables that only a queue has that may use several markets."""
        return {"market": self.market or None, "max_price": self.price or None}

    def can_be(self, zones: NetworkZones) -> bool:
        """Whether its network is in its zone, as far as anybody knows."""
        known = zones.get(self.networks[0], "") if len(self.networks) == 1 else ""
        return not self.zone or not known or known == self.zone

    def matches(self, spec: VMSpec) -> bool:
        """Whether a VM that was asked for like this was this offering's."""
        mine, same = self.spec, self.zone in ("", spec.zone)
        return same and (spec.flavor, spec.network, spec.market) == (mine.flavor, mine.network, mine.market)


def needs_network_zones(queue: Queue) -> bool:
    """Whether it has to be known in which zone a network is: not every one goes with every zone."""
    shape = queue.shape
    one_each = queue.endpoint.capabilities.networks == 1
    return one_each and bool(shape.networks) and len(shape.networks) * len(shape.zones) > 1


def offerings(queue: Queue, zones: NetworkZones = MappingProxyType({})) -> tuple[Offering, ...]:
    """A queue's offerings, the preferred one first: a flavor in all its places before the next flavor, and all in
    one market before the next. Where a VM has one network only (EC2's subnets), several are as many places;
    ``zones``: the zones of those that are in one, as far as they are known."""
    shape = queue.shape
    alternatives = queue.endpoint.capabilities.networks == 1 and len(shape.networks) > 1
    networks = [(one,) for one in shape.networks] if alternatives else [shape.networks]
    every = product(shape.spot.markets, shape.flavors, shape.zones or ("",), networks)
    found = (_offering(shape, *one) for one in dict.fromkeys(every))
    return tuple(one for one in found if one.can_be(zones))


def _offering(shape: VmShape, market: str, flavor: str, zone: str, networks: tuple[str, ...]) -> Offering:
    return Offering(shape.image, flavor, zone, networks, market, shape.spot_max_price if market else "")
