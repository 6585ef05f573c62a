"""What the options let a VM be made of: each combination of flavor, zone and network that can be. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from tfce.config.options import Queue
from tfce.model.made import Made


@dataclass(frozen=True)
class Offering:
    """One combination; ``zone``: "" for the cloud's own choice; ``networks``: all of them are the VM's."""

    image: str
    flavor: str
    zone: str
    networks: tuple[str, ...]

    @property
    def made(self) -> Made:
        """The same, as it is remembered of a pilot."""
        return Made(self.image, self.flavor, self.zone, ", ".join(self.networks))

    @property
    def label(self) -> str:
        """What it is called in the record and in messages."""
        return str(self.made)

    @property
    def variables(self) -> dict[str, Any]:
        """Terraform's variables that differ from one offering to the next."""
        return {
            "flavor": self.flavor,
            "availability_zone": self.zone or None,
            "networks": list(self.networks),
        }

    def made_this(self, made: Made) -> bool:
        """Whether a VM that was asked for like this was this offering's."""
        mine = self.made
        return (made.flavor, made.network) == (mine.flavor, mine.network) and self.zone in ("", made.zone)


def offerings(queue: Queue) -> tuple[Offering, ...]:
    """A queue's offerings, the preferred one first: a flavor in all its places before the next flavor. Where a VM
    has one network only (EC2's subnets), several are as many places."""
    shape = queue.shape
    alternatives = queue.endpoint.capabilities.networks == 1 and len(shape.networks) > 1
    networks = [(one,) for one in shape.networks] if alternatives else [shape.networks]
    every = product(shape.flavors, shape.zones or ("",), networks)
    return tuple(Offering(shape.image, *one) for one in dict.fromkeys(every))
