"""What tfce measures of a queue: the catalogue of its metrics, and their values as a file holds them. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

Key = tuple[str, tuple[str, ...]]  # a metric's name, and the values of its labels
SHARED_LABELS = ("ce", "queue", "cloud")  # of every metric, before its own
_MOST = 2_000  # values of one queue
_LONGEST = 200  # characters of a label's value


@dataclass(frozen=True)
class Metric:
    """One metric, by Prometheus's conventions. ``labels``: its own, after those that all have."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


def _counters(*facts: tuple[str, str, tuple[str, ...]]) -> tuple[Metric, ...]:
    return tuple(Metric(name, "counter", text, labels) for name, text, labels in facts)


def _gauges(*facts: tuple[str, str, tuple[str, ...]]) -> tuple[Metric, ...]:
    return tuple(Metric(name, "gauge", text, labels) for name, text, labels in facts)


CATALOGUE: tuple[Metric, ...] = (
    *_gauges(
        (
            "tfce_pilots",
            "Pilots and VMs as last seen, by what they are (booting, healthy, ended, ...)",
            ("state",),
        ),
        ("tfce_pilots_wanted", "Pilots in the record", ()),
        ("tfce_pilots_limit", "MaxTotalJobs (total) and MaxWaitingJobs (waiting), where they are set", ("limit",)),
    ),
    *_counters(
        ("tfce_pilots_asked_total", "Pilots that were asked of the cloud", ("offering",)),
        ("tfce_pilots_created_total", "Pilots that got a VM at their submission", ("offering",)),
        ("tfce_pilots_refused_total", "Pilots that got none, by the kind of the reason", ("offering", "reason")),
        ("tfce_pilots_recovered_total", "Pilots that a later cycle took back into the record", ()),
        ("tfce_pilots_removed_total", "VMs that were removed, by cause", ("reason",)),
        ("tfce_removals_refused_total", "Removals that the cloud refused; they are tried again", ()),
        ("tfce_operations_total", "Verbs that were begun", ("verb",)),
        ("tfce_operation_errors_total", "Verbs that failed as a whole, by kind of error", ("verb", "reason")),
        ("tfce_operation_seconds_total", "Seconds that verbs took", ("verb",)),
        ("tfce_api_calls_total", "Requests to the cloud's API", ("verb", "call")),
    ),
    *_gauges(
        ("tfce_last_run_timestamp_seconds", "When the verb last ended", ("verb",)),
        (
            "tfce_last_success_timestamp_seconds",
            "When the verb last did what it should; submit: at least one pilot, or none was allowed",
            ("verb",),
        ),
        ("tfce_backoff_until_timestamp_seconds", "Until when no pilot is tried for lack of room; 0: not so", ()),
        ("tfce_backoff_failures", "Submissions in a row that found no room", ()),
        ("tfce_offering_rests_until_timestamp_seconds", "Until when an offering is left out", ("offering",)),
        ("tfce_protected", "1 while the queue is protected: its last pilots all ended badly", ()),
        ("tfce_bad_ends", "Pilots in a row that ended badly", ()),
        ("tfce_drained", "1 while an operator wants no new pilots", ()),
        ("tfce_pending_since_timestamp_seconds", "Since when an operation is not settled; 0: none is", ()),
        ("tfce_clock_skew_seconds", "How far the host's clock is ahead of the cloud's", ()),
        ("tfce_allocation_limit", "What may be used in the period, in the allocation's own unit", ("allocation",)),
        (
            "tfce_allocation_spent",
            "What was used of it in this period, by the CE where it is the CE's",
            ("allocation",),
        ),
        ("tfce_allocation_bound", "What VMs that run may still use of it", ("allocation",)),
        ("tfce_cost_month_to_date", "Money that pilots cost since the month began (UTC)", ("currency",)),
        (
            "tfce_cost_per_hour",
            "Money an hour of all pilots in the record, where their prices are known",
            ("currency",),
        ),
        ("tfce_approval_waiting", "Options that ask for something else than was approved", ()),
    ),
)
BY_NAME: Mapping[str, Metric] = MappingProxyType({one.name: one for one in CATALOGUE})


