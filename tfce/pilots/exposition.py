"""The metrics in Prometheus's text format: for node_exporter's textfile collector, and over HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tfce import __version__
from tfce.model.errors import TfceError
from tfce.model.metrics import CATALOGUE, SHARED_LABELS, Meters
from tfce.store import named
from tfce.store.meters import all_meters

log = logging.getLogger("tfce")
_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
_said: set[Path] = set()


class _Queues(Collector):
    """Every metric of these queues, read again each time it is asked for."""

    def __init__(self, meters: Callable[[], Iterable[Meters]]) -> None:
        self._meters = meters

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        meters = [one for one in self._meters() if one.of[0]]
        for metric in CATALOGUE:
            family = _FAMILIES[metric.kind](metric.name, metric.help, labels=(*SHARED_LABELS, *metric.labels))
            for one in meters:
                for labels, value in one.samples(metric):
                    family.add_metric(labels, value)
            yield family
        yield _build()


def _build() -> Metric:
    family = GaugeMetricFamily("tfce_build_info", "The version of tfce", labels=("version",))
    family.add_metric((__version__,), 1)
    return family


def _registry(meters: Callable[[], Iterable[Meters]]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Queues(meters))
    return registry


def text(meters: Iterable[Meters]) -> str:
    """The metrics of these queues."""
    known = list(meters)
    return generate_latest(_registry(lambda: known)).decode()


def publish(path: Path, root: Path) -> None:
    """Write the metrics of every queue of this host that names ``path``, whole or not at all. A file that cannot
    be written is said once: no verb fails for it."""
    try:
        mine = (one for one in all_meters(root) if one.file == str(path))
        named.write("Workspace_Metrics", path, text(mine), 0o644)
    except (TfceError, OSError) as error:
        if path not in _said:
            _said.add(path)
            log.warning("no metrics are written: %s", error)


def serve(meters: Callable[[], Iterable[Meters]], address: str, port: int) -> threading.Thread:
    """Answer scrapes at ``address:port`` until the process ends. Raises ``OSError`` where that cannot be had."""
    _server, thread = start_http_server(port, address, _registry(meters))
    return thread
