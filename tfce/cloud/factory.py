"""The one place that knows which class serves which cloud."""

from __future__ import annotations

from tfce.cloud.api import Cloud
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint


def connect(endpoint: Endpoint, credentials: Credentials) -> Cloud:
    """The cloud at ``endpoint``. Nothing is asked of it yet. libcloud is heavy: it is loaded only here.

    Raises ``ConfigError`` for a cloud in which tfce cannot start pilots."""
    if endpoint.cloud == "OPENSTACK":
        from tfce.cloud.openstack.cloud import OpenStack

        return OpenStack(endpoint, credentials)
    if endpoint.cloud == "EC2":
        from tfce.cloud.ec2.cloud import Ec2

        return Ec2(endpoint, credentials)
    from tfce.cloud.generic.cloud import Generic

    return Generic(endpoint, credentials)
