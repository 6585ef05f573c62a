"""Many pilots that run already, quickly: their VMs are made from the side, then written into record and state as
if earlier submissions had made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from tests.checking import state_file, until
from tests.e2e.openstack.cloud import OpenStackSite, node
from tests.site import AnySite, Site
from tfce.app import Parts
from tfce.model.pilot import Batch, Pilot, fresh_batches, fresh_keys, numbered_key, timestamp

LARGEST = 100  # VMs in one request
_TAGS = "TagSpecification.1"
Maker = Callable[[Parts, int], dict[str, str]]


def populate(site: AnySite, count: int) -> None:
    """Let ``count`` pilots of a queue run, whichever module serves it."""
    parts = site.parts()
    if not (parts.workspace.exists and len(parts.workspace.load().pilots)) and site.submit(1).code:
        raise SystemExit("the first pilot could not be made")
    make: Maker = _on_openstack(site) if isinstance(site, OpenStackSite) else _on_ec2(site)  # type: ignore[arg-type]
    while (missing := count - len(parts.workspace.load().pilots)) > 0:
        made = make(parts, min(missing, LARGEST))
        if not made:
            raise SystemExit(f"{site.name}: none of {missing} VMs came up")
        _enlist(site, parts, made)


@contextmanager
def unchanged(site: AnySite) -> Iterator[None]:
    """As many pilots afterwards as before: those that were submitted are killed again, and gone."""
    before = set(site.parts().workspace.load().pilots)
    yield
    new = [pilot["reference"] for pilot in site.status() if pilot["stamp"] not in before]
    done = site.run("kill", site.name, *new) if new else None
    if done and done.code:
        raise SystemExit(f"kill ended with {done.code}: {done.err}")
    if isinstance(site, OpenStackSite):
        until(lambda: not any(site.api.has(node(one)) for one in new), "they are gone", 900, pause=2)


def _enlist(site: AnySite, parts: Parts, ids: dict[str, str]) -> None:
    """Write pilots into state and record: key to instance id."""
    now = datetime.now(UTC).replace(microsecond=0)
    path = state_file(site)
    state = json.loads(path.read_text())
    types = ("tfce_pilots", "aws_instance", "openstack_compute_instance_v2")
    (resource,) = (r for r in state["resources"] if r["mode"] == "managed" and r["type"] in types)
    model = resource["instances"][0]
    if resource["type"] == "tfce_pilots":
        model["attributes"]["ids"] |= ids
        model["attributes"]["pilots"] |= dict.fromkeys(ids, timestamp(now))
    else:
        text, key, node = json.dumps(model), model["index_key"], model["attributes"]["id"]
        resource["instances"] += [json.loads(text.replace(key, k).replace(node, n)) for k, n in ids.items()]
    state["serial"] += 1
    path.write_text(json.dumps(state))
    record = parts.workspace.load()
    parts.workspace.save(record.including(Pilot(key, now, "bench", node) for key, node in ids.items()))


def _fresh(parts: Parts, count: int) -> Iterator[Batch]:
    return iter(fresh_batches(count, LARGEST, parts.workspace.load().pilots))


# -- EC2 -------------------------------------------------------------------------------------------------------


def _on_ec2(site: Site) -> Maker:
    def together(parts: Parts, count: int) -> dict[str, str]:
        (batch,) = _fresh(parts, count)
        tags = {**parts.workspace.owner().tags(), "tfce:batch": batch.name, "Name": f"tfce-{batch.name}"}
        given = {"ImageId": "ami-1e749f67", "InstanceType": "t3.micro"}
        given |= {"MinCount": str(count), "MaxCount": str(count), f"{_TAGS}.ResourceType": "instance"}
        for number, (name, value) in enumerate(tags.items(), 1):
            given |= {f"{_TAGS}.Tag.{number}.Key": name, f"{_TAGS}.Tag.{number}.Value": value}
        items = site.emulator.call("RunInstances", **given).iterfind("instancesSet/item")
        number_of = {item.findtext("instanceId", ""): int(item.findtext("amiLaunchIndex", "0")) for item in items}
        return {numbered_key(batch.name, number): node for node, number in number_of.items()}

    def one_by_one(parts: Parts, count: int) -> dict[str, str]:
        tags = parts.workspace.owner().tags()
        keys = fresh_keys(count, parts.workspace.load().pilots)
        return {key: site.stranger({**tags, "tfce:key": key, "Name": f"tfce-{key}"}) for key in keys}

    return together if parts_are_bulk(site) else one_by_one


def parts_are_bulk(site: AnySite) -> bool:
    """Whether tfce's own provider serves the queue."""
    return site.parts().terraform.module.bulk


