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
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libcloud.compute.base import NodeImage, NodeSize
from libcloud.compute.drivers.ec2 import EC2NodeDriver

from tests.rigs.localstack import Emulator, Moto
from tests.rigs.proxy import Proxy
from tests.site import Site
from tfce.cli import table
from tfce.node import pilot_key
from tfce.roster import Pilot, fresh_keys

IMAGE, FLAVOR = "ami-1e749f67", "t3.micro"


@dataclass
class Cost:
    """One measurement."""

    seconds: float
    calls: int
    megabytes: int | None = None

    def __str__(self) -> str:
        memory = f" · {self.megabytes} MB" if self.megabytes else ""
        return f"{self.seconds:.1f} s · {self.calls}{memory}"


def measured(proxy: Proxy, work: Callable[[], Any]) -> Cost:
    """What ``work`` costs in this process."""
    proxy.counts(reset=True)
    start = time.monotonic()
    work()
    return Cost(time.monotonic() - start, sum(proxy.counts().values()))


def run(site: Site, *arguments: str) -> Cost:
    """What a command costs, its children included."""
    peak = 0
    site.proxy.counts(reset=True)
    start = time.monotonic()
    process = site.start(*arguments)
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, _resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, err = process.communicate()
    seconds = time.monotonic() - start
    ended.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}\n{out}{err}")
    return Cost(seconds, sum(site.proxy.counts().values()), peak // 2**20)


def _resident(root: int) -> int:
    """Bytes of resident memory of a process and all below it."""
    parents, sizes = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid], sizes[pid] = int(fields[1]), int(fields[21]) * 4096
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        grown, family = bool(more), family | more
    return sum(sizes.get(pid, 0) for pid in family)


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
        nodes = {node.id: node for node in self._driver.list_nodes()}
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
        populate(site, existing)
        for count in new:
            ours = run(site, *site.submission(count))
            theirs = measured(proxy, lambda count=count: other.submit(count))
            yield str(existing), f"submit {count}", str(ours), str(theirs)
        fleet = site.parts().fleet
        references = [node.reference for node in fleet._ground.mine()][:existing]
        ours = measured(proxy, lambda: fleet.poll(references))
        theirs = measured(proxy, lambda: other.poll([text.removeprefix("cloud://") for text in references]))
        yield str(existing), f"poll {len(references)}", str(ours), str(theirs)
        doomed = [node for node in fleet._ground.mine() if pilot_key(node)][: min(10, existing)]
        for node in doomed:
            site.do("StopInstances", node.id)
        ours = run(site, "reap", site.name, "--json")
        own = other.submit(len(doomed))
        theirs = measured(proxy, lambda: other.reap(own))
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
    rows: list[tuple[str, str, str, str]] = []
    for existing in map(int, given.existing.split(",")):
        rows += round_at(existing, new, given.latency)
        print(table(heads, rows[-(len(new) + 2) :]), flush=True)
    print("\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    print("\n".join("| " + " | ".join(row) + " |" for row in rows))


def _machine() -> str:
    version = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True).stdout
    terraform = json.loads(version)["terraform_version"] if version else "of the wheel"
    return f"Python {platform.python_version()}, Terraform {terraform}, hashicorp/aws 3.39.0, moto"


if __name__ == "__main__":
    main()
