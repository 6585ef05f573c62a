"""The OpenStack rig as the tests hold it: its verbs, its users, and the requests made to it."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from tests.e2e.openstack.api import AnyCloud, Api, CloudError, Login
from tests.rigs.cache import cache
from tfce.cloud.calls import plain_call

HERE = Path(__file__).resolve().parents[2] / "rigs" / "openstack"
PORT, GUESTS = "TFCE_OPENSTACK_PORT", "TFCE_OPENSTACK_GUESTS"
_BASES = range(5000, 6000, 100)
_PORTS = 20  # from the base on


def _script(name: str, *arguments: str, port: int, patience: float = 840, guests: str = "fake") -> str:
    command = [sys.executable, str(HERE / name), *arguments]
    environment = {**os.environ, PORT: str(port), GUESTS: guests}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise CloudError(f"{name} {' '.join(arguments)} takes longer than {patience:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise CloudError(f"{' '.join((name, *arguments))} ended with {done.returncode}: {said[-1][-200:]}")
    return done.stdout


@functools.cache
def provider_mirror() -> Path:
    """The mirror with Terraform's OpenStack provider; filled at first."""
    return Path(_script("provider.py", port=0).split()[-1])


def free_base() -> int:
    """The first base whose ports nobody listens on; the same one each time, so that the rig's data serve again."""
    for base in _BASES:
        if not any(_answers(base + offset) for offset in range(_PORTS)):
            return base
    raise CloudError(f"no free ports from {_BASES[0]} on; name some with {PORT}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Rig(AnyCloud):
    """A running rig; its guests are "fake", or "qemu" boots them."""

    def __init__(self, base: int, guests: str = "fake") -> None:
        self.base, self.guests = base, guests
        lines = _script("rig.py", "up", port=base, guests=guests).split()
        pairs = (line.partition("=") for line in Path(lines[-1]).read_text().splitlines())
        self.env = {name: value for name, _, value in pairs}
        self._apis: dict[tuple[str, str], Api] = {}

    @property
    def name(self) -> str:
        return f"the rig at port {self.base}"

    def login(self) -> tuple[str, str]:
        return self.env["OS_USERNAME"], self.env["OS_PASSWORD"]

    def options(self, project: str) -> dict[str, str]:
        return {
            "Driver_ex_force_auth_url": self.env["OS_AUTH_URL"].removesuffix("/v3"),
            "Driver_ex_force_auth_version": "3.x_password",
            "Driver_ex_tenant_name": project,
            "Driver_ca_cert": self.env["OS_CACERT"],
            "Driver_ex_force_service_region": self.env["OS_REGION_NAME"],
            "Instance_Image": f"name:{self.env['RIG_IMAGE']}",
            "Instance_Flavor": "name:m1.tiny",
            "Instance_Networks": "name:my_private_net",
        }

    def api(self, project: str = "demo", user: str = "demo") -> Api:
        """The API as ``user`` of ``project``."""
        if (user, project) not in self._apis:
            self._apis[user, project] = Api(self._login(user, project), self._form())
        return self._apis[user, project]

    def _login(self, user: str, project: str) -> Login:
        password = {"name": user, "password": self.env["OS_PASSWORD"], "domain": {"id": "default"}}
        body = {
            "identity": {"methods": ["password"], "password": {"user": password}},
            "scope": {"project": {"name": project, "domain": {"id": "default"}}},
        }
        return Login(self.env["OS_AUTH_URL"], body, self.env["OS_REGION_NAME"], self.env["OS_CACERT"])

    def _form(self) -> dict[str, Any]:
        return {
            "imageRef": self.env["RIG_IMAGE_ID"],
            "flavorRef": self.env["RIG_FLAVOR_TINY_ID"],
            "networks": [{"uuid": self.env["RIG_MY_PRIVATE_NET_ID"]}],
        }

    @contextmanager
    def turn(self, parts: Sequence[str], alone: bool) -> Iterator[None]:
        with ExitStack() as ending:

            def lock(name: str, how: int) -> IO[str]:
                file = ending.enter_context((cache("openstack") / f"{name}-{self.base}").open("w"))
                fcntl.flock(file, how)
                return file

            for part in parts:
                lock(part, fcntl.LOCK_EX)
            gate = lock("gate", fcntl.LOCK_EX)  # who waits to be alone lets nobody pass
            lock("room", fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(gate, fcntl.LOCK_UN)
            yield

    @property
    def admin(self) -> Api:
        """The API as the cloud's administrator."""
        return self.api("admin", "admin")

    def verb(self, *words: str, patience: float = 300) -> None:
        """``rig.py WORDS``, within ``patience`` seconds."""
        _script("rig.py", *words, port=self.base, patience=patience, guests=self.guests)

    @contextmanager
    def without(self, service: str) -> Iterator[None]:
        """The cloud with one service stopped."""
        self.verb("stop", service)
        try:
            yield
        finally:
            self.verb("start", service)

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """The cloud with one service that takes requests and answers none."""
        self.verb("pause", service)
        try:
            yield
        finally:
            self.verb("resume", service)

    # -- what was asked of region Front ----------------------------------------------------------------------

    def requests(self) -> list[dict[str, Any]]:
        """Every request that went through region Front so far. One is written down after its answer has gone out:
        this waits until the log is quiet."""
        log = Path(self.env["RIG_REQUESTS_LOG"])
        text, seen = None, log.read_text() if log.exists() else ""
        while text != seen:
            time.sleep(0.1)
            text, seen = seen, log.read_text() if log.exists() else ""
        return [json.loads(line) for line in seen.splitlines()]

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The requests in region Front while the body ran, by method and path without ids."""
        calls: Counter[str] = Counter()
        before = len(self.requests())
        yield calls
        calls.update(plain_call(entry["method"], entry["path"]) for entry in self.requests()[before:])


@contextmanager
def running(guests: str = "fake") -> Iterator[Rig]:
    """The rig at TFCE_OPENSTACK_PORT, which is left running; without it, one of our own, which is stopped."""
    named = os.environ.get(PORT) if os.environ.get(GUESTS, "fake") == guests else None
    with ThreadPoolExecutor() as pool:  # each is minutes the first time
        mirror = pool.submit(provider_mirror)
        cloud = Rig(int(named) if named else free_base(), guests)
        mirror.result()
    try:
        yield cloud
    finally:
        if not named:
            cloud.verb("down")