@dataclass
class Reading:
    """What one verb measured: ``counts`` are added to counters, ``gauges`` replace values by metric and labels."""

    counts: Counter[Key] = field(default_factory=Counter)
    gauges: dict[Key, float] = field(default_factory=dict)
    set: set[str] = field(default_factory=set)  # metrics that have no other values than in ``gauges``

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        self.counts[_key(name, labels)] += by  # type: ignore[assignment]  # seconds are no whole numbers

    def gauge(self, name: str, value: float, *labels: str) -> None:
        """Set one value of a gauge; its other labels keep theirs."""
        self.gauges[_key(name, labels)] = float(value)  # a truth is 1 or 0

    def whole(self, name: str, values: Mapping[str, float]) -> None:
        """Set all values of a gauge with one label."""
        self.set.add(name)
        for label, value in values.items():
            self.gauge(name, value, label)


def _key(name: str, labels: tuple[str, ...]) -> Key:
    if len(labels) != len(BY_NAME[name].labels):
        raise ValueError(f"{name} has the labels {BY_NAME[name].labels}, not {labels}")
    return name, tuple(label[:_LONGEST] for label in labels)


@dataclass(frozen=True)
class Meters:
    """The values of one queue: ``of`` are ce, queue and cloud; ``file``: the textfile that they are also written
    to, "" for none; ``errors``: by verb, kind and words of why it failed when it ran last."""

    of: tuple[str, str, str] = ("", "", "")
    file: str = ""
    values: Mapping[Key, float] = field(default_factory=dict)
    errors: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def ended(self, verb: str, error: tuple[str, str] | None) -> Meters:
        """These, after a verb failed, or did not (None)."""
        kept = {name: one for name, one in self.errors.items() if name != verb}
        return replace(self, errors=kept | ({verb: error} if error else {}))

    def after(self, reading: Reading) -> Meters:
        """These, and what one more verb measured."""
        values = {key: value for key, value in self.values.items() if key[0] not in reading.set}
        for key, number in reading.counts.items():
            values[key] = values.get(key, 0) + number
        values |= reading.gauges
        return replace(self, values=dict(list(values.items())[-_MOST:]))

    def value(self, name: str, *labels: str) -> float | None:
        """One value, None where it was never measured."""
        return self.values.get((name, labels))

    def samples(self, metric: Metric) -> Iterator[tuple[tuple[str, ...], float]]:
        """A metric's values with all their labels."""
        for (name, labels), value in sorted(self.values.items()):
            if name == metric.name:
                yield (*self.of, *labels), value

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        values = [[name, list(labels), value] for (name, labels), value in sorted(self.values.items())]
        return {"of": list(self.of), "file": self.file, "errors": dict(self.errors), "values": values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Meters:
        """The reverse, as far as it can be believed: a counter that starts again does no harm."""
        of, values = data.get("of"), data.get("values")
        known = tuple(map(str, of)) if isinstance(of, list) and len(of) == len(SHARED_LABELS) else ("", "", "")
        pairs = (_value(entry) for entry in (values if isinstance(values, list) else []))
        file, errors = data.get("file"), data.get("errors")
        told = {str(verb): _texts(one) for verb, one in (errors if isinstance(errors, dict) else {}).items()}
        values = dict(pair for pair in pairs if pair)
        return cls((known[0], known[1], known[2]), file if isinstance(file, str) else "", values, told)


def _texts(error: Any) -> tuple[str, str]:
    kind, words = map(str, error) if isinstance(error, list) and len(error) == 2 else ("?", str(error))
    return kind, words


def _value(entry: Any) -> tuple[Key, float] | None:
    try:
        name, labels, value = entry
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return _key(name, tuple(map(str, labels))), value
    except (TypeError, ValueError, KeyError):
        return None
