"""What each kind of cloud declares of itself: one module for each that tfce has code of its own for. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tfce.config.clouds import others
from tfce.config.clouds.ec2 import Ec2
from tfce.config.clouds.kind import CloudKind
from tfce.config.clouds.openstack import OpenStack

__all__ = ["TYPES", "CloudKind", "kind_of"]

_OWN: tuple[CloudKind, ...] = (OpenStack(), Ec2())
# The CloudTypes that tfce has code of its own for.
TYPES: Mapping[str, CloudKind] = {name: kind for kind in _OWN for name in kind.types}
_NAMED: Mapping[str, CloudKind] = {**others.KINDS, **{kind.name: kind for kind in _OWN}}
_ANY = CloudKind()


def kind_of(cloud: str) -> CloudKind:
    """The rules of the cloud of this name (``Endpoint.cloud``)."""
    return _NAMED.get(cloud, _ANY)
