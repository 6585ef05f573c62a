"""``tfce metrics``: what was measured of all queues, once or for Prometheus to ask."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from tfce.cli import terminal
from tfce.config.cfg import load_queues
from tfce.config.options import Queue
from tfce.model.errors import ConfigError
from tfce.model.metrics import Meters
from tfce.store.workspace import Workspace

log = logging.getLogger("tfce")
_SHIPPED = Path(__file__).resolve().parent.parent / "monitoring"
ALERTS, DASHBOARD = _SHIPPED / "alerts.yml", _SHIPPED / "dashboard.json"


def arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments of ``tfce metrics``."""
    what = sub.add_mutually_exclusive_group()
    what.add_argument(
        "--listen", type=_address, metavar="ADDRESS:PORT", help="answer Prometheus there, such as 127.0.0.1:9753"
    )
    what.add_argument("--alerts", action="store_true", help="print alert rules for Prometheus")
    what.add_argument("--dashboard", action="store_true", help="print a dashboard for Grafana")


def metrics(options: argparse.Namespace, path: Callable[[], Path]) -> int:
    """Print the metrics or what goes with them; with ``--listen``, answer until interrupted."""
    if options.alerts or options.dashboard:
        print((ALERTS if options.alerts else DASHBOARD).read_text(encoding="utf-8"), end="")
        return 0
    from tfce.pilots import exposition

    config = path()
    if options.listen is None:
        print(exposition.text(_meters(config)), end="")
        return 0
    _meters(config)  # a configuration that cannot be read is told at once
    address, port = options.listen
    _serve(address, port, lambda: _later(config))
    return 0


def _serve(address: str, port: int, meters: Callable[[], Iterable[Meters]]) -> None:
    from tfce.pilots import exposition

    try:
        thread = exposition.serve(meters, address, port)
    except (OSError, OverflowError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError("--listen", f"{address}:{port}", problem, "name an address and a free port") from None
    terminal.say(f"answers at http://{address}:{port}/metrics")
    thread.join()


def _meters(config: Path) -> list[Meters]:
    queues = load_queues(config).values()
    return [Workspace(queue).meters.read() for queue in queues if isinstance(queue, Queue)]


def _later(config: Path) -> list[Meters]:
    """The same while a server runs: a configuration that somebody breaks meanwhile is no end of it."""
    try:
        return _meters(config)
    except ConfigError as error:
        log.warning("%s", error.message)
        return []


def _address(text: str) -> tuple[str, int]:
    address, colon, port = text.rpartition(":")
    if not (colon and address and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text} is no address and port, such as 127.0.0.1:9753")
    return address.strip("[]"), int(port)
