"""One run of Terraform as its provider knows it: what it is about, and what came of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfce.model import trace
from tfce.provider.prefetch import Prefetch

if TYPE_CHECKING:  # the program starts for schemas, too, which need none of this
    from tfce.cloud.api import Cloud
    from tfce.model.reasons import Reason
    from tfce.provider.pilots import ApplyOptions, ApplyOutcome

    # Makes of a provider block what makes connections. Raises ``ConfigError`` with every fault of the block.
    Login = Callable[[Mapping[str, Any]], Callable[[], Cloud]]


@dataclass
class Run:
    """What one run is told, and what came of it.

    Told: ``only``: keys of the pilots that it is about, None for all; ``make`` False: make no VM, take over those
    that exist; ``parallelism``: VMs at once; ``fresh``: nobody asked for these pilots before; ``trace``: the
    caller's; ``folder``: Terraform's; ``rest``: lasts while the run only waits for the cloud; ``prefetch``:
    look-ups that may be under way.

    Came of it: ``ids`` of the pilots' VMs by key; ``refused``: the reasons of others by key; ``kept``: why pilots
    that shall not exist any more stay in the state; ``calls`` of the API by name; ``warnings``; ``met``: whether
    Terraform asked at all; ``settled``: whether all that came of the pilots is here, and Terraform was told no
    more of them than that; ``cause``: why nothing was done.
    """

    login: Login
    only: frozenset[str] | None = None
    make: bool = True
    parallelism: int = 10
    fresh: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    ids: dict[str, str] = field(default_factory=dict)
    refused: dict[str, Reason] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    kept: dict[str, str] = field(default_factory=dict)
    warnings: set[str] = field(default_factory=set)
    met: bool = False
    settled: bool = False
    cause: Reason | None = None
    trace: trace.Trace | None = field(default_factory=trace.current)
    folder: Path = Path()
    rest: Callable[[], AbstractContextManager[None]] = nullcontext
    prefetch: Prefetch = field(default_factory=Prefetch)
    _at_work: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def options(self, retries: int) -> ApplyOptions:
        """How VMs are asked for in this run; what it asks once is not fresh any more."""
        from tfce.provider.pilots import ApplyOptions

        fresh, self.fresh = self.fresh, False
        return ApplyOptions(self.parallelism, retries, self.only, self.make, fresh, self.stop)

    def is_about(self, keys: Collection[str]) -> list[str]:
        """Those of the ``keys`` that this run is about."""
        return [key for key in keys if self.only is None or key in self.only]

    def note(self, outcome: ApplyOutcome) -> None:
        """Keep what asking for VMs came to."""
        self.ids |= {key: outcome.ids[key] for key in self.is_about(outcome.ids)}
        self.refused |= outcome.refused
        self.kept |= outcome.kept

    def rests(self, rest: Callable[[], AbstractContextManager[None]]) -> None:
        """Let ``rest`` last while the cloud is asked."""
        self.rest = rest

    def spent(self, calls: Counter[str]) -> None:
        """Add to what the cloud was asked."""
        with self._changed:
            self.calls.update(calls)

    @contextmanager
    def working(self) -> Iterator[None]:
        """The cloud is being asked for something: who ends the run waits for it."""
        with self.rest():
            with self._changed:
                self._at_work += 1
            try:
                yield
            finally:
                with self._changed:
                    self._at_work -= 1
                    self._changed.notify_all()

    def end(self, patience: float) -> bool:
        """Begin nothing more, and wait for what is under way. False when that took longer than ``patience``
        seconds."""
        self.stop.set()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            # A second Ctrl-C must not leave behind what may make a VM.
            with suppress(KeyboardInterrupt), self._changed:
                left = deadline - time.monotonic()
                if self._changed.wait_for(lambda: not self._at_work, max(left, 0)):
                    return True
        return not self._at_work


def not_forgotten(key: str, why: str) -> tuple[str, str]:
    """Summary and detail of the error of a pilot that shall not exist any more, and does."""
    return f"Pilot {key} is not forgotten", f"{why}; it stays in the state until its pilot ends"
