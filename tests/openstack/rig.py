"""The OpenStack rig as the tests hold it: its verbs, its requests, and its API as an administrator sees it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import requests

from tfce.calls import plain_call

HERE = Path(__file__).resolve().parent.parent / "rigs" / "openstack"
PORT = "TFCE_OPENSTACK_PORT"
_BASES = range(5000, 6000, 100)
_PORTS = 20  # from the base on


class RigError(RuntimeError):
    """The rig or the provider is not to be had here; the text is one line for the user."""


def _script(name: str, *arguments: str, port: int, patience: float = 840) -> str:
    command = [sys.executable, str(HERE / name), *arguments]
    environment = {**os.environ, PORT: str(port)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise RigError(f"{name} {' '.join(arguments)} takes longer than {patience:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise RigError(f"{' '.join((name, *arguments))} ended with {done.returncode}: {said[-1][-200:]}")
    return done.stdout


@cache
def provider_mirror() -> Path:
    """The mirror with Terraform's OpenStack provider; filled at first."""
    return Path(_script("provider.py", port=0).split()[-1])


def free_base() -> int:
    """The first base whose ports nobody listens on; the same one each time, so that the rig's data serve again."""
    for base in _BASES:
        if not any(_answers(base + offset) for offset in range(_PORTS)):
            return base
    raise RigError(f"no free ports from {_BASES[0]} on; name some with {PORT}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Api:
    """One project of the rig, as an OpenStack client sees it."""

    def __init__(self, rig: Rig, user: str, project: str) -> None:
        self._rig, self._user, self._project = rig, user, project
        self._session = requests.Session()
        self._session.trust_env = False  # another authority in the environment would go before the rig's
        self._session.verify = rig.env["OS_CACERT"]
        self._urls: dict[str, str] = {}
        self._log_in()

    def _log_in(self) -> None:
        user = {"name": self._user, "password": self._rig.env["OS_PASSWORD"], "domain": {"id": "default"}}
        scope = {"project": {"name": self._project, "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        answer = self._session.post(
            f"{self._rig.env['OS_AUTH_URL']}/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
        )
        answer.raise_for_status()
        self._session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        for service in answer.json()["token"]["catalog"]:
            for endpoint in service["endpoints"]:
                if endpoint["region"] == "RegionOne" and endpoint["interface"] == "public":
                    self._urls[service["type"]] = endpoint["url"]

    @property
    def token(self) -> str:
        """Its token."""
        return str(self._session.headers["X-Auth-Token"])

    def ask(self, method: str, service: str, path: str, json: Any = None, **more: Any) -> Any:
        """One request; the answer's JSON, or None. Logs in again where the token has ended."""
        for last in (False, True):
            answer = self._session.request(method, self._urls[service] + path, json=json, timeout=60, **more)
            if answer.status_code != 401 or last:
                break
            self._log_in()
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def servers(self) -> list[dict[str, Any]]:
        """Every server of the project."""
        return list(self.ask("GET", "compute", "/servers/detail")["servers"])

    def building(self) -> bool:
        """Whether any server is still being built; costs nova little, however many there are."""
        return bool(self.ask("GET", "compute", "/servers?status=BUILD&limit=1")["servers"])

    def act(self, server: str, action: str, value: Any = None) -> None:
        """A server action: os-stop, pause, os-resetState …"""
        self.ask("POST", "compute", f"/servers/{server}/action", {action: value})

    def delete(self, server: str) -> None:
        """Delete a server, unless it is gone."""
        try:
            self.ask("DELETE", "compute", f"/servers/{server}")
        except requests.HTTPError as error:
            if error.response.status_code != 404:
                raise

    def boot(self, name: str, metadata: dict[str, str], flavor: str = "TINY") -> str:
        """A server that tfce did not make; its id."""
        made = {
            "name": name,
            "imageRef": self._rig.env["RIG_IMAGE_ID"],
            "flavorRef": self._rig.env[f"RIG_FLAVOR_{flavor}_ID"],
            "networks": [{"uuid": self._rig.env["RIG_MY_PRIVATE_NET_ID"]}],
            "metadata": metadata,
        }
        return str(self.ask("POST", "compute", "/servers", {"server": made})["server"]["id"])

    def ports(self) -> list[dict[str, Any]]:
        """Every network port of the project's VMs."""
        project = self._rig.env[f"RIG_{self._project.upper()}_PROJECT_ID"]
        return list(self.ask("GET", "network", f"/v2.0/ports?project_id={project}")["ports"])


class Rig:
    """A running rig."""

    def __init__(self, base: int) -> None:
        self.base = base
        lines = _script("rig.py", "up", port=base).split()
        pairs = (line.partition("=") for line in Path(lines[-1]).read_text().splitlines())
        self.env = {name: value for name, _, value in pairs}
        self._apis: dict[tuple[str, str], Api] = {}

    def api(self, project: str = "demo", user: str = "demo") -> Api:
        """The API as ``user`` of ``project``."""
        return self._apis.setdefault((user, project), Api(self, user, project))

    @property
    def admin(self) -> Api:
        """The API as the cloud's administrator."""
        return self.api("admin", "admin")

    def warm_up(self) -> None:
        """Wait until a server can be built: nova's scheduler knows no host for a while after its start."""
        deadline, status = time.monotonic() + 120, ""
        while status != "ACTIVE":
            made = self.api().boot("warm-up", {})
            status = "BUILD"
            while status == "BUILD":
                time.sleep(0.5)
                status = self.api().ask("GET", "compute", f"/servers/{made}")["server"]["status"]
            self.api().delete(made)
            if time.monotonic() > deadline:
                raise RigError("nova finds no host for a server for two minutes; see its log")

    def verb(self, *words: str, patience: float = 120) -> None:
        """``rig.py WORDS``."""
        _script("rig.py", *words, port=self.base, patience=patience)

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
def running() -> Iterator[Rig]:
    """The rig at TFCE_OPENSTACK_PORT, which is left running; without it, one of our own, which is stopped."""
    named = os.environ.get(PORT)
    provider_mirror()
    cloud = Rig(int(named) if named else free_base())
    cloud.warm_up()
    try:
        yield cloud
    finally:
        if not named:
            cloud.verb("down")
