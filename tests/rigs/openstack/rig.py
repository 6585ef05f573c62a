#!/usr/bin/env python3
"""A real OpenStack on 127.0.0.1 for the tests: keystone, glance, placement, nova (fake guests) and neutron.

    rig.py up [--fresh]       install, configure and start what is missing; --fresh forgets all servers first
    rig.py down               stop everything; the installation and the data stay
    rig.py clean              down, and delete the data (the installation stays)
    rig.py status             up, paused or down, and the process ids; exit 3 if not all are up
    rig.py stop|start NAME    one service; cinder is installed when it is first started, and no part of `up`
    rig.py pause|resume NAME  one service, by SIGSTOP and SIGCONT
    rig.py delay SECONDS      added to each request in region Front
    rig.py tokens SECONDS     how long new tokens live (a day at first); restarts keystone

TFCE_OPENSTACK_GUESTS=qemu (as root): libvirt and QEMU in the place of the fake guests, a cloud of its own.
`up` prints the path of rig.env: OS_* variables and the ids of what was seeded. README.md tells the rest.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cloud
import guests
import install
import volumes
from daemons import Supervisor
from layout import Layout

PARTS = {"keystone": ("keystone", "keystone-tls")}  # what stops together


class Rig:
    """The verbs of the command line."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.daemons = cloud.daemons(layout)
        self.known = self.daemons | volumes.daemons(layout)
        self.supervisor = Supervisor(layout.state)

    def up(self, fresh: bool) -> None:
        with lap("install"):
            install.make_venv(self.layout)
            self.layout.make_folders()
            install.make_certificates(self.layout)
            if self.layout.real:
                guests.install(self.layout)
            cloud.configure(self.layout)
        if fresh and self.layout.pristine.exists():
            self.down()
            cloud.restore_pristine(self.layout)
            volumes.forget(self.layout)
            cloud.configure(self.layout)
        with lap("databases"):
            cloud.make_databases(self.layout)
        with lap("keystone"):
            self.start("keystone", "placement", "glance", "neutron", "front", wait=False)
            self.wait("keystone", "keystone-tls")
            cloud.seed(self.layout, "identity")
        with lap("services"):
            self.wait("placement")  # hazard: nova-compute registers its host there at its start, or a minute later
            if self.layout.real:
                self.start("libvirtd")
            self.start("nova", wait=False)
            self.wait(*self.daemons)
        with lap("seed"):
            cloud.seed(self.layout, "resources")
            cloud.keep_pristine(self.layout)
        print(self.layout.env_file)

    def down(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.supervisor.stop, [name for name in self.known if name != "libvirtd"]))
        if self.layout.real:
            guests.end(self.layout)
            self.supervisor.stop("libvirtd")

    def clean(self) -> None:
        self.down()
        shutil.rmtree(self.layout.state, ignore_errors=True)

    def status(self) -> int:
        """Exit code: 0 if all run."""
        states = {name: self.supervisor.state_of(name) for name in self.daemons}
        for name, state in states.items():
            print(f"{name:14} {self.daemons[name].port!s:>5}  {state} {self.supervisor.pid(name) or ''}")
        return 0 if set(states.values()) == {"up"} else 3

    def start(self, *names: str, wait: bool = True) -> None:
        parts = [part for name in names for part in PARTS.get(name, (name,))]
        if "cinder" in parts:
            volumes.prepare(self.layout)
        for part in parts:
            self.supervisor.start(self.known[part])
        if wait:
            self.wait(*parts)

    def wait(self, *names: str) -> None:
        for name in names:
            self.supervisor.wait(self.known[name])

    def stop(self, name: str) -> None:
        for part in PARTS.get(name, (name,)):
            self.supervisor.stop(part)

    def signal(self, name: str, number: signal.Signals) -> None:
        for part in PARTS.get(name, (name,)):
            self.supervisor.signal(part, number)

    def delay(self, seconds: float) -> None:
        cloud.delay_file(self.layout).write_text(str(seconds))

    def tokens(self, seconds: float) -> None:
        (self.layout.state / "run" / "token-seconds").write_text(str(int(seconds)))
        cloud.configure(self.layout)
        self.stop("keystone")
        self.start("keystone")


@contextmanager
def lap(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    print(f"openstack rig: {what} {time.monotonic() - start:.1f} s", file=sys.stderr)


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """One rig.py at a time."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with (layout.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up").add_argument("--fresh", action="store_true")
    for verb in ("down", "clean", "status"):
        verbs.add_parser(verb)
    for verb in ("start", "stop", "pause", "resume"):
        verbs.add_parser(verb).add_argument("name", choices=(*cloud.SERVICES, "front", "cinder"))
    for verb in ("delay", "tokens"):
        verbs.add_parser(verb).add_argument("seconds", type=float)
    return parser.parse_args()


def main() -> int:
    arguments = vars(parse_arguments())
    verb = arguments.pop("verb")
    layout = Layout.from_environment()
    rig = Rig(layout)
    with alone(layout):
        if verb in ("pause", "resume"):
            rig.signal(arguments["name"], signal.SIGSTOP if verb == "pause" else signal.SIGCONT)
            return 0
        return getattr(rig, verb)(*arguments.values()) or 0


if __name__ == "__main__":
    sys.exit(main())
