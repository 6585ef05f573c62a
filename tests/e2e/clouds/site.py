"""A site on one of the clouds of ``tests/rigs/clouds``, whose VMs have nothing but names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.rigs.clouds.base import RestCloud
from tests.site import AnySite
from tfce.app import Parts
from tfce.cloud.generic.nodes import name_of, tags_of_name
from tfce.config.credentials import Credentials
from tfce.model.vm import Owner


class NamedSite(AnySite):
    """A queue in ``cloud``. Whose a VM is, tests tell as tfce does: by its name."""

    def __init__(self, folder: Path, cloud: RestCloud) -> None:
        self.folder, self.cloud, self.ce, self.queue = folder, cloud, "cloud.example.org", "long"
        self.options: dict[str, str] = {}
        self.owners: set[Owner] = set()
        self.__post_init__()

    def login(self) -> tuple[str, str]:
        return self.cloud.login()

    def defaults(self) -> dict[str, str]:
        return {**self.cloud.options(), "Terraform_Module": "bulk", "Terraform_MaxRetries": "1"}

    def mirror(self) -> Path:
        return self.folder

    def parts(self, secrets: Credentials | None = None) -> Parts:
        made = super().parts(secrets)
        self.owners.add(made.workspace.owner())
        return made

    # -- as the contract tests' edge wants it ----------------------------------------------------------------

    def everything(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        """Every VM that is not gone."""
        return {m.id: ("running" if m.running else "stopped", self._tags(m.name)) for m in self.cloud.sorted()}

    def _tags(self, name: str) -> dict[str, str]:
        told = [tags for owner in self.owners if "tfce:installation" in (tags := tags_of_name(name, owner))]
        return {"Name": name, **(told[0] if told else {})}

    def stranger(self, tags: Mapping[str, str]) -> str:
        """A VM that tfce did not make: its name is what ``tags`` say, or else like theirs."""
        who = [tags.get(f"tfce:{name}", "") for name in ("installation", "ce", "queue")]
        if not all(who) or "tfce:key" not in tags:
            return self.cloud.add(f"{tags['Name']}-x").id
        self.owners.add(Owner(*who))
        return self.cloud.add(name_of(Owner(*who), "tfce-", tags["tfce:key"])).id

    def do(self, action: str, node_id: str) -> None:
        """StopInstances: the VM switches itself off; TerminateInstances: an administrator removes it."""
        if action == "StopInstances":
            self.cloud.machines[node_id].running = False
        else:
            del self.cloud.machines[node_id]
