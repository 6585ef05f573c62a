"""What a cycle costs on OpenStack, beside DIRAC's own element: `make bench-openstack`.

The tests' OpenStack rig answers through a proxy that counts every request and can delay each of them. `tfce
submit` and `tfce reap` run as an operator runs them, a poll in a process that is logged in. DIRAC's real
CloudComputingElement does the same on the same server in the same run, in a process of its own that is logged in.
Memory is the largest sum of resident memory of tfce, Terraform and its provider, or of the process with DIRAC.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import Asked, Cost, markdown, measured, memory, run
from tests.checking import until
from tests.openstack.cloud import OpenStackSite, node
from tests.openstack.rig import Rig, running
from tests.rigs import dirac
from tfce.cli import table
from tfce.roster import fresh_keys

HEADS = ("added latency", "what", "tfce: seconds · requests · memory", "CloudCE: seconds · requests · memory")
_HERE = Path(__file__).resolve().parent


class CloudCE:
    """DIRAC's element in a process of its own."""

    def __init__(self, site: OpenStackSite, asked: Asked) -> None:
        self._asked = asked
        parameters = {**site.defaults(), **site.options, "Queue": "long"}
        authority = parameters.pop("Driver_ca_cert")
        parameters |= {
            "CEType": "Cloud",
            "CloudAuth": str(site.folder / "plain.auth"),
            "Driver_api_version": "2.2",  # with an older one libcloud asks nova's proxies, which are gone
            "wrapper": str(site.folder / "wrapper.sh"),
        }
        key, secret = site.login()
        (site.folder / "plain.auth").write_text(f"[DEFAULT]\nkey = {key}\nsecret = {secret}\n")
        self._process = subprocess.Popen(
            [str(dirac.ensure("9.1")), str(_HERE / "cloudce.py")],
            env=dirac.environment("9.1") | {"SSL_CERT_FILE": authority, "REQUESTS_CA_BUNDLE": authority},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._send(parameters)
        self.do("login")

    def _send(self, value: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def do(self, verb: str, value: Any = None) -> tuple[Cost, Any]:
        """What ``verb`` costs, and its answer."""
        before = self._asked()
        with memory(self._process) as peak:
            self._send([verb, value])
            assert self._process.stdout
            lines = iter(self._process.stdout.readline, "")
            line = next((line for line in lines if line.startswith("{")), "")
            time.sleep(0.06)  # memory is looked at 20 times a second
        if not line:
            raise SystemExit(f"CloudCE ended with {self._process.wait()} at {verb}")
        answer = json.loads(line)
        if not answer["ok"]:
            raise SystemExit(f"CloudCE could not {verb}")
        return Cost(answer["seconds"], self._asked() - before, peak()), answer["value"]

    def close(self) -> None:
        """End its process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def populate(site: OpenStackSite, count: int) -> None:
    """Let ``count`` VMs of the queue exist, made without tfce: a poll needs no more."""
    while len(site.servers()) < count:
        keys = list(fresh_keys(count - len(site.servers()), ()))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda key: site.api.boot(f"tfce-{key}", site.metadata(tfce_key=key)), keys))
        settled(lambda: not site.api.building(), "all VMs are built")
        for failed in [node_id for node_id, s in site.servers().items() if s["status"] == "ERROR"]:
            site.api.delete(failed)


def settled(true: Callable[[], bool], what: str) -> None:
    """Wait, without keeping nova busy: it is one process, which builds about one VM a second."""
    until(true, what, patience=900, pause=3)


class Bench:
    """One rig, one site, one CloudCE."""

    def __init__(self, rig: Rig, folder: Path, latencies: list[float]) -> None:
        self.rig, self.latencies = rig, latencies
        self.crowd = self._site(folder / "crowd", "crowd.example.org")
        self.site = self._site(folder / "site", "bench.example.org")
        self.other = CloudCE(self.site, self.asked)

    def _site(self, folder: Path, ce: str) -> OpenStackSite:
        site = OpenStackSite(folder, self.rig, ce)
        site.through_front()
        return site

    def asked(self) -> int:
        """Requests so far."""
        return len(self.rig.requests())

    def delayed(self, work: Callable[[], Any]) -> Iterator[tuple[str, Any]]:
        """``work`` at each latency."""
        for latency in self.latencies:
            self.rig.verb("delay", str(latency))
            try:
                yield f"{latency:g} s", work()
            finally:
                self.rig.verb("delay", "0")

    def polls(self, counts: list[int]) -> Iterator[tuple[str, ...]]:
        """Rows for polls of so many pilots, which exist."""
        for count in counts:
            populate(self.crowd, count)
            references = [f"cloud://{node_id}" for node_id in self.crowd.servers()][:count]
            fleet = self.crowd.parts().fleet
            fleet.count()
            for latency, costs in self.delayed(
                lambda fleet=fleet, references=references: (
                    measured(self.asked, lambda: fleet.poll(references)),
                    self.other.do("poll", references)[0],
                )
            ):
                yield latency, f"poll {count}", *map(str, costs)

    def submissions(self, counts: list[int], doomed: int) -> Iterator[tuple[str, ...]]:
        """Rows for submissions of so many, and for the removal of ``doomed`` that stopped."""
        for count in counts:
            for latency, costs in self.delayed(lambda count=count: self._submit(count)):
                yield latency, f"submit {count}", *map(str, costs)
        for latency, costs in self.delayed(lambda: self._reap(doomed)):
            yield latency, f"reap {doomed}", *map(str, costs)

    def _submit(self, count: int) -> tuple[Cost, Cost]:
        ours = run(self.site, self.asked, *self.site.submission(count))
        theirs, _ = self.other.do("submit", count)
        settled(lambda: not self.rig.api().building(), "CloudCE's VMs are built")
        return ours, theirs

    def _left_by_cloudce(self) -> list[dict[str, Any]]:
        return [s for s in self.rig.api().servers() if s["name"].startswith("VMDIRAC3_")]

    def _reap(self, doomed: int) -> tuple[Cost, Cost]:
        running = [pilot["reference"] for pilot in self.site.status() if pilot["state"] == "Running"][:doomed]
        other = [s["id"] for s in self._left_by_cloudce() if s["status"] == "ACTIVE"][:doomed]
        if min(len(running), len(other)) < doomed:
            raise SystemExit(f"there are fewer than {doomed} VMs to remove: submit more")
        stopping = [*map(node, running), *other]
        for node_id in stopping:
            self.rig.api().act(node_id, "os-stop")

        def off() -> int:
            return sum(s["id"] in stopping and s["status"] == "SHUTOFF" for s in self.rig.api().servers())

        settled(lambda: off() == len(stopping), "the VMs are off")
        return run(self.site, self.asked, "reap", self.site.name, "--json"), self.other.do("reap")[0]

    def close(self) -> None:
        """Leave nothing behind."""
        self.other.close()
        for server in self.rig.api().servers():
            if server["name"].startswith(("VMDIRAC3_", "tfce-")):
                self.rig.api().delete(server["id"])


def main() -> None:
    """Measure and print the table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--new", default="1,10,50", help="pilots to submit")
    parser.add_argument("--polled", default="10,100,300", help="pilots to poll")
    parser.add_argument("--reaped", type=int, default=20, help="pilots to remove")
    parser.add_argument("--latency", default="0,0.5", help="seconds added to each request")
    given = parser.parse_args()
    new, polled = ([int(number) for number in text.split(",")] for text in (given.new, given.polled))
    rows: list[tuple[str, ...]] = []
    with running() as rig, tempfile.TemporaryDirectory() as folder:
        bench = Bench(rig, Path(folder), [float(text) for text in given.latency.split(",")])
        print(f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}\n")
        try:
            for work in (bench.submissions(new, given.reaped), bench.polls(polled)):
                for row in work:
                    rows.append(row)
                    print(table(HEADS, [row]).splitlines()[-1], flush=True)
        finally:
            bench.close()
    print(f"\n{markdown(HEADS, sorted(rows, key=lambda row: row[0]))}")


def _machine() -> str:
    said = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True).stdout
    terraform = json.loads(said)["terraform_version"] if said else "of the wheel"
    return (
        f"Python {platform.python_version()}, Terraform {terraform}, terraform-provider-openstack 3.4.0, DIRAC 9.1"
    )


if __name__ == "__main__":
    main()
