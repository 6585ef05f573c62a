"""What a cycle costs on EC2, beside DIRAC's own way of doing it: `make bench`, or `python -m benchmarks.ec2`.

An emulated EC2 (moto) answers through a proxy that counts every request and can delay each of them. For each
number of pilots that already exist, `tfce submit`, a poll of all of them and `tfce reap` are run as an operator
would run them; the same work is done the way DIRAC's CloudComputingElement does it with libcloud: image, then one
create after the other, one GET for each pilot, one list and one destroy after the other. Memory is the largest sum
of resident memory of tfce, Terraform and its providers, looked at 20 times a second.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from libcloud.compute.base import NodeImage, NodeSize
from libcloud.compute.drivers.ec2 import EC2NodeDriver

from benchmarks.measure import Asked, markdown, measured, run
from tests.rigs.localstack import Emulator, Moto
from tests.rigs.proxy import Proxy
from tests.site import Site
from tfce.cli import table
from tfce.node import pilot_key
from tfce.roster import Pilot, fresh_keys

IMAGE, FLAVOR = "ami-1e749f67", "t3.micro"


def asked(proxy: Proxy) -> Asked:
    """How many requests went through ``proxy`` so far."""
    return lambda: sum(proxy.counts().values())


def populate(site: Site, count: int) -> None:
    """Let ``count`` pilots exist, in cloud, state and roster, as if earlier cycles had made them."""
    parts = site.parts()
    if not parts.workspace.exists and site.submit(1).code:
        raise SystemExit("the first pilot could not be made")
    owner, now = parts.workspace.owner(), datetime.now(UTC).replace(microsecond=0)
    roster = parts.workspace.roster()
    ids = {}
    for key in fresh_keys(count - len(roster), roster.pilots):
        ids[key] = site.stranger({**owner.tags(), "tfce:key": key, "Name": f"tfce-{key}"})
    (state_file,) = site.private.glob("terraform.tfstate.d/*/terraform.tfstate")
    state = json.loads(state_file.read_text())
    (resource,) = (r for r in state["resources"] if r["type"] == "aws_instance")
    model = json.dumps(resource["instances"][0])
    known, known_id = resource["instances"][0]["index_key"], resource["instances"][0]["attributes"]["id"]
    for key, node_id in ids.items():
        resource["instances"].append(json.loads(model.replace(known, key).replace(known_id, node_id)))
    state["serial"] += 1
    state_file.write_text(json.dumps(state))
    parts.workspace.save_roster(roster.including(Pilot(key, now, "bench") for key in ids))


class CloudCE:
    """The same work in the way of DIRAC's CloudComputingElement."""

    def __init__(self, proxy: Proxy) -> None:
        self._driver = EC2NodeDriver(
            "test",
            "test",
            region="us-east-1",
            host="127.0.0.1",
            port=proxy.port,
            secure=False,
            signature_version="4",
        )

    def submit(self, count: int) -> list[str]:
        """Look the image up, then create one VM after the other."""
        images = {image.id: image for image in self._driver.list_images(ex_image_ids=[IMAGE])}
        image = images.get(IMAGE) or NodeImage(IMAGE, "", self._driver)
        size = NodeSize(FLAVOR, FLAVOR, 1024, 0, 0, 0, self._driver)
        nodes = [self._driver.create_node(name=f"VMDIRAC3_{n:08X}", image=image, size=size) for n in range(count)]
        return [node.id for node in nodes]

    def poll(self, ids: list[str]) -> None:
        """One GET for each pilot."""
        for node_id in ids:
            self._driver.list_nodes(ex_node_ids=[node_id])

    def reap(self, ids: list[str]) -> None:
        """One list, then one destroy after the other."""
        # libcloud's list does not page: asked for all, it would miss VMs beyond the first hundred.
        nodes = {node.id: node for node in self._driver.list_nodes(ex_node_ids=ids)}
        for node_id in ids:
            self._driver.destroy_node(nodes[node_id])


@contextmanager
def cloud(latency: float) -> Iterator[tuple[Emulator, Proxy]]:
    """An emulator and a proxy before it that mends what libcloud's own driver stumbles over."""
    with Moto() as emulator, Proxy(emulator.url, latency=latency) as proxy:
        yield emulator, proxy


def round_at(existing: int, new: list[int], latency: float) -> Iterator[tuple[str, str, str, str]]:
    """Rows (existing, what, tfce, CloudCE's way) for one number of existing pilots."""
    with tempfile.TemporaryDirectory() as folder, cloud(latency) as (emulator, proxy):
        site = Site(Path(folder) / "site", emulator, proxy)
        other = CloudCE(proxy)
        count_all = asked(proxy)
        populate(site, existing)
        for count in new:
            ours = run(site, count_all, *site.submission(count))
            theirs = measured(count_all, lambda count=count: other.submit(count))
            yield str(existing), f"submit {count}", str(ours), str(theirs)
        fleet = site.parts().fleet
        references = [node.reference for node in fleet._ground.mine()][:existing]
        ours = measured(count_all, lambda: fleet.poll(references))
        theirs = measured(count_all, lambda: other.poll([text.removeprefix("cloud://") for text in references]))
        yield str(existing), f"poll {len(references)}", str(ours), str(theirs)
        doomed = [node for node in fleet._ground.mine() if pilot_key(node)][: min(10, existing)]
        for node in doomed:
            site.do("StopInstances", node.id)
        ours = run(site, count_all, "reap", site.name, "--json")
        own = other.submit(len(doomed))
        theirs = measured(count_all, lambda: other.reap(own))
        yield str(existing), f"reap {len(doomed)}", str(ours), str(theirs)


def main() -> None:
    """Measure and print the table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--existing", default="10,100,1000", help="pilots that exist already")
    parser.add_argument("--new", default="1,10,50", help="pilots to submit")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each request")
    given = parser.parse_args()
    new = [int(number) for number in given.new.split(",")]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}, {given.latency:g} s added to each request\n")
    heads = ("existing", "what", "tfce: seconds · requests · memory", "CloudCE's way: seconds · requests")
    rows: list[tuple[str, ...]] = []
    for existing in map(int, given.existing.split(",")):
        rows += round_at(existing, new, given.latency)
        print(table(heads, rows[-(len(new) + 2) :]), flush=True)
    print(f"\n{markdown(heads, rows)}")


def _machine() -> str:
    version = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True).stdout
    terraform = json.loads(version)["terraform_version"] if version else "of the wheel"
    return f"Python {platform.python_version()}, Terraform {terraform}, hashicorp/aws 3.39.0, moto"


if __name__ == "__main__":
    main()
