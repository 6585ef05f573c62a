"""How far a cloud is trusted: the bounds of one request, one reply and one list."""

from __future__ import annotations

from dataclasses import dataclass

from tfce.config.endpoint import Endpoint

SECONDS = 30  # for one request, unless Driver_timeout says otherwise


@dataclass(frozen=True)
class RequestLimits:
    """What a cloud may cost us. ``seconds``: one request, from connecting to its last byte; ``size``: bytes of one
    reply; ``pages`` and ``items`` of one list; ``repeats`` of one request that failed in passing; ``pause``:
    seconds before the first repeat, doubled each time up to ``longest``, which bounds Retry-After, too."""

    seconds: float = SECONDS
    size: int = 64 * 2**20
    pages: int = 1000
    items: int = 100_000
    repeats: int = 5
    pause: float = 1.0
    longest: float = 60.0

    @property
    def list_seconds(self) -> float:
        """Seconds for all pages of a list together."""
        return 20 * self.seconds


def limits_of(endpoint: Endpoint) -> RequestLimits:
    """The limits that an endpoint's options ask for."""
    seconds = float(endpoint.driver.get("timeout") or SECONDS)
    return RequestLimits(seconds=seconds, repeats=endpoint.repeats)
