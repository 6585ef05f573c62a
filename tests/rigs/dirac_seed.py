"""What the tests do to a DIRAC server that needs DIRAC itself; run by dirac_server.py in its environment.

proxy FOLDER: upload the pilot user's long proxy. active SITE CE…: let them be used. jobs NUMBER: let that many
jobs wait. set OPTION=VALUE…: change the Configuration Service.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from DIRAC.Core.Base.Script import Script

Script.registerArgument(["arguments: what to do and with what"], mandatory=False)
Script.parseCommandLine(ignoreErrors=True)
_ARGUMENTS = Script.getPositionalArgs()

from DIRAC.ConfigurationSystem.Client.ConfigurationData import gConfigurationData  # noqa: E402

from tests.rigs.dirac_server import PILOT_GROUP, VOMS_ROLE  # noqa: E402
from tests.rigs.dirac_x509 import PILOT_DN  # noqa: E402


def _check(result: Any) -> Any:
    if not result["OK"]:
        sys.exit(result["Message"])
    return result.get("Value")


def proxy(folder: str) -> None:
    """Upload a proxy of 30 days for the pilot user."""
    from DIRAC.Core.Security.X509Chain import X509Chain
    from DIRAC.FrameworkSystem.Client.ProxyManagerClient import gProxyManager

    chain, path = X509Chain(), f"{folder}/long.pem"
    _check(chain.loadChainFromFile(f"{folder}/usercert.pem"))
    _check(chain.loadKeyFromFile(f"{folder}/userkey.pem"))
    _check(chain.generateProxyToFile(path, 30 * 86400, strength=2048))
    gConfigurationData.setOptionInCFG("/DIRAC/Security/UseServerCertificate", "false")
    os.environ["X509_USER_PROXY"] = path
    uploaded = X509Chain()
    _check(uploaded.loadProxyFromFile(path))
    _check(gProxyManager.uploadProxy(uploaded))
    _voms(chain)


def _voms(user: Any) -> None:
    """Put a proxy where ProxyDB keeps those that a VOMS server has dressed: there is no VOMS server here."""
    from DIRAC.FrameworkSystem.DB.ProxyDB import ProxyDB

    made = _check(user.generateProxyToString(20 * 86400, diracGroup=PILOT_GROUP))
    text = made if isinstance(made, str) else made.decode()
    columns = "UserName, UserDN, UserGroup, VOMSAttr, Pem, ExpirationTime"
    values = "%s, %s, %s, %s, %s, TIMESTAMPADD(DAY, 19, UTC_TIMESTAMP())"
    request = f"REPLACE INTO ProxyDB_VOMSProxies ({columns}) VALUES ({values})"
    _check(ProxyDB()._update(request, args=("pilotuser", PILOT_DN, PILOT_GROUP, VOMS_ROLE, text)))


def active(site: str, *elements: str) -> None:
    """Say in the ResourceStatus system that a site and its CEs can be used."""
    from DIRAC.ResourceStatusSystem.Client.ResourceStatusClient import ResourceStatusClient

    now = datetime.utcnow().replace(microsecond=0)
    things = [("Site", "CLOUD", site)] + [("Resource", "ComputingElement", name) for name in elements]
    for element, kind, name in things:
        _check(
            ResourceStatusClient().addOrModifyStatusElement(
                element,
                "Status",
                name=name,
                statusType="all",
                status="Active",
                elementType=kind,
                reason="test",
                dateEffective=now,
                lastCheckTime=now,
                tokenOwner="rs_svc",
                tokenExpiration=now + timedelta(days=100),
            )
        )


def jobs(number: str) -> None:
    """Put jobs into the task queues."""
    from DIRAC.WorkloadManagementSystem.DB.TaskQueueDB import TaskQueueDB

    database = TaskQueueDB()
    for job in range(1, int(number) + 1):
        _check(database.insertJob(job, {"OwnerGroup": "dteam_user", "Owner": "pilotuser", "CPUTime": 5000}, 10))


def change(*changes: str) -> None:
    """Change options of the Configuration Service; an empty value removes one."""
    from DIRAC.ConfigurationSystem.Client.CSAPI import CSAPI

    api = CSAPI()
    _check(api.initialize())
    for item in changes:
        path, _, value = item.partition("=")
        _check(api.delOption(path) if not value else api.setOption(path, value))
    _check(api.commit())


if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {"proxy": proxy, "active": active, "jobs": jobs, "set": change}
    commands[_ARGUMENTS[0]](*_ARGUMENTS[1:])
