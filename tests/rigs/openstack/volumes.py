"""cinder, for tests that boot from volumes: no part of `up`, made and started by `rig.py start cinder`."""

from __future__ import annotations

import cloud
from daemons import Daemon
from install import run
from layout import HERE, Layout

from tests.rigs.cache import pins


def daemons(layout: Layout) -> dict[str, Daemon]:
    """cinder's process."""
    argv = [layout.program("python"), str(HERE / "cinder_all.py"), "--config-file", layout.config("cinder")]
    return {"cinder": Daemon("cinder", argv, layout.ports.cinder)}


def prepare(layout: Layout) -> None:
    """Install and configure cinder, make its database, put it into the catalog."""
    asked, installed = HERE / "requirements-cinder.txt", layout.venv / "requirements-cinder.txt"
    if not installed.exists() or installed.read_text() != pins(asked):
        run([layout.program("pip"), "install", "-q", "--no-deps", "--require-hashes", "-r", asked])
        installed.write_text(pins(asked))
    cloud.configure(layout, ["cinder"])
    made = layout.state / "db" / "complete-cinder"
    if not made.exists():
        sync = [layout.program("cinder-manage"), "--config-file", layout.config("cinder"), "db", "sync"]
        run(sync, layout.state / "log" / "schema-cinder.out")
        cloud.write_ahead(layout.state / "db" / "cinder.sqlite")
        made.touch()
    cloud.seed(layout, "cinder")


def forget(layout: Layout) -> None:
    """Undo `prepare`, the installation excepted."""
    for left in (layout.state / "db").glob("*cinder*"):
        left.unlink()
