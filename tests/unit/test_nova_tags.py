"""A nova that drops the metadata of a batch that it makes."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest

from tfce.cloud.limits import RequestLimits
from tfce.cloud.openstack.create import create, create_batch, granted
from tfce.cloud.openstack.login import SharedLogin
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.vm import Owner

OWNER = Owner("site", "cloud.example.org", "long")
SHAPE = Shape(OWNER, "tfce-", "image", "flavor")
BATCH = Batch("0000000A", 2)


class Nova:
    """A session with a nova that keeps no metadata at creation; ``takes``: whether it does later, ``removes``:
    whether it lets servers go. ``keeps``: it is well."""

    def __init__(self, takes: bool = True, removes: bool = True, keeps: bool = False) -> None:
        self.calls: Counter[str] = Counter()
        self.login = SharedLogin()
        self.cloud_time = None
        self.limits = RequestLimits()
        self._takes, self._removes, self._keeps = takes, removes, keeps
        self.servers: dict[str, dict[str, Any]] = {}

    def ask(self, asking: str, path: str, params: object = None, **how: Any) -> Any:
        method = how.get("method", "GET")
        self.calls[method] += 1
        if method == "GET" and path != "/servers/detail":
            return {"server": self.servers[path.rpartition("/")[2]]}
        if method == "GET":
            return {"servers": list(self.servers.values())}
        if method == "DELETE":
            return self._gone(path)
        if path.endswith("/metadata"):
            return self._tagged(path, how["data"]["metadata"])
        if "max_count" not in how["data"]["server"]:
            number = len(self.servers) + 1
            self.servers[f"vm-{number}"] = self._made(number)
            return {"server": {"id": f"vm-{number}"}}
        self.servers = {one["id"]: one for one in map(self._made, (1, 2))}
        return {"server": {"id": "vm-1"}}

    def clone(self) -> Nova:
        """Another connection to the same servers."""
        other = copy.copy(self)
        other.calls = Counter()
        return other

    def _made(self, number: int) -> dict[str, Any]:
        name = f"tfce-0000000A-{number}"
        return {
            "id": f"vm-{number}",
            "name": name,
            "status": "BUILD",
            "metadata": {"tfce_ce": "x"} if self._keeps else {},
            "tenant_id": "p1",
        }

    def _gone(self, path: str) -> None:
        if not self._removes:
            raise CloudError("it is locked")
        del self.servers[path.rpartition("/")[2]]

    def _tagged(self, path: str, metadata: dict[str, str]) -> None:
        if not self._takes:
            raise CloudError("Maximum number of metadata items exceeds 0")
        self.servers[path.split("/")[2]]["metadata"] = metadata


def made(nova: Nova) -> dict[str, str | None]:
    create_batch(nova, SHAPE, BATCH, "#!/bin/sh")  # type: ignore[arg-type]
    return {vm.id: vm.key for vm in granted(nova, SHAPE, [BATCH])}  # type: ignore[arg-type]


def test_metadata_that_nova_dropped_are_given_again() -> None:
    nova = Nova()
    assert made(nova) == dict(zip(("vm-1", "vm-2"), BATCH.keys, strict=True))
    assert {one["metadata"]["tfce_batch"] for one in nova.servers.values()} == {"0000000A"}


def test_servers_that_take_no_metadata_go() -> None:
    nova = Nova(takes=False)
    assert made(nova) == {} and nova.servers == {}


def test_servers_without_metadata_that_do_not_go_are_known_by_their_ids() -> None:
    assert made(Nova(takes=False, removes=False)) == dict(zip(("vm-1", "vm-2"), BATCH.keys, strict=True))


def test_a_single_server_that_nova_made_without_metadata_is_noticed_at_once() -> None:
    nova = Nova()
    for key in ("0000000A", "0000000B"):
        made = create(nova, SHAPE, key, "#!/bin/sh")  # type: ignore[arg-type]
        assert nova.servers[made]["metadata"]["tfce_key"] == key


def test_a_single_server_that_takes_no_metadata_goes() -> None:
    nova = Nova(takes=False)
    with pytest.raises(CloudError, match="takes no metadata"):
        create(nova, SHAPE, "0000000A", "#!/bin/sh")  # type: ignore[arg-type]
    assert nova.servers == {}


def test_a_single_server_without_metadata_that_does_not_go_is_known_by_its_id() -> None:
    nova = Nova(takes=False, removes=False)
    assert create(nova, SHAPE, "0000000A", "#!/bin/sh") in nova.servers  # type: ignore[arg-type]


def test_where_nova_keeps_metadata_one_server_of_a_login_is_looked_at() -> None:
    nova = Nova(keeps=True)
    for key in ("0000000A", "0000000B", "0000000C"):
        create(nova, SHAPE, key, "#!/bin/sh")  # type: ignore[arg-type]
    assert nova.calls == {"POST": 3, "GET": 1}


@pytest.mark.parametrize("keeps", [True, False])
def test_a_strangers_server_is_left_alone(keeps: bool) -> None:
    nova = Nova(takes=keeps)
    stranger = {"id": "vm-9", "name": "tfce-0000000A-3", "status": "ACTIVE", "metadata": {"tfce_ce": "other"}}
    start = nova._made
    nova._made = lambda number: stranger if number == 2 else start(number)  # type: ignore[method-assign]
    made(nova)
    assert stranger["metadata"] == {"tfce_ce": "other"} and stranger in nova.servers.values()
