"""Repeats of requests that failed in passing, within one budget for all queues of a login in this process."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tfce.cloud.limits import RequestLimits
from tfce.model import fork
from tfce.model.trace import span

_MOST = 100.0  # repeats that a login has saved up at most; one more each second
# The codes by which any API of AWS refuses for being asked too often, as botocore has them
# (retries/standard.py, read in November 2026), but for three of other services: two of DynamoDB's, and
# LimitExceededException, a quota.
# TooManyRequests is the word of clouds that only speak EC2's API.
THROTTLES = (
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
)
_THROTTLED = re.compile(rb"\b(?:%s)\b" % "|".join(THROTTLES).encode())
PASSING = frozenset({413, 429, 500, 502, 503, 504})


def throttled(status: int, body: bytes) -> bool:
    """Whether an answer refuses for being asked too often: then nothing was done, whatever the request was."""
    if status == 413:  # nova's old word for both
        return b"uota" not in body
    return status == 429 or (status in (400, 403, 503) and bool(_THROTTLED.search(body[:4096])))


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After asks for, None where it says nothing."""
    if not value:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else _until(value)
        return seconds if seconds < float("inf") else None
    except (TypeError, ValueError, OverflowError):
        return None


def _until(value: str) -> float:
    when = parsedate_to_datetime(value)
    return max(0.0, ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


class Budget:
    """The repeats that one login has left. What the cloud asks one queue to wait, all wait."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        most: float = _MOST,
    ) -> None:
        self._clock, self._sleep, self._most = clock, sleep, most
        self._lock = fork.Lock()
        self._left, self._at, self._not_before = most, clock(), clock()

    def take(self) -> bool:
        """One repeat, if there is one left."""
        with self._lock:
            now = self._clock()
            self._left, self._at = min(self._most, self._left + now - self._at), now
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def again(self, attempt: int, limits: RequestLimits) -> bool:
        """Whether a request that failed may be repeated, for the ``attempt``-th time (from 0): then the pause is
        over."""
        if attempt == limits.repeats or not self.take():
            self.spend()
            return False
        self.wait(_pause(attempt, limits.pause, limits.longest))
        return True

    def spend(self) -> None:
        """A request had all its repeats and failed: the cloud is not well, and the others fail sooner."""
        with self._lock:
            self._left, self._at = 0.0, self._clock()

    def hold(self, seconds: float) -> None:
        """Nobody asks for so many seconds."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def wait(self, seconds: float = 0.0) -> None:
        """Wait until one may ask again, and ``seconds`` at least."""
        with self._lock:
            due = max(self._not_before - self._clock(), seconds)
        if due > 0:
            with span("pause", "the cloud wants a pause"):
                self._sleep(due)


_lock = fork.Lock()
BUDGETS: dict[str, Budget] = {}  # by login, for this process


def budget(endpoint: str, login: str) -> Budget:
    """The budget of a login at an endpoint, one for this process."""
    key = hashlib.sha256(f"{endpoint}\0{login}".encode("utf-8", "replace")).hexdigest()
    with _lock:
        return BUDGETS.setdefault(key, Budget())


def _pause(attempt: int, first: float, longest: float) -> float:
    """Seconds before repeat number ``attempt`` (from 0): doubled each time, spread, bounded."""
    return float(min(first * 2**attempt, longest)) * random.uniform(0.5, 1.0)  # noqa: S311  no secret
