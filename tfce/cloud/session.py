"""What one connection with one login counts and keeps, whatever the cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tfce.cloud.limits import RequestLimits
from tfce.cloud.transport import Transport
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint


class CountedSession:
    """A connection for one thread. ``calls`` counts requests as ``named`` calls them; ``safe``: whether a request
    may be sent again whatever became of it."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        named: Callable[[str, str, Any], str],
        safe: Callable[[str, str], bool],
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.endpoint, self._credentials = endpoint, credentials
        self.secrets = credentials.secrets()
        self._named = named
        self._transport = Transport(endpoint, credentials, self._note, safe)

    @property
    def limits(self) -> RequestLimits:
        """What an answer may cost."""
        return self._transport.limits

    def again(self, attempt: int) -> bool:
        """Whether to repeat what the cloud refused in passing, for the ``attempt``-th time (from 0): then the
        pause is over. The repeats are those of the login, as for what fails on the way."""
        return self._transport.budget.again(attempt, self.limits)

    @property
    def cloud_time(self) -> datetime | None:
        """The cloud's clock when it last answered."""
        return self._transport.last.time

    def _note(self, method: str, url: str, body: Any) -> str:
        name = self._named(method, url, body)
        self.calls[name] += 1
        return name
