"""One list of VMs for all queues of a login in this process.

SiteDirector asks each queue for its numbers and its pilots' states, one after the other or in threads. Where a
cloud's list shows a whole tenant, it serves any queue; where the server filters by queue, a list is for all that
are known to ask soon.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
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
_FORGOTTEN = 3600.0  # seconds after which a queue that asks no more is left out of the others' lists


@dataclass
class _Flight:
    """A list that is asked for, or was: for whom (none: everyone), since when, and what came of it."""

    owners: frozenset[Owner]
    began: float
    over: threading.Event = field(default_factory=threading.Event)
    listing: Listing | None = None
    error: Exception | None = None


class SharedLists:
    """The lists of one login. ``clock``: seconds, as ``time.monotonic``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = fork.Lock()
        self._known: dict[Owner, float] = {}  # who asks or will, and when that was last heard
        self._wrote: dict[_Queue, float] = {}  # who wrote, and when last
        self._writers: Counter[_Queue] = Counter()  # who is at it
        self._latest: dict[Owner | None, _Flight] = {}  # the last list for each, and for everyone
        self._answers: dict[Hashable, tuple[float, Any]] = {}  # what else was asked, and when
        fork.watch(self)

    def forked(self) -> None:
        """In a forked child nobody asks, nor writes."""
        self._latest.clear()
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
            self._known[owner.any_installation] = self._clock()

    def vms(self, cloud: Cloud, owner: Owner, seconds: float) -> Listing:
        """What ``cloud.vms`` answers for ``owner``, or answered anyone for it not longer than ``seconds`` ago. Who
        asks while a list is on its way gets that one, or its error."""
        flight, mine = self._flight(owner.any_installation, seconds, cloud.capabilities.list_owners)
        if mine:
            self._ask(cloud, flight)
        else:
            flight.over.wait()
        if flight.error is not None:
            raise flight.error
        assert flight.listing is not None
        part = cloud.part(flight.listing, owner)
        if part.cloud_time is not None and not mine:
            part.cloud_time += timedelta(seconds=self._clock() - flight.began)
        return part

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

    def _flight(self, owner: Owner, seconds: float, most: int | None) -> tuple[_Flight, bool]:
        """The list that serves ``owner``, and whether it is still to be asked for. ``most``: for how many it may
        be, None: for all."""
        with self._lock:
            now = self._clock()
            self._known[owner] = now
            last = self._latest.get(owner if most else None)
            if last and self._serves(last, owner, now - seconds):
                return last, False
            owners = {owner, *self._next(owner, now, most - 1)} if most else set()
            flight = _Flight(frozenset(owners), now)
            holds: set[Owner | None] = {*owners} or {None}
            self._latest.update(dict.fromkeys(holds, flight))
            return flight, True

    def _next(self, owner: Owner, now: float, most: int) -> list[Owner]:
        """Who beside ``owner`` will ask next: ``most`` of those whose last list is the oldest, or who had none."""
        for one in [one for one, when in self._known.items() if now - when >= _FORGOTTEN]:
            del self._known[one]
            self._latest.pop(one, None)
        began = {one: flight.began for one, flight in self._latest.items()}
        others = sorted(self._known.keys() - {owner}, key=lambda one: (began.get(one, -math.inf), repr(one)))
        return others[:most]

    def _serves(self, flight: _Flight, owner: Owner, since: float) -> bool:
        queue = (owner.ce, owner.queue)
        fresh = not self._writers[queue] and flight.began > max(since, self._wrote.get(queue, since))
        return fresh and not (flight.over.is_set() and flight.error)

    @staticmethod
    def _ask(cloud: Cloud, flight: _Flight) -> None:
        try:
            owners = sorted(flight.owners, key=repr)
            flight.listing = cloud.vms(*owners) if owners else cloud.everyone()
        except BaseException as error:
            stopped = CloudError("listing VMs: it was interrupted", "unreachable")
            flight.error = error if isinstance(error, Exception) else stopped
            raise
        finally:
            flight.over.set()


class SharedCloud:
    """A cloud whose list may be some seconds old, and another queue's. Everything else is the cloud's own."""

    def __init__(self, cloud: Cloud, lists: SharedLists, seconds: float) -> None:
        self._cloud, self._lists, self._seconds = cloud, lists, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, name)

    def vms(self, *owners: Owner) -> Listing:
        """The VMs of one queue."""
        (owner,) = owners
        return self._lists.vms(self._cloud, owner, self._seconds)


_lock = fork.Lock()
_known: dict[str, SharedLists] = {}


def lists(endpoint: Endpoint, credentials: Credentials) -> SharedLists:
    """The lists of a login, one for this process. Whoever has other options or another secret shares nothing."""
    facts = (endpoint.cloud, endpoint.region, sorted(endpoint.driver.items(), key=repr), credentials.secrets())
    key = hashlib.sha256(repr((facts, credentials.key)).encode("utf-8", "replace")).hexdigest()
    with _lock:
        return _known.setdefault(key, SharedLists())
