"""What a list costs with and without the cloud's own filters: `python -m benchmarks.filters`.

Ten VMs of a queue beside 10 and 1000 of strangers, on emulated EC2 (moto), on the rig's OpenStack and on a nova of
our own. Each way is tfce's own list with other parameters; a wire counts the bytes, both ways.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measure import numbers
from tests.checking import until
from tests.e2e.openstack.api import Api
from tests.e2e.openstack.rig import Rig, running
from tests.rigs.localstack import Moto
from tests.rigs.smallstack import SmallStack
from tests.rigs.wire import Wire
from tests.site import SECRET
from tfce.cloud.ec2 import vms as ec2
from tfce.cloud.ec2.session import Session as Ec2
from tfce.cloud.listing import Listing
from tfce.cloud.openstack import vms as openstack
from tfce.cloud.openstack.session import Session as OpenStack
from tfce.config.credentials import Credentials
from tfce.config.endpoint import Endpoint
from tfce.config.options import parse
from tfce.model.vm import Owner

OWNER = Owner("bench", "ce.example.org", "filters")
OWN, PREFIX, TAG = 10, "tfce-", "tfce"
_KEYS = [f"{number:08X}" for number in range(OWN)]
_HEADERS = {"OpenStack-API-Version": "compute 2.37"}  # that knows servers without a network
_FORM = {"Instance_Image": "-", "Instance_Flavor": "-"}


@dataclass
class Ways:
    """How VMs may be listed, by name; all through ``wire``. ``calls``: requests so far."""

    wire: Wire
    ways: Mapping[str, Callable[[], Listing]]
    calls: Callable[[], int]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def measure(self, cloud: str, strangers: int, rounds: int) -> list[dict[str, Any]]:
        """Each way in turns."""
        taken: dict[str, list[tuple[float, float, int, int]]] = {way: [] for way in self.ways}
        for way in [*self.ways, *(way for _ in range(rounds) for way in self.ways)]:
            taken[way].append(self._once(way))
        rows = []
        for way, all_of in taken.items():
            seconds, cpu, asked, sent = zip(*all_of[1:], strict=True)  # the first one connects
            figures = {"seconds": round(median(seconds), 3), "cpu": round(median(cpu), 3)}
            rows.append({"cloud": cloud, "strangers": strangers, "way": way, **figures})
            rows[-1] |= {"requests": max(asked), "bytes": max(sent)}
            print(rows[-1], flush=True)
        return rows

    def _once(self, way: str) -> tuple[float, float, int, int]:
        calls, sent, begun, cpu = self.calls(), self.wire.sent, time.monotonic(), time.process_time()
        listing = self.ways[way]()
        taken = time.monotonic() - begun, time.process_time() - cpu
        assert sorted(vm.key or "" for vm in listing if OWNER.owns(vm)) == _KEYS, (way, listing)
        return *taken, self.calls() - calls, self.wire.sent - sent


# -- EC2 -------------------------------------------------------------------------------------------------------


def _of_ec2(counts: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    with Moto() as cloud, Wire(cloud.port) as wire:
        session = Ec2(_endpoint("EC2", Driver_host="127.0.0.1", Driver_port=str(wire.port), Driver_secure="no"),
                      Credentials("k", SECRET))  # fmt: skip
        for key in _KEYS:
            _run(cloud, 1, {**OWNER.tags(), "tfce:key": key, "Name": PREFIX + key})
        ways = Ways(
            wire,
            {
                "all": lambda: ec2.listed(session, [ec2.PAGE]),
                "by tags (what tfce does)": lambda: ec2.owned(session, [OWNER]),
            },
            lambda: sum(session.calls.values()),
        )
        there = 0
        for count in counts:
            while there < count:
                some = min(100, count - there)
                _run(cloud, some, {"Name": "web"})
                there += some
            yield from ways.measure("moto", count, rounds)


def _run(cloud: Moto, count: int, tags: Mapping[str, str]) -> None:
    given = {"ImageId": "ami-1e749f67", "InstanceType": "t3.micro", "MinCount": str(count), "MaxCount": str(count)}
    given["TagSpecification.1.ResourceType"] = "instance"
    for number, (name, value) in enumerate(tags.items(), 1):
        given |= {f"TagSpecification.1.Tag.{number}.Key": name, f"TagSpecification.1.Tag.{number}.Value": value}
    cloud.call("RunInstances", **given)


# -- OpenStack -------------------------------------------------------------------------------------------------


def _ways(wire: Wire, url: str, secret: str, **options: str) -> Ways:
    """The ways of a nova at the wire's end; keystone at ``url``."""
    options |= {"Driver_ex_force_auth_url": url, "Driver_ex_force_base_url": f"http://127.0.0.1:{wire.port}/v2.1"}
    endpoint, newer = (_endpoint("OPENSTACK", **options, **more) for more in ({}, _NEWER))
    plain, tagged = (OpenStack(one, Credentials("demo", secret)) for one in (endpoint, newer))

    def by(session: OpenStack, **search: str) -> Callable[[], Listing]:
        return lambda: openstack.owned(session, [OWNER], search)

    ways = {
        "all (what tfce does)": by(plain),
        "by the start of the name": by(plain, name=f"^{PREFIX}"),
        "by server tag": by(tagged, tags=TAG),
    }
    return Ways(wire, ways, lambda: sum(plain.calls.values()) + sum(tagged.calls.values()))


