"""A real DIRAC 9.1 server and an EC2 emulator behind a proxy, for all tests of this folder; 9.1 only."""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rigs import mirror
from tests.rigs.dirac_server import SITE, Server
from tests.rigs.localstack import Moto
from tests.rigs.proxy import Proxy
from tests.site import vms_of

try:
    NEW = importlib.metadata.version("DIRAC").startswith("9.")
except importlib.metadata.PackageNotFoundError:
    NEW = False
collect_ignore_glob = [] if NEW else ["test_*.py"]

FIRST, SECOND, SHARED = "one.cloud.org", "two.cloud.org", "shared.cloud.org"
QUEUE = {"CPUTime": 86400, "maxCPUTime": 1440, "SI00": 2400}
AGENT = "WorkloadManagement/SiteDirector"
# DIRAC's word for any failure of that call. Hazard: its services can drop a call where two agents start in the
# same instant (seen once in CI, in none of 580 starts and 4,700 calls that tried to see it again).
DROPPED = "has no proxy in ProxyManager"
CHECKS = {"MOTO_ENABLE_AMI_VALIDATION": "1", "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "1"}


class Tenant:
    """The cloud, from the side."""

    def __init__(self, emulator: Moto, proxy: Proxy) -> None:
        self.emulator, self.proxy = emulator, proxy

    @property
    def image(self) -> str:
        """An image that the emulator has."""
        answer = self.emulator.call("DescribeImages", **{"Owner.1": "amazon"})
        return answer.findtext("imagesSet/item/imageId", "")

    def vms(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        """Every VM that is not gone: reference -> (state, tags)."""
        return {f"cloud://{node_id}": vm for node_id, vm in vms_of(self.emulator).items()}

    def of(self, ce: str, queue: str = "long") -> set[str]:
        """The VMs of one queue that are not gone."""
        vms = self.vms().items()
        return {r for r, (_, tags) in vms if (tags.get("tfce:ce"), tags.get("tfce:queue")) == (ce, queue)}

    def do(self, action: str, reference: str) -> None:
        """StopInstances, TerminateInstances …"""
        self.emulator.call(action, **{"InstanceId.1": reference.removeprefix("cloud://")})

    def left_over(self, name: str) -> str:
        """A VM as CloudCE makes them."""
        given = {"ImageId": self.image, "MinCount": "1", "MaxCount": "1", "InstanceType": "t3.micro"}
        tag = {"ResourceType": "instance", "Tag.1.Key": "Name", "Tag.1.Value": name}
        given |= {f"TagSpecification.1.{key}": value for key, value in tag.items()}
        answer = self.emulator.call("RunInstances", **given)
        return f"cloud://{answer.findtext('instancesSet/item/instanceId')}"


class Agent:
    """A SiteDirector that goes on."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def said(self) -> str:
        """Its log so far."""
        return self._log.read_text(errors="replace")

    def cycles(self, number: int) -> None:
        """Wait until ``number`` more cycles have begun and ended; DIRAC lets 10 s pass between them."""
        before = self.said().count("Starting cycle")
        wait(lambda: self.said().count("Starting cycle") > before + number, 60 + 15 * number)


class Director:
    """The real server with its SiteDirector."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self.server, self.tenant = server, tenant

    def cycle(self) -> str:
        """Run SiteDirector, a new process, for a cycle; its log."""
        for _ in range(2):
            said = self.server.agent(AGENT, TFCE_PROVIDER_MIRROR=str(mirror.ensure()))
            if DROPPED not in said:
                break
            # No element was asked yet; an agent that goes on would come again.
            print(f"SiteDirector lost its first call:\n{said}")
        return said

    @contextlib.contextmanager
    def running(self) -> Iterator[Agent]:
        """Run SiteDirector as long as the context lasts."""
        process, log = self.server.start_agent(AGENT, TFCE_PROVIDER_MIRROR=str(mirror.ensure()))
        try:
            yield Agent(log)
        finally:
            process.terminate()
            process.wait(60)

    def change(self, ce: str, **options: object) -> None:
        """Change a CE's options in the Configuration Service; "long/NAME" is the queue's; None removes one."""
        base = f"/Resources/Sites/CLOUD/{SITE}/CEs/{ce}"
        paths = {name: f"Queues/{name}" if "/" in name else name for name in options}
        given = {paths[name]: "" if value is None else value for name, value in options.items()}
        self.server.helper("set", *(f"{base}/{path}={value}" for path, value in given.items()))

    def usable(self, *names: str) -> None:
        """Let SiteDirector use these CEs and no others."""
        listed = ", ".join(names)
        self.server.helper("set", f"/Systems/WorkloadManagement/Agents/SiteDirector/CEs={listed}")

    def of(self, ce: str) -> dict[str, str]:
        """The status of a CE's pilots in the database."""
        rows = self.server.pilots().items()
        return {reference: row["Status"] for reference, row in rows if row["DestinationSite"] == ce}


def wait(until: Callable[[], Any], seconds: float = 90.0) -> Any:
    """What ``until`` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := until()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)
    return value


@pytest.fixture(scope="session")
def tenant() -> Iterator[Tenant]:
    with Moto(settings=CHECKS) as emulator, Proxy(emulator.url, mend=False) as proxy:
        yield Tenant(emulator, proxy)


def element(folder: Path, tenant: Tenant, *queues: str) -> dict[str, Any]:
    """A CE's section of the configuration."""
    auth = folder / "cloud.auth"
    if not auth.exists():
        auth.touch(0o600)
        auth.write_text('[DEFAULT]\nkey = "test"\nsecret = "planted-secret"\n')
    return {
        "CEType": "Terraform",
        "CloudType": "EC2",
        "CloudAuth": auth,
        "Driver_region": "us-east-1",
        "Driver_host": "127.0.0.1",
        "Driver_port": tenant.proxy.port,
        "Driver_secure": "False",
        "Instance_Image": tenant.image,
        "Instance_Flavor": "name:t3.micro",
        "Terraform_MaxRetries": 1,
        "MaxTotalJobs": 10,
        "MaxWaitingJobs": 5,
        "MaxRAM": 2048,
        "Queues": {name: dict(QUEUE) for name in queues},
    }


@pytest.fixture(scope="session")
def director(tmp_path_factory: pytest.TempPathFactory, tenant: Tenant) -> Iterator[Director]:
    folder = tmp_path_factory.mktemp("dirac")
    # The second asks for each VM by itself, so that requests can be counted against pilots.
    elements = {
        FIRST: element(folder, tenant, "long", "short"),
        SECOND: element(folder, tenant, "long") | {"Terraform_Batch": 1},
        # Where its backend is, each host says in its own configuration.
        SHARED: element(folder, tenant, "long") | {"Terraform_Backend": "pg", "Workspace_Installation": "hosts"},
    }
    with Server(elements, folder) as server:
        yield Director(server, tenant)


@pytest.fixture(autouse=True)
def nothing_is_left(director: Director) -> Iterator[None]:
    """Each test begins with an empty tenant, an empty database and no waiting jobs."""
    yield
    director.tenant.proxy.clear()
    director.tenant.proxy.listen()
    director.server.jobs(0)
    director.server.sql("DELETE FROM PilotAgents", "PilotAgentsDB")
    for reference in director.tenant.vms():
        director.tenant.do("TerminateInstances", reference)
