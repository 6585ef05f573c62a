"""What the user data of all pilots of a queue has in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfce.config.capabilities import Limit

START_LIMIT = 3600


@dataclass(frozen=True)
class Recipe:
    """What every pilot of a queue shares. Times in seconds; ``template`` None means tfce's own.

    ``max_lifetime`` and ``start_limit`` arm the VM's own guard: it powers off when it has lived that long, or when
    no pilot has started by then. ``drain_margin``: how long before its end the pilot takes no further job.
    ``cvmfs_proxies`` is a CVMFS_HTTP_PROXY value. ``linger``: how long a VM whose pilot failed stays. ``cloud``:
    by whose metadata the VM may be told that it is to end.
    """

    template: Path | None
    packages: tuple[str, ...]
    max_lifetime: int
    limit: Limit
    cvmfs_proxies: str = "auto;DIRECT"
    start_limit: int = START_LIMIT
    linger: int = 0
    drain_margin: int = 0
    cloud: str = ""
