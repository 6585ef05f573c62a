"""What the VM's guard leaves for the pilot is what DIRAC's own JobAgent looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tfce.config.data import data_path

# DIRAC's pilot starts its JobAgent in its working folder, with that as InstancePath.
AGENT = """
import sys
from DIRAC import gConfig
gConfig.setOptionValue("/LocalSite/InstancePath", sys.argv[1])
gConfig.setOptionValue("/DIRAC/Setup", "Test")
gConfig.setOptionValue("/DIRAC/Setups/Test/WorkloadManagement", "Test")
from DIRAC.Core.Utilities.File import mkDir
try:
    from DIRAC.WorkloadManagementSystem.Agent.JobAgent import JobAgent
except ModuleNotFoundError:  # what 8.0's needs comes with DIRACOS alone; this is where it has the file from
    from DIRAC.Core.Base.AgentModule import AgentModule as JobAgent
agent = JobAgent("WorkloadManagement/JobAgent", "WorkloadManagement/JobAgent")
mkDir(agent.am_getControlDirectory())
print(agent.am_checkStopAgentFile(), flush=True)
sys.stdin.readline()
print(agent.am_checkStopAgentFile(), flush=True)
"""


def test_the_job_agent_finds_the_file_in_whatever_folder_the_pilot_made(tmp_path: Path) -> None:
    work = tmp_path / "DIRAC_abcdefpilot"
    work.mkdir()
    command = [sys.executable, "-c", AGENT, str(work)]
    with subprocess.Popen(command, cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdin and agent.stdout
        assert agent.stdout.readline() == "False\n"
        drain = data_path("templates") / "default/drain.sh"
        subprocess.run(["sh", "-s"], stdin=drain.open(), check=True, timeout=60, cwd="/")
        print("look", file=agent.stdin, flush=True)
        assert agent.stdout.readline() == "True\n"
