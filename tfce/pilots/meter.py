"""Measuring the verbs: what each asked, got and cost goes into the queue's metrics, whichever process runs it."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from tfce.cloud.api import Cloud
from tfce.config.options import Queue
from tfce.model.errors import TfceError
from tfce.model.metrics import Meters, Reading
from tfce.model.record import Record
from tfce.model.redact import redacted
from tfce.model.vm_spec import offering
from tfce.store import actor
from tfce.store.workspace import Workspace

_TOLD = ("submit", "reap", "kill")  # verbs whose cost the journal has
_WORDS = 400  # characters of an error that are kept

log = logging.getLogger("tfce")
Result = TypeVar("Result")


class Seen(Protocol):
    """What a look at a queue shows (``services.View``)."""

    @property
    def cases(self) -> Any: ...
    @property
    def clocks(self) -> Any: ...
    @property
    def snapshot(self) -> Any: ...


@dataclass
class VerbRun:
    """One verb under way. ``good``: whether it did what it should, as far as is known."""

    verb: str
    reading: Reading = field(default_factory=Reading)
    calls: Mapping[str, int] | None = None
    record: Record | None = None
    good: bool = True
    error: tuple[str, str] = ("", "")  # kind, and words
    asked: int | None = None  # pilots, of a submission
    granted: int = 0
    limited: str = ""  # why fewer were tried
    wrote: bool = False  # anything into the journal
    _offerings: dict[str, str] = field(default_factory=dict)
    _causes: dict[str, str] = field(default_factory=dict)

    def of(self, result: Result) -> Result:
        """The verb's ``result``, once its calls, grants and failures are noted here."""
        self.calls = getattr(result, "calls", self.calls)
        self.limited, self.granted = getattr(result, "limited", ""), len(getattr(result, "stamps", ()))
        failed = getattr(result, "failed", None)
        if self.verb == "submit" and failed and not getattr(result, "stamps", None):
            first = next(iter(failed.values()))
            self.good, self.error = False, (first.kind.value, str(first))
        return result

    def hear(self, line: Mapping[str, Any]) -> None:
        """A line that the verb wrote into the journal."""
        self.wrote = True
        {"submit": self._asked, "submitted": self._made, "remove": self._meant, "removed": self._gone}.get(
            str(line["event"]), self._other
        )(line)

    def _asked(self, line: Mapping[str, Any]) -> None:
        label = offering(line.get("made", {}))
        self._offerings |= dict.fromkeys(line["keys"], label)
        self.reading.count("tfce_pilots_asked_total", label, by=len(line["keys"]))

    def _made(self, line: Mapping[str, Any]) -> None:
        for key in line["created"]:
            self.reading.count("tfce_pilots_created_total", self._offerings.get(key, ""))
        for key, reason in line["failed"].items():
            self.reading.count("tfce_pilots_refused_total", self._offerings.get(key, ""), reason["kind"])

    def _meant(self, line: Mapping[str, Any]) -> None:
        self._causes |= line["pilots"]

    def _gone(self, line: Mapping[str, Any]) -> None:
        for one in line["vms"]:
            self.reading.count("tfce_pilots_removed_total", self._causes.get(one["key"], "unknown"))
        if line["failed"]:
            self.reading.count("tfce_removals_refused_total", by=len(line["failed"]))

    def _other(self, line: Mapping[str, Any]) -> None:
        if line["event"] == "recovered" and line["adopted"]:
            self.reading.count("tfce_pilots_recovered_total", by=len(line["adopted"]))


_run: ContextVar[VerbRun | None] = ContextVar("run", default=None)


def heard(line: Mapping[str, Any]) -> None:
    """A line went into a journal; the verb that wrote it, if any, counts it."""
    run = _run.get()
    if run is not None:
        run.hear(line)


def seen(view: Seen) -> None:
    """A verb looked at its queue."""
    run = _run.get()
    if run is None:
        return
    run.record = view.snapshot.record
    run.reading.whole("tfce_pilots", Counter(case.condition.value for case in view.cases))
    run.reading.gauge("tfce_clock_skew_seconds", view.clocks.skew.total_seconds())


