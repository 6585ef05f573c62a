"""What all connections of a session share: its limits, its login's budget of repeats, and the cloud's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfce.cloud.http import Bounds, LastAnswer, bounded
from tfce.cloud.limits import limits_of
from tfce.cloud.retries import budget
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint


class Transport:
    """What all connections of a session share. ``connection``: the class of libcloud's connections to the cloud,
    see ``bounded`` for ``note`` and ``safe``."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        note: Callable[[str, str, Any], str],
        safe: Callable[[str, str], bool],
    ) -> None:
        self.limits, self.last = limits_of(endpoint), LastAnswer()
        self.budget = budget(endpoint.home, credentials.key)
        self.connection = bounded(Bounds(self.limits, self.budget, self.last, note, safe))
