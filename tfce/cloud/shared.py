"""One list of VMs for all queues of a login in this process.

SiteDirector asks each queue for its numbers and its pilots' states, one after the other or in threads. On a cloud
whose list shows a whole tenant each of them would read the others' VMs, too.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from operator import itemgetter
from typing import Any, TypeVar

from tfce.cloud.api import Cloud
from tfce.cloud.listing import Listing
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model import fork
from tfce.model.errors import CloudError
from tfce.model.vm import Owner

Answer = TypeVar("Answer")
_Queue = tuple[str, str]  # CE and queue
_MOST = 100  # queues in one list: EC2 takes 200 values in a filter
_FORGOTTEN = 3600.0  # seconds after which a queue that asks no more is left out of the others' lists


@dataclass
class _Flight:
    """A list that is asked for, or was: for whom, since when, and what came of it."""

    owners: frozenset[Owner]
    began: float
    over: threading.Event = field(default_factory=threading.Event)
    listing: Listing | None = None
    error: Exception | None = None


class Lists:
    """The lists of one login. ``clock``: seconds, as ``time.monotonic``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = fork.Lock()
        self._asked: dict[Owner, float] = {}  # who asks, and when last
        self._wrote: dict[_Queue, float] = {}  # who wrote, and when last
        self._writers: Counter[_Queue] = Counter()  # who is at it
        self._last: _Flight | None = None
        self._answers: dict[Hashable, tuple[float, Any]] = {}  # what else was asked, and when
        fork.watch(self)

    def forked(self) -> None:
        """In a forked child nobody asks, nor writes."""
        self._last = None
        self._writers.clear()

    @contextmanager
    def writing(self, owner: Owner) -> Iterator[None]:
        """The queue makes or removes VMs: for it, no list from before or meanwhile is good afterwards."""
        queue = (owner.ce, owner.queue)
        with self._lock:
            self._writers[queue] += 1
        try:
            yield
        finally:
            with self._lock:
                self._writers[queue] -= 1
                self._wrote[queue] = self._clock()

    def expect(self, owner: Owner) -> None:
        """The queue will ask: the next list is for it, too."""
        with self._lock:
            self._asked[owner] = self._clock()

    def vms(self, cloud: Cloud, owner: Owner, seconds: float) -> Listing:
        """What ``cloud.vms`` answers for ``owner``, or answered anyone for it not longer than ``seconds`` ago. Who
        asks while a list is on its way gets that one, or its error."""
        flight, mine = self._flight(owner, seconds)
        if mine:
            self._ask(cloud, flight)
        else:
            flight.over.wait()
        if flight.error is not None:
            raise flight.error
        assert flight.listing is not None
        return self._part(flight.listing, owner, 0 if mine else self._clock() - flight.began)

    def remembered(self, what: Hashable, seconds: float, ask: Callable[[], Answer]) -> Answer:
        """What ``ask`` answers, or answered not longer than ``seconds`` ago for ``what``."""
        with self._lock:
            when, known = self._answers.get(what, (-seconds, None))
            if self._clock() - when < seconds:
                answer: Answer = known
                return answer
        asked = self._clock()
        answer = ask()
        with self._lock:
            self._answers[what] = (asked, answer)
        return answer

    def _flight(self, owner: Owner, seconds: float) -> tuple[_Flight, bool]:
        """The list that serves ``owner``, and whether it is still to be asked for."""
        with self._lock:
            now = self._clock()
            self._asked[owner] = now
            last = self._last
            if last and self._serves(last, owner, now - seconds):
                return last, False
            flight = _Flight(frozenset({owner, *self._next(now)}), now)
            self._last = flight
            return flight, True

    def _next(self, now: float) -> list[Owner]:
        """Who will ask next, as far as one list may be for them: those that have not asked for longest."""
        asking = [(when, one) for one, when in self._asked.items() if now - when < _FORGOTTEN]
        return [one for _, one in sorted(asking, key=itemgetter(0))[: _MOST - 1]]

    def _serves(self, flight: _Flight, owner: Owner, since: float) -> bool:
        queue = (owner.ce, owner.queue)
        fresh = not self._writers[queue] and flight.began > max(since, self._wrote.get(queue, since))
        return fresh and owner in flight.owners and not (flight.over.is_set() and flight.error)

    @staticmethod
    def _ask(cloud: Cloud, flight: _Flight) -> None:
        try:
            flight.listing = cloud.vms(*sorted(flight.owners, key=repr))
        except BaseException as error:
            stopped = CloudError("listing VMs: it was interrupted", "unreachable")
            flight.error = error if isinstance(error, Exception) else stopped
            raise
        finally:
            flight.over.set()

    @staticmethod
    def _part(listing: Listing, owner: Owner, age: float) -> Listing:
        part = listing.of(vm for vm in listing if owner.same_queue(vm))
        if part.cloud_time is not None:
            part.cloud_time += timedelta(seconds=age)
        return part


class Sharing:
    """A cloud whose list may be some seconds old, and another queue's. Everything else is the cloud's own."""

    def __init__(self, cloud: Cloud, lists: Lists, seconds: float) -> None:
        self._cloud, self._lists, self._seconds = cloud, lists, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, name)

    def vms(self, *owners: Owner) -> Listing:
        """The VMs of one queue."""
        (owner,) = owners
        return self._lists.vms(self._cloud, owner, self._seconds)


_lock = fork.Lock()
_known: dict[str, Lists] = {}


def lists(endpoint: Endpoint, credentials: Credentials) -> Lists:
    """The lists of a login, one for this process. Whoever has other options or another secret shares nothing."""
    facts = (endpoint.cloud, endpoint.region, sorted(endpoint.driver.items(), key=repr), credentials.secrets())
    key = hashlib.sha256(repr((facts, credentials.key)).encode("utf-8", "replace")).hexdigest()
    with _lock:
        return _known.setdefault(key, Lists())
