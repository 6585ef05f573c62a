"""The one place that knows which class serves which cloud. libcloud is heavy: it is loaded when one is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tfce.cloud.api import Cloud
from tfce.config import environment
from tfce.config.clouds import ec2, openstack
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.model.reasons import Reason


def connect(endpoint: Endpoint, credentials: Credentials) -> Cloud:
    """The cloud at ``endpoint``. Nothing is asked of it yet.

    Raises ``ConfigError`` for a cloud in which tfce cannot start pilots, and in an environment in which libcloud
    cannot be loaded."""
    environment.check_cloud()
    return _CLOUDS.get(endpoint.cloud, _generic)(endpoint, credentials)


def explanations(endpoint: Endpoint) -> Callable[[str], Reason]:
    """What tells the reason in a text that holds a code of the API at ``endpoint``. Loads no libcloud."""
    return _REASONS.get(endpoint.cloud, _generic_reasons)()


def _openstack(endpoint: Endpoint, credentials: Credentials) -> Cloud:
    from tfce.cloud.openstack.cloud import OpenStack

    return OpenStack(endpoint, credentials)


def _ec2(endpoint: Endpoint, credentials: Credentials) -> Cloud:
    from tfce.cloud.ec2.cloud import Ec2

    return Ec2(endpoint, credentials)


def _generic(endpoint: Endpoint, credentials: Credentials) -> Cloud:
    from tfce.cloud.generic.cloud import Generic

    return Generic(endpoint, credentials)


def _openstack_reasons() -> Callable[[str], Reason]:
    from tfce.cloud.openstack.errors import reason_of_message

    return reason_of_message


def _ec2_reasons() -> Callable[[str], Reason]:
    from tfce.cloud.ec2.errors import reason_of_message

    return reason_of_message


def _generic_reasons() -> Callable[[str], Reason]:
    from tfce.cloud.generic.errors import reason_of_message

    return reason_of_message


_CLOUDS: Mapping[str, Callable[[Endpoint, Credentials], Cloud]] = {openstack.NAME: _openstack, ec2.NAME: _ec2}
_REASONS: Mapping[str, Callable[[], Callable[[str], Reason]]] = {
    openstack.NAME: _openstack_reasons,
    ec2.NAME: _ec2_reasons,
}
