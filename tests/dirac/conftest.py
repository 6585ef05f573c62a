"""Elements as DIRAC makes them, over a simulated cloud. Everything but the reference page needs DIRAC."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeCloud, FakeTerraform, Sky
from tests.rigs import dirac_x509
from tfce.app import Parts
from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.pilots.fleet import Fleet
from tfce.store.workspace import Workspace

collect_ignore: list[str] = []
if importlib.util.find_spec("DIRAC") is None:
    here = Path(__file__).parent
    collect_ignore = [p.name for p in here.glob("test_*.py") if p.name != "test_reference.py"] + ["server"]

CE = "cloud.example.org"
WRAPPER = b"#!/bin/bash\necho the pilot wrapper\n: -----BEGIN PRIVATE KEY-----\n"  # it brings a proxy
BARE = b"#!/bin/bash\necho the pilot wrapper\n"  # as before DIRAC 8.0.54


@dataclass
class Log:
    """What an element said: (level, fixed text, variable text)."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)

    def __getattr__(self, level: str) -> Callable[..., bool]:
        def say(text: object = "", more: object = "", **_: Any) -> bool:
            self.lines.append((level, str(text), str(more)))
            return True

        return say

    def at(self, *levels: str) -> list[str]:
        """The variable texts of some levels."""
        return [more for level, _, more in self.lines if level in levels]


@dataclass
class Site:
    """A DIRAC server's configuration and disk, and the cloud its elements reach."""

    folder: Path
    sky: Sky
    assembled: int = 0

    @property
    def wrapper(self) -> str:
        """The path of a pilot wrapper."""
        path = self.folder / "wrapper.sh"
        path.write_bytes(WRAPPER)
        return str(path)

    def options(self, **changes: Any) -> dict[str, Any]:
        """The parameters DIRAC hands to an element; a change to None leaves one out."""
        auth = self.folder / "cloud.auth"
        auth.touch(0o600)
        if not auth.read_text():
            auth.write_text('[DEFAULT]\nkey = "user"\nsecret = "planted-secret"\n')
        given = {
            "Queue": "long",
            "CloudType": "EC2",
            "CloudAuth": str(auth),
            "Instance_Image": "ami-1",
            "Instance_Flavor": "name:t3.micro",
            "MaxTotalJobs": "20",
            "MaxWaitingJobs": "10",
            "MaxRAM": "2048",
            "Workspace_Root": str(self.folder / "root"),
            "Workspace_LockTimeout": "1",
        } | changes
        return {name: value for name, value in given.items() if value is not None}

    def element(self, ce: str = CE, **changes: Any) -> Any:
        """A fresh element, made by DIRAC's own factory."""
        from DIRAC.Resources.Computing.ComputingElementFactory import ComputingElementFactory

        made = ComputingElementFactory().getCE("Terraform", ce, self.options(**changes))
        assert made["OK"], made
        made["Value"].log = Log()
        return made["Value"]

    def assemble(self, queue: Queue, secrets: Credentials) -> Parts:
        """What ``tfce.app.assemble`` does, with fakes."""
        self.assembled += 1
        workspace = Workspace(queue)
        terraform, cloud = FakeTerraform(workspace, self.sky), FakeCloud(self.sky)
        fleet = Fleet(workspace, terraform, cloud, self.sky.clock)
        return Parts(workspace, secrets, terraform, cloud, fleet)  # type: ignore[arg-type]


REGISTRY = f"""
DIRAC
{{
  Setup = Test
  Setups
  {{
    Test
    {{
      WorkloadManagement = Test
      Framework = Test
      Configuration = Test
    }}
  }}
}}
Registry
{{
  DefaultGroup = dteam_pilot
  Users
  {{
    pilotuser
    {{
      DN = {dirac_x509.PILOT_DN}
    }}
  }}
  Groups
  {{
    dteam_pilot
    {{
      VO = dteam
      Users = pilotuser
      Properties = GenericPilot, LimitedDelegation
    }}
  }}
}}
DiracX
{{
  DisabledVOs = dteam
}}
"""


@pytest.fixture(scope="session", autouse=True)
def configuration(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The part of the Configuration Service that every test may need."""
    if importlib.util.find_spec("DIRAC") is None:
        return
    from DIRAC import gConfig

    path = tmp_path_factory.mktemp("cs") / "dirac.cfg"
    path.write_text(REGISTRY)
    assert gConfig.loadFile(str(path))["OK"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose elements reach a ``Sky``."""
    from tfce.Resources.Computing.TerraformComputingElement import TerraformComputingElement

    made = Site(tmp_path, Sky())
    monkeypatch.setattr(TerraformComputingElement, "_assemble", staticmethod(made.assemble))
    yield made
