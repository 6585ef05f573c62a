"""Two clouds behind a hostile proxy, EC2 on moto and a small OpenStack: a queue on each, and the truth."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.rigs.hostile import Hostile
from tests.rigs.localstack import Emulator
from tests.rigs.smallstack import SmallStack
from tests.site import AnySite, Site
from tests.smallsite import SmallSite

PATIENCE = {
    "Driver_timeout": "2",
    "Terraform_MaxRetries": "1",
    "Terraform_Module": "bulk",
    "Terraform_Batch": "10",
    "MaxTotalJobs": "50",
    "MaxWaitingJobs": "50",
    "Workspace_LockTimeout": "5",
    "Workspace_Cooldown": "0",
    "Workspace_AdoptPrefix": "left-",
}


class Ground(Protocol):
    """A queue on a cloud that can be spoilt. ``site``: the queue; ``proxy``: what spoils."""

    site: AnySite
    proxy: Hostile

    def living(self) -> dict[str, Mapping[str, str]]:
        """The tags of the queue's VMs that are not gone, by id: what the cloud itself knows."""

    def stop(self, vm_id: str) -> None:
        """A VM switches itself off, as its pilot does at its end."""

    def strangers(self) -> dict[str, str]:
        """The state of each VM that is not the queue's, by id; there is one at least."""


@dataclass
class OnEc2:
    """On moto."""

    folder: Path
    emulator: Emulator
    proxy: Hostile
    ce: str

    def __post_init__(self) -> None:
        proxy: Any = self.proxy
        self._site = Site(self.folder, self.emulator, proxy, ce=self.ce, options=dict(PATIENCE))
        self._site.stranger({"Name": "somebody-elses", "tfce:ce": "other.example.org", "tfce:queue": "long"})
        self.site: AnySite = self._site

    def living(self) -> dict[str, Mapping[str, str]]:
        return {vm_id: tags for vm_id, (_, tags) in self.site.instances().items()}

    def stop(self, vm_id: str) -> None:
        self.emulator.call("StopInstances", **{"InstanceId.1": vm_id})

    def strangers(self) -> dict[str, str]:
        ours = self._site.instances()
        return {vm_id: state for vm_id, (state, _) in self._site.everything().items() if vm_id not in ours}


@dataclass
class OnOpenStack:
    """On the small OpenStack."""

    folder: Path
    cloud: SmallStack
    proxy: Hostile
    ce: str

    def __post_init__(self) -> None:
        self.cloud.front = self.proxy.url
        facts = {"id": str(uuid.UUID(int=99)), "name": "tfce-somebody-elses", "status": "ACTIVE"}
        times = dict.fromkeys(("created", "updated"), "2026-01-01T00:00:00Z")
        self.cloud.servers[facts["id"]] = {**facts, **times, "metadata": {}, "OS-EXT-STS:task_state": None}
        self.site: AnySite = SmallSite(self.folder, self.cloud, self.proxy.url, ce=self.ce, options=dict(PATIENCE))

    def living(self) -> dict[str, Mapping[str, str]]:
        return {server_id: tags for server_id, (_, tags) in self.site.instances().items()}

    def stop(self, vm_id: str) -> None:
        self.cloud.stop(vm_id)

    def strangers(self) -> dict[str, str]:
        ours = self.living()
        return {i: one["status"] for i, one in dict(self.cloud.servers).items() if i not in ours}