_NEWER = {"Driver_ex_force_microversion": "2.26"}  # whose lists know tags


def _of_rig(counts: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    with running() as rig, Wire(urlsplit(rig.api().url("compute")).port or 0) as wire, _forgetting(rig):
        api = rig.api("clouduser")
        options = {k: v for k, v in rig.options("clouduser").items() if k.startswith("Driver_")}
        url, secret = options.pop("Driver_ex_force_auth_url"), rig.env["OS_PASSWORD"]
        ways = _ways(wire, url, secret, **options)
        model = _boot(rig, api, "web", {})
        until(lambda: not api.building(), "the model is built")
        there = 1
        for count in counts:
            _copied(rig, model, count - there)
            there = count
            if count == counts[0]:
                _own(rig, api)
            yield from ways.measure("OpenStack (rig)", count, rounds)


def _own(rig: Rig, api: Api) -> None:
    made = [_boot(rig, api, PREFIX + key, {**_underscored(OWNER.tags()), "tfce_key": key}) for key in _KEYS]
    until(lambda: not api.building(), "all VMs are built")  # before, nova takes no tags
    for own in made:
        api.ask("PUT", "compute", f"/servers/{own}/tags", {"tags": [TAG]}, headers=_HEADERS)


@contextmanager
def _forgetting(rig: Rig) -> Iterator[None]:
    """Nothing of what was made stays."""
    try:
        yield
    finally:
        rig.verb("up", "--fresh", patience=600)


def _copied(rig: Rig, model: str, count: int) -> None:
    """Servers like ``model``, written into nova's database: to build 1000 would take it five minutes."""
    folder, new = Path(rig.env["RIG_REQUESTS_LOG"]).parents[1] / "db", [str(uuid.uuid4()) for _ in range(count)]
    for name, tables in _OF_A_SERVER.items():
        with closing(sqlite3.connect(folder / f"{name}.sqlite", timeout=30)) as database, database:
            for table in tables:
                _copied_rows(database, table, model, new)


def _copied_rows(database: sqlite3.Connection, table: str, model: str, new: list[str]) -> None:
    column = "uuid" if table == "instances" else "instance_uuid"
    known = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    others = ", ".join(name for name in known if name not in ("id", column))
    copy = f"INSERT INTO {table} ({column}, {others}) SELECT ?, {others} FROM {table} WHERE {column} = ?"
    database.executemany(copy, [(one, model) for one in new])


_OF_A_SERVER = {
    "nova_api": ["instance_mappings"],
    "nova": [
        "instances",
        *(f"instance_{what}" for what in ("info_caches", "metadata", "system_metadata", "extra")),
    ],
}


def _boot(rig: Rig, api: Api, name: str, metadata: dict[str, str]) -> str:
    """A server without a network, which takes nova a third of the time; its id."""
    form = {"imageRef": rig.env["RIG_IMAGE_ID"], "flavorRef": rig.env["RIG_FLAVOR_TINY_ID"], "networks": "none"}
    wanted = {"server": {**form, "name": name, "metadata": metadata}}
    return str(api.ask("POST", "compute", "/servers", wanted, headers=_HEADERS)["server"]["id"])


def _of_small(counts: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    with SmallStack() as cloud, Wire(cloud.port) as wire:
        options = {"Driver_ex_tenant_name": "project", "Driver_ex_force_service_region": "RegionOne"}
        ways = _ways(wire, cloud.url, SECRET, **options)
        ways.ways = {name: way for name, way in ways.ways.items() if name.startswith(("all", "by the start"))}
        for number, key in enumerate(_KEYS):
            _add(cloud, f"own-{number}", PREFIX + key, {**_underscored(OWNER.tags()), "tfce_key": key})
        for count in counts:
            for number in range(count):
                _add(cloud, f"other-{number}", "web", {})
            yield from ways.measure("a nova of our own", count, rounds)


def _add(cloud: SmallStack, server_id: str, name: str, metadata: Mapping[str, str]) -> None:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    facts = {"id": server_id, "name": name, "status": "ACTIVE", "created": now, "updated": now}
    cloud.servers[server_id] = {**facts, "metadata": metadata, "OS-EXT-STS:task_state": None}


def _underscored(tags: Mapping[str, str]) -> dict[str, str]:
    return {name.replace(":", "_"): value for name, value in tags.items()}


def _endpoint(cloud: str, **options: str) -> Endpoint:
    return parse("ce", "q", {"CloudType": cloud, **_FORM, **options}, Path("/none"), Path("/none")).endpoint


_CLOUDS = {"small": _of_small, "moto": _of_ec2, "openstack": _of_rig}


def main() -> None:
    """Measure; every row is printed, all are written down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--strangers", default="10,1000", help="VMs of others")
    parser.add_argument("--rounds", type=int, default=5, help="lists of each kind")
    parser.add_argument("--clouds", default=",".join(_CLOUDS), help="where")
    given = parser.parse_args()
    rows = [
        {**row, "load": round(os.getloadavg()[0], 1)}
        for cloud in given.clouds.split(",")
        for row in _CLOUDS[cloud](numbers(given.strangers), given.rounds)
    ]
    path = Path(__file__).parent / "results" / f"filters-{time.strftime('%Y-%m-%d', time.gmtime())}.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
