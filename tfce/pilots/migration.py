"""From CloudCE to tfce: which VMs it left, and how SiteDirector comes to poll their pilots again."""

from __future__ import annotations

from tfce.cloud.api import Cloud
from tfce.model.errors import ConfigError
from tfce.model.vm import VM, State
from tfce.store.workspace import Workspace


def left_over(workspace: Workspace, cloud: Cloud) -> list[VM]:
    """The VMs that Workspace_AdoptPrefix names and that are not gone. Raises ``ConfigError`` if it is unset."""
    if not workspace.queue.workspace.adopt_prefix:
        raise ConfigError(
            "Workspace_AdoptPrefix", "", "is not set", "set it to the start of the VMs' names: VMDIRAC3_"
        )
    owner = workspace.any_installation()
    return [vm for vm in cloud.vms(owner) if owner.left_over(vm) and vm.state is not State.DELETED]


def statement(ce: str) -> str:
    """SQL for PilotAgentsDB: the CE's living pilots become Terraform's. SiteDirector only polls pilots whose
    GridType is the CEType of the queue they are in."""
    literal = ce.replace("\\", "\\\\").replace("'", "''")
    living = "'Submitted', 'Waiting', 'Scheduled', 'Running', 'Unknown'"
    return (
        "UPDATE PilotAgents SET GridType = 'Terraform' "  # noqa: S608  for a person to read and run
        f"WHERE GridType = 'Cloud' AND DestinationSite = '{literal}' AND Status IN ({living});"
    )
