"""What the contract tests ask of an edge: a cloud with VMs, and tfce's two interfaces to it.

The tests in ``test_cloud``, ``test_provisioner`` and ``test_life`` take a fixture ``edge`` and hold for every
one of them: the fakes (here, always) and real Terraform on an EC2 API (``SiteEdge``; a suite gets it by
defining the fixture and importing those tests).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

from tests.fakes import FakeCloud, FakeTerraform, Sky
from tfce.app import assemble
from tfce.cloud.api import Cloud
from tfce.cloud.listing import Listing
from tfce.config.cfg import load_queue
from tfce.config.options import Queue, parse
from tfce.model.vm import Owner, State
from tfce.pilots.fleet import Fleet
from tfce.store.workspace import Workspace

WRAPPER = b"#!/bin/bash\nexec sleep 3600\n"  # a guest that is real would end with it
MINIMAL = {"CloudType": "EC2", "Instance_Image": "ami-1", "Instance_Flavor": "t3.micro"}


@dataclass(frozen=True)
class Parts:
    """One process's objects for one queue."""

    workspace: Workspace
    terraform: Any  # a Provisioner that can also plan
    cloud: Cloud
    fleet: Fleet


@dataclass(frozen=True)
class Words:
    """What a cloud's API calls things: its calls that list and create, a flavor beside the queue's own, and the
    name of a pilot's VM, from its key."""

    listing: str = "DescribeInstances"
    creating: str = "RunInstances"
    flavor: str = "name:t3.small"

    def name(self, parts: Parts, key: str) -> str:
        """The name of the VM of pilot ``key``."""
        return f"tfce-{key}"


class Edge(Protocol):
    """A cloud account, looked at from the side, and parts of tfce that work on it. ``batch``: how many VMs one
    call starts."""

    batch: int
    words: Words

    def parts(self, queue: str = "long", **options: str) -> Parts:
        """Fresh parts, as another process would have them."""

    def living(self) -> dict[str, Mapping[str, str]]:
        """The tags of every VM in the account that is not gone, by id."""

    def add(self, tags: Mapping[str, str]) -> str:
        """A VM that tfce did not make; its id."""

    def stop(self, node_id: str) -> None:
        """The VM switches itself off, as at the end of its pilot."""

    def remove(self, node_id: str) -> None:
        """An administrator removes the VM."""

    def advance(self, seconds: float) -> None:
        """Let time pass for tfce."""

    def now(self) -> datetime:
        """tfce's time, in whole seconds."""


class FakeEdge:
    """The fakes over a sky."""

    words = Words()

    def __init__(self, folder: Path, batch: int = 1) -> None:
        self.folder, self.sky, self.batch = folder, Sky(), batch

    def options(self, options: Mapping[str, str]) -> dict[str, str]:
        """A queue's options, completed."""
        return {**MINIMAL, "Workspace_LockTimeout": "0", "Workspace_Installation": "tests", **options}

    def queue(self, name: str, options: Mapping[str, str]) -> Queue:
        return parse("cloud.example.org", name, self.options(options), self.folder / "dirac", self.folder / "root")

    def parts(self, queue: str = "long", **options: str) -> Parts:
        workspace = Workspace(self.queue(queue, options), self.sky.clock)
        terraform, cloud = FakeTerraform(workspace, self.sky, self.batch), FakeCloud(self.sky)
        return Parts(workspace, terraform, cloud, Fleet(workspace, terraform, cloud, self.sky.clock))

    def living(self) -> dict[str, Mapping[str, str]]:
        return {node.id: node.tags for node in self.sky.living()}

    def add(self, tags: Mapping[str, str]) -> str:
        return self.sky.add(tags.get("Name", "vm"), tags).id

    def stop(self, node_id: str) -> None:
        self.sky.stop(node_id)

    def remove(self, node_id: str) -> None:
        self.sky.set(node_id, State.DELETED)

    def advance(self, seconds: float) -> None:
        self.sky.clock.advance(seconds)

    def now(self) -> datetime:
        return self.sky.clock().replace(microsecond=0)


class _Later:
    def __init__(self, cloud: Cloud, ahead: Callable[[], timedelta]) -> None:
        self._cloud, self._ahead = cloud, ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, name)

    def vms(self, *owners: Owner) -> Listing:
        found = self._cloud.vms(*owners)
        if found.cloud_time is not None:
            found.cloud_time += self._ahead()
        return found


def later(cloud: Cloud, ahead: Callable[[], timedelta]) -> Cloud:
    """``cloud`` some time later: its clock says so; nothing else of it is changed."""
    return cast(Cloud, _Later(cloud, ahead))


def fleet_later(parts: Any, ahead: timedelta) -> Fleet:
    """The fleet of a site's parts as it will be: the host's clock and the cloud's are ahead by as much."""
    cloud = later(parts.cloud, lambda: ahead)
    return Fleet(parts.workspace, parts.terraform, cloud, lambda: datetime.now(UTC) + ahead)


class SiteEdge:
    """Real Terraform and libcloud on the API of a ``tests.site.Site``, EC2's or one that has other ``words``."""

    words = Words()

    def __init__(self, site: Any, batch: int = 1) -> None:
        self._site, self.batch = site, batch
        self._ahead = timedelta(0)
        self._before = frozenset(site.everything())  # the account outlives a test
        self._added: set[str] = set()

    def parts(self, queue: str = "long", **options: str) -> Parts:
        self._site.queue = queue
        self._site.configure(**options)
        self._site.parts()  # lets the site set the process's environment
        made = assemble(load_queue(self._site.cfg, self._site.name), clock=self._clock)
        cloud = later(made.cloud, lambda: self._ahead)
        return Parts(
            made.workspace, made.terraform, cloud, Fleet(made.workspace, made.terraform, cloud, self._clock)
        )

    def _clock(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def living(self) -> dict[str, Mapping[str, str]]:
        found = self._site.everything()
        return {node_id: tags for node_id, (_, tags) in found.items() if self._counts(node_id, tags)}

    def _counts(self, node_id: str, tags: Mapping[str, str]) -> bool:
        """Not what another test left, or had under way: each has a CE of its own."""
        ours = tags.get("tfce:ce", self._site.ce) == self._site.ce
        return node_id in self._added or (ours and node_id not in self._before)

    def add(self, tags: Mapping[str, str]) -> str:
        made: str = self._site.stranger(tags)
        self._added.add(made)
        return made

    def stop(self, node_id: str) -> None:
        self._site.do("StopInstances", node_id)

    def remove(self, node_id: str) -> None:
        self._site.do("TerminateInstances", node_id)

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._clock().replace(microsecond=0)


def assert_settled(parts: Parts, edge: Edge) -> None:
    """Nothing is left over: record, state and cloud agree, one VM a pilot, nothing pending, no user data."""
    owner = parts.workspace.owner()
    mine = {
        node_id: tags["tfce:key"]
        for node_id, tags in edge.living().items()
        if all(tags.get(name) == value for name, value in owner.tags().items()) and tags.get("tfce:key")
    }
    assert len(set(mine.values())) == len(mine), "two VMs have one key"
    assert set(parts.workspace.load().pilots) == set(mine.values())
    state = parts.terraform.instances()
    assert {entry.id: key for key, entry in state.items()} == mine
    assert not any(entry.tainted for entry in state.values())
    assert parts.workspace.load().pending is None and not list(parts.workspace.contexts.iterdir())
    assert [row for row in parts.fleet.audit() if row.mismatch] == []
    assert parts.terraform.plan().empty
