"""Hosts that serve one queue: each has a folder, clocks and a network of its own, and wires."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.checking import WAIT, children
from tests.e2e.hosts.agent import facts
from tests.e2e.hosts.backends import Backend
from tests.e2e.hosts.users import User
from tests.rigs.localstack import Emulator
from tests.rigs.proxy import ALWAYS, Fault, Proxy
from tests.rigs.wire import Island, Wire
from tests.site import Site
from tfce.terraform.document_store import lease_seconds

REPOSITORY = Path(__file__).resolve().parents[3]
TIMEOUT = 60  # seconds of one Terraform run; a lease lasts a little longer
_OVERALL = 300


@dataclass
class Host(Site):
    """One host. ``letter``: what it is called; ``backend`` and ``wire``: where the record is, and the way there;
    ``proxy``: its way to the cloud; ``island``: its network; ``user``: who runs what runs there, else the tests'
    own user."""

    letter: str = "a"
    backend: Backend | None = None
    wire: Wire | None = None
    island: Island | None = None
    user: User | None = None

    def defaults(self) -> dict[str, str]:
        return super().defaults() | {"Driver_port": str(self.emulator.port)}

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock(0, 0)
        self.use(self.backend)
        super().__post_init__()
        if self.user is not None:
            assert self.lease  # read while the files are ours
            self.as_whom = self.user.command
            self.user.give(self.folder)

    def environment(self) -> dict[str, str]:
        return super().environment() | ({"HOME": str(self.folder)} if self.user else {})

    def use(self, backend: Backend | None) -> None:
        """Say in the options where the record is."""
        auth = self.folder / "backend.auth"
        self.options.update(Terraform_Backend=backend.name if backend else "local")
        self.options.update(Terraform_BackendFile=str(auth))
        if backend is not None:
            known = auth.read_text() if auth.exists() else ""
            auth.touch(0o600)
            auth.write_text(known + backend.section())

    # -- its clocks and ways ---------------------------------------------------------------------------------

    def clock(self, wrong: float, passed: float) -> None:
        """How wrong its clock is, and how many seconds more than in truth have passed on it."""
        self.wrong, self.passed = wrong, passed
        fresh = self.folder / "clock.new"
        fresh.write_text(f"{wrong} {passed}")
        fresh.replace(self.folder / "clock")

    @cached_property
    def lease(self) -> int:
        """Seconds for which a lease stands."""
        return lease_seconds(self.parts().workspace.queue)

    def pass_lease(self) -> None:
        """Let a lease's time pass on this host."""
        self.clock(self.wrong, self.passed + self.lease + 1)

    def apart(self, backend: bool = False, cloud: bool = False) -> None:
        """Cut it off; what is not named is reached again."""
        assert self.wire is not None
        (self.wire.cut if backend else self.wire.mend)()
        self.proxy.clear()
        if cloud:
            self.proxy.add(Fault("*", "drop", times=ALWAYS))

    # -- verbs -----------------------------------------------------------------------------------------------

    def begin(self, verb: str, *words: object) -> subprocess.Popen[str]:
        """Begin a verb, in a session of its own."""
        place = [str(self.cfg), self.name, str(self.folder / "clock")]
        line = [sys.executable, "-m", "tests.e2e.hosts.agent", *place, verb, *map(str, words)]
        assert self.island is not None
        return subprocess.Popen(
            self.island.inside([*self.as_whom, *line]),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=REPOSITORY,
        )

    def ask(self, verb: str, *words: object) -> dict[str, Any]:
        """A verb to its end: what was ``said``, or the kind of the ``error`` and its ``message``."""
        return ended(self.begin(verb, *words))

    def do(self, verb: str, *words: object) -> Any:
        """A verb that goes well: what it said."""
        return said(self.begin(verb, *words))

    def insist(self, verb: str, *words: object) -> Any:
        """A verb that is asked for again where another host was at work on the queue."""
        deadline = time.monotonic() + WAIT
        while (answer := self.ask(verb, *words)).get("error") == "busy":
            assert time.monotonic() < deadline, answer
        assert "said" in answer, f"{self.letter} {verb}: {answer}"
        return answer["said"]

    def facts(self) -> dict[str, Any]:
        """What record and state say. In this process, which has a true clock and a sure way to the backend, unless
        the files are another user's."""
        return dict(self.do("facts") if self.user else facts(self.parts()))


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The answer of a verb that was begun."""
    with process:
        out, err = process.communicate(timeout=_OVERALL)
    assert process.returncode == 0 and "Traceback" not in err, f"{process.returncode} {out} {err}"
    return dict(json.loads(out.splitlines()[-1]))


def strike(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """A signal for a verb and all that it started, which has sessions of its own."""
    for pid in (process.pid, *children(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def said(process: subprocess.Popen[str]) -> Any:
    """What a verb that was begun, and that went well, said."""
    answer = ended(process)
    assert "said" in answer, answer
    return answer["said"]


class Hosts:
    """Some hosts over one cloud and one backend; a context manager. ``others``: backends that they reach, too;
    ``users``: who runs what runs on them, one after the other, where it is not the tests' own user."""

    def __init__(
        self,
        folder: Path,
        cloud: Emulator,
        backend: Backend,
        letters: str = "ab",
        others: Sequence[Backend] = (),
        users: Sequence[User] = (),
        **options: str,
    ) -> None:
        self.folder, self.cloud, self.backend, self.options = folder, cloud, backend, options
        self.others, self._users = others, iter(users)
        self.ce = f"hosts-{uuid4().hex[:8]}.example.org"
        self._stack = ExitStack()
        self._sockets = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="tfce-hosts-")))
        self.all: list[Host] = []
        for letter in letters:
            self.add(letter)

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __getitem__(self, number: int) -> Host:
        return self.all[number]

    def add(self, letter: str, queue: str = "long") -> Host:
        """A new host from nothing, for a queue: options, login and backend are all it has."""
        backend = self.backend
        proxy = self._stack.enter_context(Proxy(self.cloud.url, mend=False))
        sockets = self._sockets / f"{letter}.backend", self._sockets / f"{letter}.cloud"
        wire = self._stack.enter_context(Wire(backend.port, at=sockets[0]))
        self._stack.enter_context(Wire(proxy.port, at=sockets[1]))
        ways = {backend.port: sockets[0], self.cloud.port: sockets[1]}
        for number, other in enumerate(self.others):
            ways[other.port] = self._sockets / f"{letter}.{number}"
            self._stack.enter_context(Wire(other.port, at=ways[other.port]))
        island = Island(ways)
        options = {
            "Terraform_Module": "bulk",
            "Terraform_Batch": "100",
            "Terraform_Timeout": str(TIMEOUT),
            "Workspace_Installation": "hosts",
            "Workspace_LockTimeout": "20",
            "Workspace_ReapShare": "1",
            **self.options,
        }
        made = Host(
            self.folder / letter,
            self.cloud,
            proxy,
            ce=self.ce,
            queue=queue,
            options=options,
            letter=letter,
            backend=backend,
            wire=wire,
            island=self._stack.enter_context(island),
            user=next(self._users, None),
        )
        self.all.append(made)
        return made

    def living(self) -> dict[str, str]:
        """What the cloud itself has of the queue: state by id."""
        return {node: state for node, (state, _) in self.all[0].instances().items()}

    def stop(self, reference: str) -> None:
        """A VM switches itself off, as at the end of its pilot."""
        self.cloud.call("StopInstances", **{"InstanceId.1": reference.removeprefix("cloud://")})

    def wrong(self) -> list[str]:
        """What does not agree, once every host has gone through a cycle: asked of the cloud itself."""
        faults = []
        keys = sorted(tags["tfce:key"] for _, tags in self.all[0].instances().values())
        if len(set(keys)) < len(keys):
            faults.append(f"two VMs of one key: {keys}")
        for host in self.all:
            known = host.facts()
            if not known["record"] == known["state"] == keys or known["pending"]:
                faults.append(f"{host.letter}: {known}, cloud {keys}")
            plan = host.run("plan", host.name)
            if plan.code:
                faults.append(f"{host.letter}: the plan is not empty: {plan.out}{plan.err}")
        return faults

    def agree(self, pilots: int) -> None:
        """Every host, the state and the cloud agree on so many pilots."""
        faults = self.wrong()
        assert not faults, "\n".join(faults)
        assert len(self.living()) == pilots
