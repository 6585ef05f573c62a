"""Hosts on which DIRAC's programs serve one queue: each has a configuration, folders and a network of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.dirac.server.conftest import AGENT, DROPPED, SHARED
from tests.rigs import dirac_cfg, mirror
from tests.rigs.dirac_server import SITE, Server
from tests.rigs.wire import Island, Wire


class Host:
    """One of them. ``folder``: all it has; ``own``: its part of the CE's options; ``island``: its network."""

    def __init__(self, server: Server, folder: Path, own: Mapping[str, Any], island: Island | None) -> None:
        self._server, self.folder, self._island = server, folder, island
        folder.mkdir(parents=True)
        work = folder / "work"
        work.mkdir()
        agents = {"SiteDirector": {"CEs": SHARED, "WorkDirectory": work}}
        local = {
            "Systems": {"WorkloadManagement": {"Agents": agents}},
            "Resources": {"Sites": {"CLOUD": {SITE: {"CEs": {SHARED: dict(own)}}}}},
        }
        self._local = folder / "local.cfg"
        self._local.write_text(server.cfg.read_text() + dirac_cfg.dump(local))
        self._options = folder / "element.cfg"
        self._options.write_text(dirac_cfg.dump({"CEs": {SHARED: {**server.elements[SHARED], **own}}}))

    def dirac(self, *command: str) -> str:
        """One of DIRAC's commands to its end; what it said."""
        return self._run(*command, "--cfg", str(self._local))

    def cycle(self) -> str:
        """SiteDirector, a new process, for a cycle; its log."""
        for _ in range(2):
            said = self.dirac("dirac-agent", AGENT, "-o", "MaxCycles=1")
            if DROPPED not in said:  # else no element was asked yet
                break
        return said

    def words(self) -> dict[str, str]:
        """What this host's SiteDirector says of every pilot: each is asked for again, also those that are over."""
        self._server.sql("UPDATE PilotAgents SET Status = 'Submitted'", "PilotAgentsDB")
        said = self.cycle()
        words = self._server.states()
        assert words, said
        return words

    def tfce(self, verb: str) -> Any:
        """One of tfce's commands, as JSON."""
        return json.loads(self._run("tfce", verb, f"{SHARED}/long", "--json", "--config", str(self._options)))

    def _run(self, *command: str) -> str:
        own = {"DIRAC_ROOT_PATH": str(self.folder), "TFCE_PROVIDER_MIRROR": str(mirror.ensure())}
        inside = self._island.inside if self._island else list
        done = self._server.run(*command, folder=self.folder, inside=inside, **own)
        assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout
        return done.stdout


def island(stack: ExitStack, ports: Sequence[int], sockets: Path) -> Island | None:
    """A network in which only these ports of 127.0.0.1 lead anywhere; None where nobody can have one here."""
    ways = {port: sockets / f"{port}" for port in ports}
    try:
        made = stack.enter_context(Island(ways))
    except OSError as error:
        print(f"hosts without networks of their own: {error}")
        return None
    for port, at in ways.items():
        stack.enter_context(Wire(port, at=at))
    return made