class Meter:
    """Measures the verbs of one queue; ``more`` reads what else a record tells."""

    def __init__(
        self,
        workspace: Workspace,
        cloud: Cloud,
        clock: Callable[[], datetime],
        more: Callable[[Reading, Record], None] = lambda reading, record: None,
    ) -> None:
        self._workspace, self._cloud, self._clock, self._more = workspace, cloud, clock, more
        workspace.journal.listener = heard

    @contextmanager
    def run(self, verb: str, keep: bool = True) -> Iterator[VerbRun]:
        """Measure what goes on in here, and ``keep`` it. What goes wrong with the measuring stops no verb."""
        run, started, before = VerbRun(verb), time.monotonic(), Counter(self._cloud.calls)
        token, doing = _run.set(run), actor.doing.set(verb)
        try:
            yield run
        except TfceError as error:
            keep = keep and not error.slip
            run.reading.count("tfce_operation_errors_total", verb, error.kind)
            run.good, run.error = False, (error.kind, error.message)
            raise
        except Exception as error:
            run.reading.count("tfce_operation_errors_total", verb, "unexpected")
            run.good, run.error = False, ("unexpected", type(error).__name__)
            raise
        finally:
            _run.reset(token)
            actor.doing.reset(doing)
            calls = run.calls if run.calls is not None else Counter(self._cloud.calls) - before
            if keep:
                self._end(run, calls, time.monotonic() - started)

    def _end(self, run: VerbRun, calls: Mapping[str, int], seconds: float) -> None:
        try:
            self._tell(run, calls, seconds)
            now = self._clock().timestamp()
            _cost(run, calls, seconds, now)
            record = self._workspace.latest or run.record
            if record is not None:
                _remember(run.reading, record, self._workspace.queue)
                self._more(run.reading, record)
            self._keep(run)
        except (TfceError, OSError, ValueError, TypeError, KeyError) as error:
            log.debug("metrics are lost: %s", error)

    def _mine(self, verb: str) -> bool:
        """Whether to write: not where the folder is absent, another user's or an older version's, since commands
        that only look change nothing. The first submission makes it, so that the reason of its failure is kept."""
        workspace = self._workspace
        if verb == "submit" and not workspace.exists:
            workspace.make_folders()
            return True
        return workspace.file.exists and workspace.private.stat().st_uid == os.geteuid()

    def _tell(self, run: VerbRun, calls: Mapping[str, int], seconds: float) -> None:
        """Let the journal say what a verb cost that did something, and once why one did nothing."""
        if run.verb not in _TOLD or not self._mine(run.verb):
            return
        kind, words = run.error
        why = {} if run.good else {"kind": kind, "error": redacted(words)[:_WORDS]}
        why |= {"limited": run.limited[:_WORDS]} if run.limited else {}
        share = {} if run.asked is None else {"asked": run.asked, "granted": run.granted}
        facts = {"verb": run.verb, **share, **why}
        if run.wrote:
            cost = {"calls": dict(sorted(calls.items())), "seconds": round(seconds, 3)}
            self._workspace.journal.append("done", **facts, **cost)
        elif why:
            self._workspace.journal.append_once("done", **facts)

    def _keep(self, run: VerbRun) -> None:
        workspace = self._workspace
        if not self._mine(run.verb):
            return
        queue = workspace.queue
        of = (queue.ce, queue.name, queue.endpoint.home)
        file = str(queue.workspace.metrics or "")
        kind, words = run.error
        error = None if run.good else (kind, redacted(words)[:_WORDS])
        workspace.meters.change(
            lambda old: Meters(of, file, old.values, old.errors).after(run.reading).ended(run.verb, error)
        )
        if queue.workspace.metrics is not None:
            from tfce.pilots import exposition

            exposition.publish(queue.workspace.metrics, workspace.root)


def _cost(run: VerbRun, calls: Mapping[str, int], seconds: float, now: float) -> None:
    reading = run.reading
    reading.count("tfce_operations_total", run.verb)
    reading.count("tfce_operation_seconds_total", run.verb, by=round(seconds, 3))
    for call, number in calls.items():
        reading.count("tfce_api_calls_total", run.verb, call, by=number)
    reading.gauge("tfce_last_run_timestamp_seconds", now, run.verb)
    if run.good:
        reading.gauge("tfce_last_success_timestamp_seconds", now, run.verb)


def _remember(reading: Reading, record: Record, queue: Queue) -> None:
    """What the record tells."""
    backoff, rests, limits = record.backoff, record.offering_backoffs, queue.limits
    reading.gauge("tfce_pilots_wanted", len(record.pilots))
    bounds = {"total": limits.total, "waiting": limits.waiting}
    reading.whole("tfce_pilots_limit", {name: most for name, most in bounds.items() if most is not None})
    reading.gauge("tfce_backoff_until_timestamp_seconds", backoff.until.timestamp() if backoff else 0)
    reading.gauge("tfce_backoff_failures", backoff.failures if backoff else 0)
    until = {label: rest.until.timestamp() for label, rest in rests.items()}
    reading.whole("tfce_offering_rests_until_timestamp_seconds", until)
    reading.gauge("tfce_protected", record.health.protected(queue.workspace.protect_after))
    reading.gauge("tfce_bad_ends", len(record.health.row))
    reading.gauge("tfce_drained", record.drain is not None)
    reading.gauge(
        "tfce_pending_since_timestamp_seconds", record.pending.since.timestamp() if record.pending else 0
    )
