"""``tfce demo``: the main job on an emulated cloud, shown step by step.

Pilots go through the code that the computing element's submitJob calls. Everything lives in a temporary folder
and is gone at the end, also after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tfce.app import Parts, assemble
from tfce.cli.emulator import Emulator, started
from tfce.cli.show import table
from tfce.cli.tables import audit_table, cost, status_rows, status_table, submission_table, sweep_table
from tfce.config.cfg import load_queue
from tfce.model.errors import TfceError
from tfce.model.pilot import instance_id

QUEUE = "cloud.example.org/long"
CFG = """\
CEs
{{
  cloud.example.org
  {{
    CEType = Terraform
    CloudType = EC2
    CloudAuth = {folder}/cloud.auth
    Driver_region = us-east-1
    Driver_host = 127.0.0.1
    Driver_port = {port}
    Driver_secure = False
    Instance_Image = name:ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20170727
    Instance_Flavor = name:t3.micro
    Workspace_Root = {folder}/root
    Queues
    {{
      long
      {{
        maxCPUTime = 1440
      }}
    }}
  }}
}}
"""
WRAPPER = b"#!/bin/bash\necho this would be a DIRAC pilot wrapper\n"
_BEGUN = time.monotonic()


def say(text: str) -> None:
    """A line about what happens, with the seconds since the start."""
    print(f"\n[{time.monotonic() - _BEGUN:5.1f} s] {text}", flush=True)


def demonstrate(port: int | None = None) -> int:
    """All steps, in a folder that is removed afterwards; the exit code, 0 if everything came out as it should.

    ``port``: an EC2 emulator that listens on 127.0.0.1; moto is started unless given.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="tfce-demo-") as name:
            return _in(Path(name), port)
    except TfceError as error:
        print(f"\nthe demo failed: {error.message}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted; the emulated cloud is stopped and the demo's folder removed")
        return 130


def _in(folder: Path, port: int | None) -> int:
    say("preparing: an EC2 cloud on this machine")
    with contextlib.nullcontext(Emulator(port)) if port else started(folder) as cloud:
        say(f"an EC2 cloud answers at {cloud.url}; the example queue, as in DIRAC's Configuration Service:")
        text = CFG.format(folder=folder, port=cloud.port)
        (folder / "site.cfg").write_text(text)
        print(text)
        (folder / "cloud.auth").touch(0o600)
        (folder / "cloud.auth").write_text('[DEFAULT]\nkey = "demo"\nsecret = "embedded-cloud"\n')
        parts = assemble(load_queue(folder / "site.cfg", QUEUE), announce=lambda line: print(f"    {line}"))
        return Demo(cloud, parts).run()


class Demo:
    """The steps, and what each of them cost."""

    def __init__(self, cloud: Emulator, parts: Parts) -> None:
        self._cloud, self._parts, self._fleet = cloud, parts, parts.fleet
        self._costs: list[tuple[str, int, str]] = []

    def run(self) -> int:
        """Submit, poll, let things happen, reap, audit."""
        stranger = self._stranger()
        say("submitting 3 pilots")
        submission = self._fleet.submit(WRAPPER, 3, progress=lambda line: print(f"    {line}", flush=True))
        print(submission_table(submission))
        if submission.stopped:
            raise KeyboardInterrupt
        self._note("submit 3", submission.calls, submission.seconds)
        references = submission.references

        say("what an operator's `terraform plan` says now")
        print(self._parts.terraform.plan().text.strip())
        self._status("status", "all three pilots run")

        say(f"the pilot {submission.stamps[references[0]]} ends: its VM powers itself off")
        self._cloud.call("StopInstances", **{"InstanceId.1": instance_id(references[0])})
        self._status("poll", "what DIRAC's poll sees")

        say("the reaper's sweep: what goes, and why")
        sweep = self._fleet.reap()
        print(sweep_table(sweep))
        self._note("reap", sweep.calls, sweep.seconds)

        say(f"an operator ends the pilot {submission.stamps[references[1]]}")
        killed = self._fleet.kill(references[1:2])
        print(sweep_table(killed))
        self._note("kill", killed.calls, killed.seconds)

        agreed = self._audited(references, stranger)
        print("\nWhat each step cost\n" + table(("STEP", "API CALLS", "WHICH"), self._costs))
        say("done; the demo's folder is removed")
        ended = len(sweep.removed) == len(killed.removed) == 1
        return 0 if agreed and ended and not submission.failed else 1

    def _audited(self, references: list[str], stranger: str) -> bool:
        say("the audit: record, Terraform state and cloud side by side")
        rows = self._fleet.audit(references)
        print(audit_table(rows))
        mismatches = sum(row.mismatch for row in rows)
        stands = self._stranger_state(stranger)
        plan = self._parts.terraform.plan()
        print(f"\n{mismatches} mismatches; the stranger's VM {stranger} is {stands}; ", end="")
        print("Terraform's plan is " + ("empty" if plan.empty else f"NOT empty:\n{plan.text}"))
        return not mismatches and stands == "running" and plan.empty

    def _stranger(self) -> str:
        say("a stranger starts a VM with a name like ours in the same account")
        given = {"ImageId": "ami-1e749f67", "MinCount": "1", "MaxCount": "1", "InstanceType": "t3.micro"}
        tag = {"ResourceType": "instance", "Tag.1.Key": "Name", "Tag.1.Value": "tfce-0123ABCD"}
        given |= {f"TagSpecification.1.{name}": value for name, value in tag.items()}
        return self._cloud.call("RunInstances", **given).findtext("instancesSet/item/instanceId", "")

    def _stranger_state(self, node_id: str) -> str:
        answer = self._cloud.call("DescribeInstances", **{"InstanceId.1": node_id})
        return answer.findtext("reservationSet/item/instancesSet/item/instanceState/name", "gone")

    def _status(self, step: str, text: str) -> None:
        say(text)
        cloud = self._parts.cloud
        before, begun = cloud.calls.copy(), time.monotonic()
        print(status_table(status_rows(self._parts.workspace.queue, self._parts.fleet.status())))
        self._note(step, cloud.calls - before, time.monotonic() - begun)

    def _note(self, step: str, calls: Mapping[str, int], seconds: float) -> None:
        self._costs.append((step, sum(calls.values()), cost(dict(calls), seconds)))
