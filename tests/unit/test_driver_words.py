"""Driver options that do nothing: which these are for the clouds that tfce knows, and who says so."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from libcloud.compute.drivers.ec2 import EC2NodeDriver
from libcloud.compute.drivers.openstack import OpenStack_2_NodeDriver

from tests.claims import every
from tfce.config import clouds

DRIVERS = {"EC2": EC2NodeDriver, "OPENSTACK": OpenStack_2_NodeDriver}
LOGIN = {"self", "key", "secret", "user_id", "url", "args", "kwargs", "auth_url"}


def named(cls: type[Any]) -> Iterator[str]:
    """The arguments of a driver and of its connection; `**kwargs` are not among them."""
    for base in (*cls.__mro__, *cls.connectionCls.__mro__):
        if "__init__" in vars(base) and base is not object:
            yield from inspect.signature(base.__init__).parameters


@pytest.mark.parametrize("cloud", DRIVERS)
def test_every_argument_that_libcloud_names_is_known(cloud: str) -> None:
    kind = clouds.kind_of(cloud)
    found = set(named(DRIVERS[cloud])) - LOGIN
    assert found and found <= kind.arguments | {"path"}


@pytest.mark.parametrize(
    ("cloud", "name", "cure"),
    [
        ("EC2", "hots", "did you mean Driver_host? else take it out"),
        ("EC2", "zzz", "take it out"),
        ("OPENSTACK", "ex_force_auth_versoin", "did you mean Driver_ex_force_auth_version? else take it out"),
    ],
)
def test_a_slip_is_named_without_its_value(cloud: str, name: str, cure: str) -> None:
    (fault,) = clouds.kind_of(cloud).ignored({name: "PLANTED", "timeout": 5})
    assert (fault.option, fault.cure) == (f"Driver_{name}", cure) and "PLANTED" not in str(fault)


def test_of_a_class_of_ones_own_nobody_knows() -> None:
    kinds = [clouds.kind_of(name) for name in ("site.drivers.Mine", "CLOUDSTACK")]
    assert every(kind.ignored({"anything": "1"}) == [] for kind in kinds)
