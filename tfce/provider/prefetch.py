"""Look-ups that are begun before somebody asks for them.

Terraform asks for the ids of image, flavor and networks when it is up, and for each submission the same. What one
run asked for is under way already, beside the list of VMs, when the next one asks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfce.model import fork, trace

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tfce.cloud.api import Cloud

    Ask = Callable[[Cloud], Any]

FRESH = 30.0  # seconds for which an answer is as good as a new one


@dataclass(frozen=True)
class StartedLookUp:
    """A look-up under way, or done: since when, and its answer."""

    since: float
    answer: Future[Any]


@dataclass
class Prefetch:
    """One queue's look-ups. ``calls``: what those that were begun asked of the cloud, until somebody takes it."""

    clock: Callable[[], float] = time.monotonic
    calls: Counter[str] = field(default_factory=Counter)
    _usual: dict[Hashable, Ask] = field(default_factory=dict)
    _begun: dict[Hashable, StartedLookUp] = field(default_factory=dict)
    _lock: fork.Lock = field(default_factory=fork.Lock)
    _login: fork.Lock = field(default_factory=fork.Lock)

    def begin(self, clone: Callable[[], Cloud]) -> None:
        """Look for what the last run asked for, each in a thread and with a connection of its own."""
        with self._lock:
            usual, self._usual = self._usual, {}
            if not usual:
                return
            pool = ThreadPoolExecutor(len(usual), "tfce-ahead", trace.join, (trace.current(),))
            now, self._begun = self.clock(), {}
            with suppress(RuntimeError):  # no thread can be started: then it is asked when it is needed
                for what, ask in usual.items():
                    self._begun[what] = StartedLookUp(now, pool.submit(self._look, clone(), ask))
        pool.shutdown(wait=False)

    def answer(self, what: Hashable, ask: Ask, cloud: Cloud) -> Any:
        """What ``ask`` answers to ``what``: from a look-up that was begun, or, where none was or it failed, of
        ``cloud``. Raises ``CloudError``."""
        from tfce.model.errors import TfceError

        with self._lock:
            self._usual[what] = ask
            begun = self._begun.pop(what, None)
        if begun is not None and self.clock() - begun.since < FRESH:
            try:
                return begun.answer.result()
            except TfceError:
                pass  # asked once more, its error is the run's own
        return ask(cloud)

    def spent(self) -> Counter[str]:
        """The ``calls`` that nobody was told of yet."""
        with self._lock:
            calls, self.calls = self.calls, Counter()
        return calls

    def _look(self, own: Cloud, ask: Ask) -> Any:
        try:
            with self._login:
                own.token()  # one login for all, where one is due
            return ask(own)
        finally:
            with self._lock:
                self.calls.update(own.calls)
