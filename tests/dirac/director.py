"""DIRAC's own SiteDirector, as an object and without a server: its database and its clients are in memory."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import DIRAC
from DIRAC import S_OK, gConfig
from DIRAC.ConfigurationSystem.Client.Helpers.Resources import getQueues
from DIRAC.WorkloadManagementSystem.Agent import SiteDirector
from DIRAC.WorkloadManagementSystem.Client import PilotStatus
from DIRAC.WorkloadManagementSystem.Utilities.QueueUtilities import getQueuesResolved

from tests.rigs import dirac_cfg, dirac_x509

OLD = DIRAC.version.startswith("8.")
GROUP = "dteam_pilot"


class Pilots:
    """What SiteDirector asks of PilotAgentsDB."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def states(self) -> dict[str, str]:
        """The status of each pilot by reference."""
        return {reference: row["Status"] for reference, row in self.rows.items()}

    def _select(self, wanted: Mapping[str, Any]) -> list[str]:
        known = {
            name: value for name, value in wanted.items() if name not in ("TaskQueueID", "OwnerDN", "OwnerGroup")
        }
        return [
            reference
            for reference, row in self.rows.items()
            if all(row[k] in v if isinstance(v, (list, tuple)) else row[k] == v for k, v in known.items())
        ]

    def selectPilots(self, wanted: Mapping[str, Any]) -> Any:  # noqa: N802
        return S_OK(self._select(wanted))

    def countPilots(self, wanted: Mapping[str, Any], *_: Any) -> Any:  # noqa: N802
        return S_OK(len(self._select(wanted)))

    def getPilotInfo(self, references: list[str]) -> Any:  # noqa: N802
        return S_OK({reference: dict(self.rows[reference]) for reference in references})

    def addPilotReferences(self, references: list[str], vo: str, kind: str, stamps: Mapping[str, str]) -> Any:  # noqa: N802
        for reference in references:
            assert reference not in self.rows, "the database refuses a reference it has"
            self.rows[reference] = {
                "GridType": kind,
                "VO": vo,
                "PilotStamp": stamps.get(reference, ""),
                "Status": PilotStatus.SUBMITTED,
                "DestinationSite": "",
                "Queue": "",
                "GridSite": "",
                "LastUpdateTime": datetime.utcnow(),
                "OutputReady": "False",
            }
        return S_OK()

    def addPilotTQReference(  # noqa: N802
        self, references: list[str], tq: int, dn: str, group: str, broker: str, kind: str, stamps: Any
    ) -> Any:
        return self.addPilotReferences(references, "dteam", kind, stamps)

    def setPilotStatus(  # noqa: N802
        self, reference: str, status: str, destination: str = "", reason: str = "", site: str = "", queue: str = ""
    ) -> Any:
        row = self.rows[reference]
        row["Status"] = status
        for name, value in (("DestinationSite", destination), ("GridSite", site), ("Queue", queue)):
            row[name] = value or row[name]
        return S_OK()


class Matcher:
    """The Matcher's client: so many jobs wait that no pilot has taken."""

    def __init__(self) -> None:
        self.jobs = 0

    def getMatchingTaskQueues(self, description: Mapping[str, Any]) -> Any:  # noqa: N802
        if not self.jobs:
            return S_OK({})
        return S_OK({1: {"Jobs": self.jobs, "Priority": 1.0, "OwnerGroup": GROUP, "Sites": []}})


class Director:
    """A SiteDirector over one site of the configuration."""

    def __init__(self, site: str, folder: Path, issuer: Any, monkeypatch: Any) -> None:
        self.site = site
        self.pilots, self.matcher = Pilots(), Matcher()
        self.agent = SiteDirector.SiteDirector(
            "WorkloadManagement/SiteDirector", "WorkloadManagement/SiteDirector"
        )
        self.agent.pilotAgentsDB, self.agent.matcherClient = self.pilots, self.matcher
        self.agent.vo, self.agent.pilotDN, self.agent.pilotGroup = "dteam", dirac_x509.PILOT_DN, GROUP
        self.agent.workingDirectory = str(folder)
        self.agent.sendAccounting = self.agent.sendSubmissionAccounting = False
        self.agent.siteMaskList = [site]
        self.agent.availableSlotsUpdateCycleFactor = 1
        for name in ("getPilotProxyFromDIRACGroup", "downloadProxy"):
            monkeypatch.setattr(SiteDirector.gProxyManager, name, lambda *_, **__: S_OK(issuer.proxy(86400)))

    def configure(self) -> list[str]:
        """Read the configuration, as each cycle does; the queues in use."""
        sites = getQueues(community="dteam", siteList=[self.site], ceTypeList=["Terraform"])
        assert sites["OK"], sites
        names = {"gridEnv": "", "setup": "Test"} if OLD else {"vo": "dteam"}
        resolved = getQueuesResolved(
            siteDict=sites["Value"], queueCECache=self.agent.queueCECache, instantiateCEs=True, **names
        )
        assert resolved["OK"], resolved
        self.agent.queueDict = resolved["Value"]
        return list(self.agent.queueDict)

    def element(self, queue: str) -> Any:
        """The element of a queue."""
        return self.agent.queueDict[queue]["CE"]

    def cycle(self) -> dict[str, str]:
        """One cycle: submit, clean up and poll; the pilots' states afterwards."""
        self.configure()
        self.agent.queueSlots = {}
        self.submit()
        (self.agent.updatePilotStatus if OLD else self.agent.monitorPilots)()
        return self.pilots.states()

    def submit(self) -> Any:
        """Only submit."""
        random.seed(1)
        return self.agent.submitPilots()


def load(folder: Path, site: str, elements: Mapping[str, Mapping[str, Any]]) -> None:
    """Put a site with CEs into the configuration; ``elements``: their options, those of queues in "Queues"."""
    path = folder / f"{site}.cfg"
    tree = {"Resources": {"Sites": {"CLOUD": {site: {"CEs": elements}}}}}
    path.write_text(dirac_cfg.dump(tree))
    result = gConfig.loadFile(str(path))
    assert result["OK"], result
