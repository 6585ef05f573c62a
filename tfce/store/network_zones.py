"""Where a queue's networks are, as far as it was looked up. Another look-up makes the file again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tfce.config.offerings import Offering, needs_network_zones, offerings
from tfce.config.options import Queue
from tfce.store import files


class NetworkZonesFile:
    """The zone of each network of ``queue``, in ``folder``."""

    def __init__(self, folder: Path, queue: Callable[[], Queue]) -> None:
        self._path, self._queue = folder / "places.json", queue

    @property
    def offerings(self) -> tuple[Offering, ...]:
        """What new VMs may be made of, the preferred one first."""
        queue = self._queue()
        return offerings(queue, self.read() if needs_network_zones(queue) else {})

    def read(self) -> Mapping[str, str]:
        """The zones; none where the file is not there, or is no such thing."""
        found = files.believed_json(self._path)
        return found if all(isinstance(zone, str) for zone in found.values()) else {}

    def write(self, zones: Mapping[str, str]) -> None:
        """Remember these."""
        files.renew(self._path, json.dumps(zones, sort_keys=True) + "\n")