# -- OpenStack -------------------------------------------------------------------------------------------------


def servers(site: OpenStackSite, count: int) -> list[str]:
    """``count`` servers with the queue's metadata, made without tfce; a poll needs no more. Their ids."""
    made: list[str] = []
    while len(made) < count:
        made += together(site, Batch.parse(f"{fresh_keys(1, ())[0]}-{min(count - len(made), LARGEST)}")).values()
    return made


def _on_openstack(site: OpenStackSite) -> Maker:
    def batch(parts: Parts, count: int) -> dict[str, str]:
        return together(site, next(_fresh(parts, count)))

    def one_by_one(parts: Parts, count: int) -> dict[str, str]:
        keys = fresh_keys(count, parts.workspace.load().pilots)

        def boot(key: str) -> str:
            return _post(site, {"name": f"tfce-{key}", "metadata": site.metadata(tfce_key=key)})

        with ThreadPoolExecutor(4) as pool:
            made = dict(zip(keys, pool.map(boot, keys), strict=True))
        up = {server["id"] for server in _up(site, "tfce-")}
        return {key: node for key, node in made.items() if node in up}

    return batch if parts_are_bulk(site) else one_by_one


def together(site: OpenStackSite, batch: Batch | None) -> dict[str, str]:
    """The VMs of one batch, by key."""
    assert batch
    metadata = {k: v for k, v in site.metadata(tfce_batch=batch.name).items() if k != "tfce_key"}
    name = f"tfce-{batch.name}"
    _post(site, {"name": name, "metadata": metadata, "min_count": batch.size, "max_count": batch.size})
    # Nova appends the number, from 1, unless it makes one server only.
    numbers = {server["id"]: int(server["name"].removeprefix(name)[1:] or 1) - 1 for server in _up(site, name)}
    return {numbered_key(batch.name, number): node for node, number in numbers.items()}


def _post(site: OpenStackSite, server: dict[str, object]) -> str:
    """Ask for servers without a network, which takes nova a third of the time."""
    fixed = {
        "imageRef": site.rig.env["RIG_IMAGE_ID"],
        "flavorRef": site.rig.env["RIG_FLAVOR_TINY_ID"],
        "networks": "none",
    }
    headers = {"OpenStack-API-Version": "compute 2.37"}
    answer = site.api.ask("POST", "compute", "/servers", {"server": {**fixed, **server}}, headers=headers)
    return str(answer["server"]["id"])


def _up(site: OpenStackSite, name: str) -> list[dict[str, str]]:
    """The servers whose names begin with this, once nova builds none any more; failed ones are deleted."""
    settled(site)
    found, marker = [], ""
    while page := site.api.ask("GET", "compute", f"/servers/detail?limit=1000&name=^{name}{marker}")["servers"]:
        found += page
        marker = f"&marker={page[-1]['id']}"
    for server in found:
        if server["status"] == "ERROR":
            site.api.delete(server["id"])
    return [server for server in found if server["status"] == "ACTIVE"]


def settled(site: OpenStackSite) -> None:
    """Wait until no server is being built, without keeping nova busy: it is one process, which builds a few VMs a
    second at best."""
    until(lambda: not site.api.building(), "all VMs are built", patience=1800, pause=2)
