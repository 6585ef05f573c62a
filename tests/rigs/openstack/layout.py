"""Where the rig keeps things, and the ports it listens on."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.rigs.cache import cache, pins

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
PASSWORD = "rig-password"  # of every user of the rig; it guards nothing
EXAMPLE_HOST = "cloudprov.mysite.example"  # in keystone's certificate, so that the documented example can be run


@dataclass(frozen=True)
class Ports:
    """Consecutive ports from `base`; those from base + 10 count and delay requests (front.py)."""

    base: int

    @property
    def keystone(self) -> int:
        return self.base

    @property
    def keystone_app(self) -> int:
        return self.base + 1

    @property
    def glance(self) -> int:
        return self.base + 2

    @property
    def placement(self) -> int:
        return self.base + 3

    @property
    def nova(self) -> int:
        return self.base + 4

    @property
    def neutron(self) -> int:
        return self.base + 5

    @property
    def cinder(self) -> int:
        return self.base + 6

    def front(self, port: int) -> int:
        """The counting port before `port`."""
        return port + 10


@dataclass(frozen=True)
class Layout:
    """One cloud: its ports, its folder of state and the programs it is run with."""

    ports: Ports
    root: Path
    real: bool = False  # guests that boot: libvirt and QEMU in the place of nova's fake driver

    @classmethod
    def from_environment(cls) -> Layout:
        """TFCE_OPENSTACK_PORT is the first of the rig's ports (default 5000, keystone's); with
        TFCE_OPENSTACK_GUESTS=qemu the guests are real."""
        port = int(os.environ.get("TFCE_OPENSTACK_PORT", "5000"))
        guests = os.environ.get("TFCE_OPENSTACK_GUESTS", "fake")
        if guests not in ("fake", "qemu"):
            raise SystemExit(f"TFCE_OPENSTACK_GUESTS = {guests!r}: it is fake or qemu")
        return cls(Ports(port), cache("openstack"), guests == "qemu")

    @property
    def state(self) -> Path:
        return self.root / f"{'qemu' if self.real else 'state'}-{self.ports.base}"

    @property
    def pristine(self) -> Path:
        """The databases as they were after seeding: what `up --fresh` returns to."""
        return self.state / "pristine"

    @property
    def venv(self) -> Path:
        mark = hashlib.sha256(pins(HERE / "requirements.txt").encode()).hexdigest()
        return self.root / f"venv-{mark[:12]}"

    @property
    def ca(self) -> Path:
        return self.state / "tls" / "ca.pem"

    @property
    def env_file(self) -> Path:
        return self.state / "rig.env"

    @property
    def auth_url(self) -> str:
        return f"https://{HOST}:{self.ports.keystone}/v3"

    def program(self, name: str) -> str:
        return str(self.venv / "bin" / name)

    def config(self, service: str) -> str:
        return str(self.state / "etc" / f"{service}.conf")

    def make_folders(self) -> None:
        for name in ("etc", "log", "run", "db", "keys", "tls", "images", "instances", "lock", "tmp"):
            (self.state / name).mkdir(parents=True, exist_ok=True)
        (self.state / "tls").chmod(0o700)
        (self.state / "keys").chmod(0o700)
