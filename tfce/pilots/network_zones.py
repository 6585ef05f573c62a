"""In which zones a queue's networks are: asked for once, where several of both are named."""

from __future__ import annotations

from tfce.config.offerings import needs_network_zones, offerings
from tfce.model.errors import ConfigError
from tfce.pilots.services import Services


def looked_up(services: Services) -> None:
    """Let the workspace know where the networks of the options are. Raises ``ConfigError`` where none is in any of
    the zones."""
    queue, workspace = services.queue, services.workspace
    shape, known = queue.shape, workspace.network_zones.read()
    if not needs_network_zones(queue):
        return
    missing = [network for network in shape.networks if network not in known]
    known = {**known, **(services.cloud.network_zones(missing) if missing else {})}
    if not offerings(queue, known):
        there = ", ".join(f"{network} in {known[network] or '?'}" for network in shape.networks)
        cure = f"name a zone that has one: {there}"
        problem = "none of Instance_Networks is there"
        raise ConfigError("Terraform_AvailabilityZone", ", ".join(shape.zones), problem, cure)
    workspace.network_zones.write({network: known[network] for network in shape.networks if known[network]})
