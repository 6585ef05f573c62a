"""Where the time of a verb goes: a span for each phase, process and request. Pure.

The context of each thread holds its trace, so that twenty queues in threads of one process do not mix. Threads
that work for a verb ``join`` its trace. Without a trace, a span costs next to nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

from tfce.model import fork
from tfce.model.redact import redacted

Kind = Literal["verb", "phase", "process", "request", "pause"]
Facts = dict[str, str | int]
P = ParamSpec("P")
T = TypeVar("T")

_MOST = 20_000  # spans of one trace: 5 MB
_LONGEST = 200  # characters of a name or fact


@dataclass(frozen=True)
class Span:
    """Something that took ``seconds``, from ``start`` (as ``time.monotonic``) on, in one thread."""

    kind: Kind
    name: str
    start: float
    seconds: float
    thread: int
    facts: Facts


@dataclass
class Trace:
    """The spans of one verb, as they ended. ``dropped``: how many there were beyond the most that are kept."""

    began: float = field(default_factory=time.monotonic)
    spans: list[Span] = field(default_factory=list)
    threads: dict[int, str] = field(default_factory=dict)
    dropped: int = 0
    _lock: fork.Lock = field(default_factory=fork.Lock)

    def add(self, span: Span) -> None:
        """Keep a span."""
        with self._lock:
            if len(self.spans) >= _MOST:
                self.dropped += 1
                return
            self.spans.append(span)
            self.threads.setdefault(span.thread, threading.current_thread().name)

    def chrome(self) -> dict[str, Any]:
        """The trace in the format that chrome://tracing and Perfetto read; times in microseconds. No secret of
        this process is in it."""
        with self._lock:
            spans, threads = list(self.spans), dict(self.threads)
        named = [_event("M", "thread_name", tid, args={"name": name}) for tid, name in threads.items()]
        events = [
            _event("X", one.name, one.thread, cat=one.kind, ts=self._micro(one.start), args=one.facts)
            | {"dur": max(round(one.seconds * 1e6), 1)}
            for one in sorted(spans, key=lambda one: (one.start, -one.seconds))
        ]
        return {"traceEvents": named + events, "displayTimeUnit": "ms", "otherData": {"dropped": self.dropped}}

    def _micro(self, moment: float) -> int:
        return round((moment - self.began) * 1e6)


def _event(phase: str, name: str, thread: int, **more: Any) -> dict[str, Any]:
    facts = {key: _plain(value) for key, value in more.pop("args").items()}
    return {"ph": phase, "name": _plain(name), "pid": os.getpid(), "tid": thread, "args": facts, **more}


def _plain(value: str | int) -> str | int:
    return value if isinstance(value, int) else redacted(value)[:_LONGEST]


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """The trace of who is at work here."""
    return _current.get()


def join(trace: Trace | None) -> None:
    """This thread works for that trace: for a new thread, before its work."""
    _current.set(trace)


@contextmanager
def recording() -> Iterator[Trace]:
    """What goes on in here is traced."""
    trace = Trace()
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


@contextmanager
def span(kind: Kind, name: str, **facts: str | int) -> Iterator[Facts]:
    """Trace what goes on in here, if anything is traced; what it finds out may be added to the facts."""
    trace = _current.get()
    if trace is None:
        yield facts
        return
    start = time.monotonic()
    try:
        yield facts
    finally:
        trace.add(Span(kind, name, start, time.monotonic() - start, threading.get_native_id(), facts))


def phase(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Each call of the function is a phase."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def traced(*args: P.args, **kwargs: P.kwargs) -> T:
            with span("phase", name):
                return function(*args, **kwargs)

        return traced

    return decorate
