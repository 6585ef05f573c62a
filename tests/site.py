"""A site as an operator has it: a CFG file, an auth file, a folder, and the real command line on a real API."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.rigs import mirror
from tests.rigs.localstack import Emulator
from tests.rigs.proxy import Proxy
from tfce.app import Parts, assemble
from tfce.config.cfg import load_queue
from tfce.config.credentials import Credentials

SECRET = "planted%secret-$HOME"
WRAPPER = "#!/bin/bash\n# -----BEGIN PLANTED PROXY-----\nexec sleep 3600\n"
_OVERALL = 300  # seconds any command may take


@dataclass
class Result:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The command's JSON."""
        assert self.out, self.err
        return json.loads(self.out)


class AnySite:
    """One (CE, queue) on some cloud; what is different from cloud to cloud, the subclasses say."""

    folder: Path
    ce: str
    queue: str
    options: dict[str, str]
    as_whom: tuple[str, ...] = ()  # what begins a command line, so that another user runs it

    def login(self) -> tuple[str, str]:
        """Key and secret for cloud.auth."""
        raise NotImplementedError

    def defaults(self) -> dict[str, str]:
        """The CE options that name the cloud and the VMs; a test's own come on top."""
        raise NotImplementedError

    def mirror(self) -> Path:
        """The mirror that has the cloud's Terraform provider."""
        raise NotImplementedError

    def instances(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        """Every VM of this CE and queue that is not gone: id -> (state, tags). Asks the cloud itself."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authenticate(*self.login())
        (self.folder / "wrapper.sh").write_text(WRAPPER)
        self.configure()

    def authenticate(self, key: str, secret: str) -> None:
        """Write cloud.auth."""
        auth = self.folder / "cloud.auth"
        auth.touch(0o600)
        auth.write_text(f'[DEFAULT]\nkey = "{key}"\nsecret = "{secret}"\n')

    @property
    def name(self) -> str:
        """CE/QUEUE."""
        return f"{self.ce}/{self.queue}"

    @property
    def private(self) -> Path:
        """The queue's private workspace."""
        return self.folder / "root" / "queues" / self.ce / self.queue

    @property
    def scale_copy(self) -> Path:
        """The reviewers' copy of the list of pilots."""
        return self.folder / "root" / "workspaces" / "scale" / self.ce / self.queue / "scale.tfvars.json"

    def configure(self, **changes: str) -> None:
        """Write the CFG file, with ``changes`` to its options from now on."""
        self.options.update(changes)
        options = {
            "CEType": "Terraform",
            "CloudAuth": str(self.folder / "cloud.auth"),
            "Workspace_Root": str(self.folder / "root"),
            "Terraform_Module": "native",
            **self.defaults(),
        } | self.options
        lines = "\n".join(f"    {name} = {value}" for name, value in options.items() if value)
        queues = f"    Queues\n    {{\n      {self.queue}\n      {{\n        maxCPUTime = 1440\n      }}\n    }}\n"
        self.cfg.write_text(f"CEs\n{{\n  {self.ce}\n  {{\n{lines}\n{queues}  }}\n}}\n")

    @property
    def cfg(self) -> Path:
        """The CFG file."""
        return self.folder / "site.cfg"

    def environment(self) -> dict[str, str]:
        """The operator's environment: nothing of the tests' own, no other cloud identity."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "OS_", "TF_", "TFCE_"))}
        return kept | {"TFCE_CONFIG": str(self.cfg), mirror_variable(): str(self.mirror())}

    def start(self, *arguments: str, **changes: Any) -> subprocess.Popen[str]:
        """Begin a command in a session of its own."""
        return subprocess.Popen(
            [*self.as_whom, sys.executable, "-m", "tfce.cli", *arguments],
            env=self.environment() | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=self.folder,
        )

    def run(self, *arguments: str, **changes: Any) -> Result:
        """Run a command to its end."""
        with self.start(*arguments, **changes) as process:
            out, err = process.communicate(timeout=_OVERALL)
        assert "Traceback" not in err, err
        return Result(process.returncode, out, err)

    def submit(self, count: int = 1) -> Result:
        """``tfce submit``."""
        return self.run(*self.submission(count))

    def submit_and_status(self, count: int) -> list[dict[str, Any]]:
        """Submit, then the pilots of ``tfce status``."""
        assert self.submit(count).code == 0
        return self.status()

    def submission(self, count: int = 1) -> list[str]:
        """The arguments of ``tfce submit``."""
        wrapper = str(self.folder / "wrapper.sh")
        return ["submit", self.name, "--count", str(count), "--wrapper", wrapper, "--json"]

    def status(self) -> list[dict[str, Any]]:
        """The pilots of ``tfce status``."""
        return list(self.run("status", self.name, "--json").json["pilots"])

    def audit(self) -> dict[str, Any]:
        """``tfce audit``."""
        return dict(self.run("audit", self.name, "--json").json)

    def parts(self, secrets: Credentials | None = None) -> Parts:
        """The same parts the command line uses, in this process."""
        os.environ[mirror_variable()] = str(self.mirror())
        return assemble(load_queue(self.cfg, self.name), secrets=secrets)


@dataclass
class Site(AnySite):
    """One (CE, queue) on an EC2 emulator behind a proxy of its own."""

    folder: Path
    emulator: Emulator
    proxy: Proxy
    ce: str = "cloud.example.org"
    queue: str = "long"
    options: dict[str, str] = field(default_factory=dict)

    def login(self) -> tuple[str, str]:
        return self.emulator.account, SECRET

    def mirror(self) -> Path:
        return mirror.ensure()

    def defaults(self) -> dict[str, str]:
        return {
            "CloudType": "EC2",
            "Driver_region": "us-east-1",
            "Driver_host": "127.0.0.1",
            "Driver_port": str(self.proxy.port),
            "Driver_secure": "False",
            "Instance_Image": "ami-1e749f67",
            "Instance_Flavor": "name:t3.micro",
            "Terraform_MaxRetries": "1",
        }

    # -- the cloud, from the side ---------------------------------------------------------------------------

    def instances(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        found = self.everything()
        return {
            i: (state, tags)
            for i, (state, tags) in found.items()
            if tags.get("tfce:ce") == self.ce and tags.get("tfce:queue") == self.queue
        }

    def everything(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        """Every VM in the account that is not gone."""
        return vms_of(self.emulator)

    def do(self, action: str, node_id: str) -> None:
        """StopInstances, TerminateInstances … on one VM, as its pilot or an administrator would."""
        self.emulator.call(action, **{"InstanceId.1": node_id.removeprefix("cloud://")})

    def stranger(self, tags: Mapping[str, str]) -> str:
        """A VM that tfce did not make."""
        given = {"ImageId": "ami-1e749f67", "MinCount": "1", "MaxCount": "1", "InstanceType": "t3.micro"}
        given["TagSpecification.1.ResourceType"] = "instance"
        for number, (name, value) in enumerate(tags.items(), 1):
            given[f"TagSpecification.1.Tag.{number}.Key"] = name
            given[f"TagSpecification.1.Tag.{number}.Value"] = value
        return self.emulator.call("RunInstances", **given).findtext("instancesSet/item/instanceId", "")


def vms_of(emulator: Emulator) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Every VM in an emulator's account that is not gone: id -> (state, tags)."""
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for item in _listed(emulator):
        state = item.findtext("instanceState/name", "")
        if state not in ("terminated", "shutting-down"):
            tags = {tag.findtext("key", ""): tag.findtext("value", "") for tag in item.iterfind("tagSet/item")}
            number = int(item.findtext("amiLaunchIndex", "0"))
            found[item.findtext("instanceId", "")] = (state, keyed(tags, number))
    return found


def _listed(emulator: Emulator) -> Iterator[ElementTree.Element]:
    page = {"MaxResults": "1000"}  # moto's own pages have 100
    while page:
        answer = emulator.call("DescribeInstances", **page)
        yield from answer.iterfind("reservationSet/item/instancesSet/item")
        token = answer.findtext("nextToken", "")
        page = {**page, "NextToken": token} if token else {}


def keyed(tags: Mapping[str, str], number: int) -> dict[str, str]:
    """``tags`` with the pilot's key, also of a VM that was asked for with others: worked out as its pilot does."""
    if "tfce:batch" not in tags:
        return dict(tags)
    stamp = hashlib.sha256(f"{tags['tfce:batch']}-{number}".encode()).hexdigest()[:8].upper()
    return {**tags, "tfce:key": stamp}


def mirror_variable() -> str:
    """The environment variable that names a provider mirror."""
    from tfce.terraform.providers import MIRROR_VARIABLE

    return MIRROR_VARIABLE
