"""The one place that knows which class serves which cloud."""

from __future__ import annotations

from collections.abc import Callable

from tfce.cloud.api import Cloud
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model.reasons import Reason


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


def explanations(endpoint: Endpoint) -> Callable[[str], Reason]:
    """What tells the reason in a text that holds a code of the API at ``endpoint``. Loads no libcloud."""
    if endpoint.cloud == "OPENSTACK":
        from tfce.cloud.openstack.errors import reason_of_message
    elif endpoint.cloud == "EC2":
        from tfce.cloud.ec2.errors import reason_of_message
    else:
        from tfce.cloud.generic.errors import reason_of_message
    return reason_of_message
