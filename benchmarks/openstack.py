"""What a cycle costs on OpenStack, beside DIRAC's own element: `make bench-openstack`.

The tests' OpenStack rig answers through a proxy that counts every request and can delay each of them. `tfce
submit`, `tfce plan` and `tfce reap` run as an operator runs them, with either of tfce's modules, a poll in a
process that is logged in. DIRAC's real CloudComputingElement does the same on the same server in the same run,
in a process of its own that is logged in. Memory is the largest sum of resident memory of tfce, Terraform and
its provider, or of the process with DIRAC.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import crowd
from benchmarks.element import Element
from benchmarks.measure import Cost, measured, numbers, run, under_way
from benchmarks.results import Results, software
from tests.checking import until
from tests.e2e.openstack.cloud import OpenStackSite, node
from tests.e2e.openstack.rig import PORT, Rig, running
from tfce.terraform import variables

CONSOLES = 10  # of VMs that ran for less than ten minutes, which a sweep asks for; CloudCE has none
NAMES = 3  # image, flavor, network: a look-up each
MODULES = ("bulk", "native")
_ROOMY = {"bulk": "clouduser", "native": "demo"}  # projects with room for 2000 VMs


class Bench:
    """One rig, a site for each module, one CloudCE."""

    def __init__(
        self, rig: Rig, folder: Path, who: list[str], results: Results, traces: Path | None = None
    ) -> None:
        self.rig, self.results = rig, results
        self._folder = folder
        self.modules = [name for name in MODULES if name in who]
        self.sites = {name: self.site(name) for name in self.modules or ["bulk"]}
        self._reference = next(iter(self.sites.values()))
        self.other = Element("Cloud", self._reference, self.asked) if "cloudce" in who else None
        self.own = None
        if "element" in who:
            self.own = Element("Terraform", self.site("bulk", "element"), self.asked, traces)
        self.poller: Element | None = None
        self.latency = 0.0

    def site(self, module: str, kind: str = "bench", project: str = "demo") -> OpenStackSite:
        """A site of its own for ``module``."""
        options = {"Terraform_Module": module, "Workspace_ProtectAfter": "0"}  # their pilots end too soon
        ce = f"{kind}-{module}.example.org"
        site = OpenStackSite(self._folder / ce, self.rig, ce, project=project, options=options)
        site.through_front()
        return site

    def asked(self) -> int:
        """Requests so far."""
        return len(self.rig.requests())

    @contextmanager
    def delayed(self, latency: float) -> Iterator[None]:
        """Every request takes so much longer."""
        self.rig.verb("delay", str(latency))
        self.latency = latency
        try:
            yield
        finally:
            self.rig.verb("delay", "0")
            self.latency = 0.0

    def note(self, who: str, what: str, count: int, work: Callable[[], Cost], **more: Any) -> None:
        """Measure, and write the row down."""
        before = self.asked()
        cost = work()
        log = self.rig.requests()[before:]
        cost.asking = under_way(spans(log))
        cost.waiting = waiting(log) if who == "native" and what == "submit" else None
        self.results.add("openstack", who, what, count, cost, self.latency, **more)

    # -- beside CloudCE --------------------------------------------------------------------------------------

    def first(self) -> None:
        """The first submission of each queue, which sets its workspace up, and what starting costs."""
        for module in self.modules:
            site = self.sites[module]
            self.note(module, "first submit", 1, partial(run, site, self.asked, *site.submission(1)))
            self.note(module, "Terraform's start", 0, partial(self._start, site))
            self.note(module, "command's start", 0, partial(run, site, self.asked, "queues"))
            crowd.settled(site)
        if self.own:
            self.own.do("submit", 1)
            crowd.settled(self._reference)

    def _start(self, site: OpenStackSite) -> Cost:
        """What a submission runs of Terraform, for no pilot: an apply, with ids in place of names, and a look at
        the state. A setting is changed, so that Terraform starts tfce's provider as often as for a pilot."""
        kept = {name: site.defaults()[name] for name in ("Instance_Image", "Instance_Flavor", "Instance_Networks")}
        ids = (self.rig.env[f"RIG_{name}_ID"] for name in ("IMAGE", "FLAVOR_TINY", "MY_PRIVATE_NET"))
        kept["Terraform_MaxRetries"] = site.defaults()["Terraform_MaxRetries"]
        site.configure(**dict(zip(kept, [*ids, "2"], strict=True)))
        try:
            parts = site.parts()
            with parts.workspace.locked():
                variables.write(parts.workspace)
                terraform = parts.terraform
                return measured(self.asked, lambda: (terraform.apply([]), terraform.instances()))
        finally:
            site.configure(**kept)
            variables.write(site.parts().workspace)

    def submit(self, count: int) -> None:
        """Each of them submits ``count``."""
        least = 1 + NAMES + -(-count // crowd.LARGEST) + 1
        for module in self.modules:
            site = self.sites[module]
            self.note(
                module, "submit", count, partial(run, site, self.asked, *site.submission(count)), least=least
            )
            crowd.settled(site)
        if self.own:  # it has a token already
            self.note("element", "submit", count, partial(self.own.cost, "submit", count), least=least - 1)
            crowd.settled(self._reference)
        if self.other:
            self.note("cloudce", "submit", count, partial(self.other.cost, "submit", count), least=least - 1)
            crowd.settled(self._reference)

    def poll(self, count: int, ids: list[str]) -> None:
        """Each of them asks for the states of ``count``."""
        references = [f"cloud://{node_id}" for node_id in ids[:count]]
        for module in self.modules:
            self.polled.configure(Terraform_Module=module)
            fleet = self.polled.parts().fleet
            fleet.count()  # logs in
            work = partial(measured, self.asked, partial(fleet.poll, references))
            self.note(module, "poll", count, work, least=-(-count // 1000))
        if self.poller:
            work = partial(self.poller.cost, "poll", references)
            self.note("element", "poll", count, work, least=-(-count // 1000))
        if self.other:
            self.note("cloudce", "poll", count, partial(self.other.cost, "poll", references), least=1)

    def polls(self, counts: list[int], latencies: list[float]) -> None:
        """All polls; what is polled is made at first."""
        self.polled = self.site("polled")
        self.polled.configure(Terraform_Module="bulk")
        self.poller = Element("Terraform", self.polled, self.asked) if self.own else None
        ids: list[str] = []
        for count in sorted(counts):
            ids += crowd.servers(self.polled, count - len(ids))
            for latency in latencies:
                with self.delayed(latency):
                    self.poll(count, ids)

    def reap(self, count: int) -> None:
        """Each of them removes ``count`` that stopped."""
        for module in self.modules:
            site = self.sites[module]
            self._stop([node(pilot["reference"]) for pilot in self._running(site, count)])
            work = partial(run, site, self.asked, "reap", site.name, "--json")
            self.note(module, "reap", count, work, least=1 + 1 + count + min(count, CONSOLES))
        if self.own:
            self._reaped_by_element(count)
        if self.other:
            while len(mine := self._of_cloudce("ACTIVE")) < count:
                self.other.cost("submit", count - len(mine))
                crowd.settled(self._reference)
            self._stop(mine[:count])
            self.note("cloudce", "reap", count, partial(self.other.cost, "reap"), least=1 + count)

    def _reaped_by_element(self, count: int) -> None:
        """Its own pilots: made by the process that removes them, as CloudCE's are."""
        assert self.own
        site, own = self.own.site, self.own
        pilots = self._running(site, count, lambda missing: own.cost("submit", missing))
        self._stop([node(pilot["reference"]) for pilot in pilots])
        work = partial(self.own.cost, "reap")
        self.note("element", "reap", count, work, least=1 + count + min(count, CONSOLES))

    def _running(
        self, site: OpenStackSite, count: int, start: Callable[[int], Any] | None = None
    ) -> list[dict[str, Any]]:
        """``count`` of a site's pilots that run; ``start`` makes the missing ones."""
        while len(up := [pilot for pilot in site.status() if pilot["state"] == "Running"]) < count:
            missing = count - len(up)
            if start:
                start(missing)
            elif site.submit(missing).code:
                raise SystemExit(f"{site.name}: there are no {count} pilots to remove")
            crowd.settled(site)
        return up[:count]

    def _of_cloudce(self, status: str) -> list[str]:
        return [
            server["id"]
            for server in self.rig.api().servers()
            if server["name"].startswith("VMDIRAC3_") and server["status"] == status
        ]

    def _stop(self, ids: list[str]) -> None:
        for node_id in ids:
            self.rig.api().act(node_id, "os-stop")

        def off() -> int:
            return sum(s["id"] in ids and s["status"] == "SHUTOFF" for s in self.rig.api().servers())

        until(lambda: off() == len(ids), "the VMs are off", patience=900, pause=2)

    # -- while others run ------------------------------------------------------------------------------------

    def among(self, numbers: list[int], latencies: list[float], native_up_to: int) -> None:
        """A refresh and a submission of 10 while so many pilots of the queue run. CloudCE keeps nothing of its
        pilots: what it costs beside them is measured once, with the first module's."""
        for module in self.modules:
            site = self.site(module, "crowd", project=_ROOMY[module])
            for number in sorted(numbers):
                if module == "native" and number > native_up_to:
                    print(f"native: not measured at {number} running, its refresh asks 5 times for each")
                    continue
                crowd.populate(site, number)
                for latency in latencies:
                    with self.delayed(latency):
                        self._among(site, module, number)
                        if self.other and module == self.modules[0]:
                            self._among_of_cloudce(number)

    def _among(self, site: OpenStackSite, module: str, number: int) -> None:
        least = 1 + NAMES + -(-number // 1000)
        refresh = partial(run, site, self.asked, "plan", site.name)
        self.note(module, "refresh", 0, refresh, running=number, least=least)
        with crowd.unchanged(site):
            submit = partial(run, site, self.asked, *site.submission(10))
            self.note(module, "submit", 10, submit, running=number, least=1 + NAMES + 1 + 1)
            crowd.settled(site)

    def _among_of_cloudce(self, number: int) -> None:
        assert self.other
        work = partial(self.other.cost, "submit", 10)
        self.note("cloudce", "submit", 10, work, running=number, least=1 + NAMES + 1)
        crowd.settled(self._reference)

    def close(self) -> None:
        """Leave nothing behind; on a rig of our own by forgetting all its servers."""
        for element in filter(None, (self.own, self.other, self.poller)):
            element.close()
        self.rig.verb("delay", "0")
        if PORT not in os.environ:
            self.rig.verb("up", "--fresh", patience=600)
            return
        for project in ("demo", "clouduser"):
            api = self.rig.api(project)
            while mine := [s for s in api.servers() if s["name"].startswith(("VMDIRAC3_", "tfce-"))]:
                for server in mine:
                    api.delete(server["id"])


def spans(log: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """When these requests began, and how long they took."""
    return [(entry["start"], entry["seconds"]) for entry in log]


def waiting(log: list[dict[str, Any]]) -> float:
    """Seconds from the first answer that a VM is being made to the last look at one, less those in which another
    was asked for: so long did Terraform's provider wait for VMs to be up."""
    made = [e for e in log if e["method"] == "POST" and e["path"].endswith("/servers")]
    looks = [e for e in log if e["method"] == "GET" and "/servers/" in e["path"]]
    if not made or not looks:
        return 0.0
    begin: float = min(e["start"] + e["seconds"] for e in made)
    end: float = max(e["start"] + e["seconds"] for e in looks)
    return max(0.0, end - begin - under_way(spans([e for e in made if e["start"] > begin])))


def main() -> None:
    """Measure; every row is printed and written down as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--submit", default="1,10,50", help="pilots to submit; '' for none, as below")
    parser.add_argument("--poll", default="10,100,300", help="pilots to poll")
    parser.add_argument("--reap", default="20", help="pilots to remove")
    parser.add_argument("--running", default="10,100,1000", help="pilots that run while 10 are submitted")
    parser.add_argument("--latency", default="0,0.5", help="seconds added to each request")
    parser.add_argument(
        "--who", default="bulk,native,element,cloudce", help="tfce's modules and its element, and CloudCE"
    )
    parser.add_argument("--native-up-to", type=int, default=100, help="largest --running for native")
    parser.add_argument("--results", type=Path, help="file for the rows, instead of one named by the day")
    parser.add_argument("--traces", type=Path, help="folder for the traces of tfce's element")
    given = parser.parse_args()
    who, latencies = given.who.split(","), [float(text) for text in given.latency.split(",")]
    submit, poll, reap, among = map(numbers, (given.submit, given.poll, given.reap, given.running))
    with running() as rig, tempfile.TemporaryDirectory() as folder:
        results = Results("openstack", software("terraform-provider-openstack 3.4.0, DIRAC 9.1"), given.results)
        bench = Bench(rig, Path(folder), who, results, given.traces)
        try:
            if submit:
                bench.first()
            for work, counts in ((bench.submit, submit), (bench.reap, reap)):
                for latency in latencies:
                    for count in counts:
                        with bench.delayed(latency):
                            work(count)
            bench.polls(poll, latencies)
            bench.among(among, latencies, given.native_up_to)
        finally:
            bench.close()


if __name__ == "__main__":
    main()
