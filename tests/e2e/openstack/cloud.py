"""A site on an OpenStack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.checking import until
from tests.e2e.openstack.api import AnyCloud, Api
from tests.e2e.openstack.rig import Rig, provider_mirror
from tests.site import AnySite, keyed

KEYS = ("tfce_installation", "tfce_ce", "tfce_queue", "tfce_key")


@dataclass
class OpenStackSite(AnySite):
    """One (CE, queue) in a project of the cloud."""

    folder: Path
    cloud: AnyCloud
    ce: str = "cloudprov.mysite.example"
    queue: str = "long"
    project: str = "demo"
    options: dict[str, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def login(self) -> tuple[str, str]:
        return self.cloud.login()

    def mirror(self) -> Path:
        return provider_mirror()

    def defaults(self) -> dict[str, str]:
        return {"CloudType": "OPENSTACK", **self.cloud.options(self.project), "Terraform_MaxRetries": "1"}

    @property
    def rig(self) -> Rig:
        """The cloud, where it is the rig."""
        assert isinstance(self.cloud, Rig)
        return self.cloud

    def through_front(self) -> None:
        """Go through the region that counts every request."""
        self.configure(
            Driver_ex_force_auth_url=self.rig.env["RIG_FRONT_AUTH_URL"].removesuffix("/v3"),
            Driver_ex_force_service_region=self.rig.env["RIG_FRONT_REGION"],
        )

    # -- the cloud, from the side ---------------------------------------------------------------------------

    @property
    def api(self) -> Api:
        """The project's API."""
        return self.cloud.api(self.project)

    def servers(self) -> dict[str, dict[str, Any]]:
        """Nova's servers of this CE and queue by id; those on their way out left out."""
        return {
            server["id"]: server
            for server in self.api.servers()
            if (server["metadata"].get("tfce_ce"), server["metadata"].get("tfce_queue")) == (self.ce, self.queue)
            and server["OS-EXT-STS:task_state"] != "deleting"
            and server["status"] != "DELETED"
        }

    def instances(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        return {node: (server["status"], tags(server)) for node, server in self.servers().items()}

    # -- as the contract tests' edge wants it ----------------------------------------------------------------

    def everything(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        """Every VM of this CE that is not gone, and the strangers that a test made: state and tags by id."""
        found: dict[str, tuple[str, Mapping[str, str]]] = {}
        for server in self.api.servers():
            mine = server["metadata"].get("tfce_ce") == self.ce or server["id"] in self.strangers
            if mine and server["status"] != "DELETED" and server["OS-EXT-STS:task_state"] != "deleting":
                found[server["id"]] = (server["status"], {**tags(server), "Name": server["name"]})
        return found

    def stranger(self, tags: Mapping[str, str]) -> str:
        """A VM that tfce did not make."""
        metadata = {k.replace("tfce:", "tfce_"): v for k, v in tags.items() if k != "Name"}
        self.strangers.append(self.api.boot(tags["Name"], metadata))
        return self.strangers[-1]

    def do(self, action: str, node_id: str) -> None:
        """StopInstances or TerminateInstances, in EC2's words."""
        if action == "TerminateInstances":
            self.api.delete(node_id)
            until(lambda: node_id not in self.everything(), f"{node_id} is gone")
            return
        until(lambda: self.everything()[node_id][0] == "ACTIVE", f"{node_id} is up")
        self.api.act(node_id, "os-stop")
        until(lambda: self.everything()[node_id][0] == "SHUTOFF", f"{node_id} is off")

    # -- one VM ----------------------------------------------------------------------------------------------

    def server(self, reference: str) -> dict[str, Any]:
        """One of the queue's servers."""
        return self.servers()[node(reference)]

    def power_off(self, reference: str) -> None:
        """Stop a VM, as its pilot does when it ends."""
        self.api.act(node(reference), "os-stop")
        self.becomes(reference, "SHUTOFF")

    def becomes(self, reference: str, status: str) -> None:
        """Wait until nova says ``status`` of a VM."""
        until(lambda: self.server(reference)["status"] == status, f"{reference} is {status}")

    def break_down(self, reference: str) -> None:
        """Let an administrator put a VM into ERROR."""
        self.rig.admin.act(node(reference), "os-resetState", {"state": "error"})

    def metadata(self, **changes: str) -> dict[str, str]:
        """What a VM of this queue has, with ``changes``."""
        owner = self.parts().workspace.owner()
        values = dict(zip(KEYS, (owner.installation, self.ce, self.queue, "0A1B2C3D"), strict=True))
        return values | changes

    def clean(self) -> None:
        """Delete every server of this CE, whichever queue's."""
        for server in self.api.servers():
            if server["metadata"].get("tfce_ce") == self.ce or server["id"] in self.strangers:
                self.api.delete(server["id"])


def tags(server: dict[str, Any]) -> dict[str, str]:
    """A server's metadata in the words of all clouds, with its pilot's key."""
    given = {name.replace("tfce_", "tfce:"): value for name, value in server["metadata"].items()}
    suffix = re.search(r"-(\d+)$", server["name"].partition(given.get("tfce:batch", "\0"))[2])
    return keyed(given, int(suffix.group(1)) - 1 if suffix else 0)


def many_options(rig: Rig) -> dict[str, str]:
    """Options that shape a VM in every way that the rig knows."""
    return {
        "Instance_Networks": f"name:my_public_net,{rig.env['RIG_MY_PRIVATE_NET_ID']}",
        "Instance_SSHKey": "name:mysshkey",
        "Instance_Flavor": rig.env["RIG_FLAVOR_SMALL_ID"],
        "Terraform_Tags": "owner=grid",
        "Terraform_SecurityGroups": "name:default",
    }


def made_of_many_options(site: OpenStackSite, reference: str) -> None:
    """A VM is as ``many_options`` say."""
    env, server = site.rig.env, site.server(reference)
    assert server["config_drive"] == "True" and server["key_name"] == "mysshkey"
    assert (server["flavor"]["id"], server["image"]["id"]) == (env["RIG_FLAVOR_SMALL_ID"], env["RIG_IMAGE_ID"])
    assert server["metadata"].items() >= {"owner": "grid", "tfce_ce": site.ce, "tfce_queue": "long"}.items()
    interfaces = site.api.ask("GET", "compute", f"/servers/{node(reference)}/os-interface")
    networks = {one["net_id"] for one in interfaces["interfaceAttachments"]}
    assert networks == {env["RIG_MY_PUBLIC_NET_ID"], env["RIG_MY_PRIVATE_NET_ID"]}


def node(reference: str) -> str:
    """The instance id in a reference."""
    return reference.removeprefix("cloud://")
