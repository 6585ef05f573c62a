"""What a cycle costs on EC2, beside DIRAC's own way of doing it: `make bench`, or `python -m benchmarks.ec2`.

An emulated EC2 (moto or LocalStack) answers through a proxy that counts every request and can delay each of
them. For each number of pilots that run already, `tfce submit`, `tfce plan`, a poll of all of them and `tfce
reap` are run as an operator would run them, with either of tfce's modules; the same work is done the way DIRAC's
CloudComputingElement does it with libcloud: image, then one create after the other, one GET for each pilot, one
list and one destroy after the other. Memory is the largest sum of resident memory of tfce, Terraform and its
providers.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from libcloud.compute.base import NodeImage, NodeSize
from libcloud.compute.drivers.ec2 import EC2NodeDriver

from benchmarks import crowd
from benchmarks.measure import Cost, measured, numbers, run, under_way
from benchmarks.results import Results, software
from tests.rigs.localstack import Emulator, LocalStack, Moto
from tests.rigs.proxy import Proxy
from tests.site import Site

IMAGE, FLAVOR = "ami-1e749f67", "t3.micro"
CLOUDS: dict[str, type[Emulator]] = {"moto": Moto, "localstack": LocalStack}


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
def cloud(kind: str) -> Iterator[tuple[Emulator, Proxy]]:
    """An emulator and a proxy before it that mends what libcloud's own driver stumbles over."""
    with CLOUDS[kind]() as emulator, Proxy(emulator.url) as proxy:
        yield emulator, proxy


class Round:
    """One number of pilots that run already: one cloud, one queue of one module, and CloudCE's way."""

    def __init__(self, kind: str, site: Site, who: str, running: int, results: Results) -> None:
        self._kind, self._site, self._who, self._running, self._results = kind, site, who, running, results
        self._pages = -(-running // 1000)  # VMs in one answer
        self._other = CloudCE(site.proxy)

    def _ids(self) -> list[str]:
        """The VMs of all pilots, as the record has them."""
        return [pilot.id for pilot in self._site.parts().workspace.load().pilots.values() if pilot.id]

    def asked(self) -> int:
        """Requests so far."""
        return sum(self._site.proxy.counts().values())

    def _note(self, what: str, count: int, cost: Cost, least: int) -> None:
        latency, log = self._site.proxy.latency, self._site.proxy.requests()
        cost.asking = under_way((one.start, one.seconds) for one in log[len(log) - cost.calls :])
        self._results.add(self._kind, self._who, what, count, cost, latency, self._running, least)

    def _command(self, *arguments: str) -> Cost:
        return run(self._site, self.asked, *arguments)

    def submit(self, count: int) -> None:
        """Submit so many; they are removed again."""
        least = -(-count // crowd.LARGEST)
        if self._who == "cloudce":
            made: list[str] = []
            cost = measured(self.asked, lambda: made.extend(self._other.submit(count)))
            self._note("submit", count, cost, least)
            for node_id in made:
                self._site.do("TerminateInstances", node_id)
            return
        with crowd.unchanged(self._site):
            self._note("submit", count, self._command(*self._site.submission(count)), least)

    def refresh(self) -> None:
        """`tfce plan`."""
        if self._who != "cloudce":
            self._note("refresh", 0, self._command("plan", self._site.name), self._pages)

    def poll(self) -> None:
        """The states of all."""
        parts, ids = self._site.parts(), self._ids()[: self._running]
        references = [f"cloud://{one}" for one in ids]
        work = partial(self._other.poll, ids) if self._who == "cloudce" else partial(parts.fleet.poll, references)
        self._note("poll", len(ids), measured(self.asked, work), self._pages)

    def reap(self, count: int) -> None:
        """Remove so many that stopped."""
        if self._who == "cloudce":
            own = self._other.submit(count)
            self._note("reap", count, measured(self.asked, partial(self._other.reap, own)), 2)
            return
        doomed = self._ids()[:count]
        for node_id in doomed:
            self._site.do("StopInstances", node_id)
        # Of VMs that ran for less than ten minutes a sweep asks for the console, of ten at most.
        least = self._pages + 1 + min(count, 10)
        self._note("reap", len(doomed), self._command("reap", self._site.name, "--json"), least)


def rounds(given: argparse.Namespace, results: Results) -> None:
    """All of them, each on a cloud of its own."""
    for running in numbers(given.running):
        for who in given.who.split(","):
            with tempfile.TemporaryDirectory() as folder, cloud(given.cloud) as (emulator, proxy):
                module = {"Terraform_Module": "native" if who == "native" else "bulk"}
                site = Site(Path(folder) / "site", emulator, proxy, options=module)
                one = Round(given.cloud, site, who, running, results)
                for latency in map(float, given.latency.split(",")):
                    proxy.latency = 0.0
                    crowd.populate(site, running)  # again: some were removed
                    proxy.latency = latency
                    _tasks(one, given)


def _tasks(one: Round, given: Any) -> None:
    for count in numbers(given.submit):
        one.submit(count)
    if given.refresh:
        one.refresh()
    if given.poll:
        one.poll()
    for count in numbers(given.reap):
        one.reap(count)


def main() -> None:
    """Measure; every row is printed and written down as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cloud", choices=CLOUDS, default="moto")
    parser.add_argument("--running", default="10,100,1000", help="pilots that run already")
    parser.add_argument("--submit", default="1,10,50", help="pilots to submit; '' for none")
    parser.add_argument("--reap", default="10", help="pilots to remove; '' for none")
    parser.add_argument("--refresh", action=argparse.BooleanOptionalAction, default=True, help="tfce plan")
    parser.add_argument("--poll", action=argparse.BooleanOptionalAction, default=True, help="poll all that run")
    parser.add_argument("--latency", default="0", help="seconds added to each request")
    parser.add_argument("--who", default="bulk,native,cloudce", help="tfce's modules, and CloudCE's way")
    parser.add_argument("--results", type=Path, help="file for the rows, instead of one named by the day")
    given = parser.parse_args()
    rounds(given, Results(given.cloud, software("hashicorp/aws 3.39.0", given.cloud), given.results))


if __name__ == "__main__":
    main()
