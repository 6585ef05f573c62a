"""A computing element in a process of its own that has DIRAC (``benchmarks/cloudce.py``), which is logged in."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Asked, Cost, memory
from tests.e2e.openstack.cloud import OpenStackSite
from tests.rigs import dirac
from tests.site import WRAPPER, mirror_variable

_OURS = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}  # this tree, whichever was installed last


class Element:
    """A computing element on the rig's cloud: DIRAC's own (``Cloud``), or ours (``Terraform``), which leaves its
    ``traces`` in a folder."""

    def __init__(self, kind: str, site: OpenStackSite, asked: Asked, traces: Path | None = None) -> None:
        self.kind, self._asked, self.site = kind, asked, site
        parameters = {**site.defaults(), **site.options, "Queue": site.queue, "CEType": kind}
        parameters |= _of_cloudce(site) if kind == "Cloud" else _of_ours(site)
        parameters |= {"Workspace_Trace": str(traces)} if traces else {}
        authority = parameters.get("Driver_ca_cert", "")
        if kind == "Cloud":
            parameters.pop("Driver_ca_cert")
        certificates = {"SSL_CERT_FILE": authority, "REQUESTS_CA_BUNDLE": authority}
        self._process = subprocess.Popen(
            [str(dirac.ensure("9.1")), str(Path(__file__).resolve().parent / "cloudce.py"), site.ce],
            env=dirac.environment("9.1") | certificates | _OURS | {mirror_variable(): str(site.mirror())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        (site.folder / "wrapper.sh").write_text(WRAPPER)
        self._send({**parameters, "wrapper": str(site.folder / "wrapper.sh")})
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
            raise SystemExit(f"CEType {self.kind} ended with {self._process.wait()} at {verb}")
        answer = json.loads(line)
        if not answer["ok"]:
            raise SystemExit(f"CEType {self.kind} could not {verb}: {answer['why']}")
        return Cost(answer["seconds"], self._asked() - before, peak()), answer["value"]

    def cost(self, verb: str, value: Any = None) -> Cost:
        """What ``verb`` costs."""
        cost, answer = self.do(verb, value)
        if verb == "submit" and len(answer) != value:
            raise SystemExit(f"CEType {self.kind} made {len(answer)} of {value}")
        return cost

    def close(self) -> None:
        """End its process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _of_cloudce(site: OpenStackSite) -> dict[str, str]:
    key, secret = site.login()
    plain = site.folder / "plain.auth"
    plain.write_text(f"[DEFAULT]\nkey = {key}\nsecret = {secret}\n")
    # With an older version libcloud asks nova's proxies, which are gone.
    return {"CloudAuth": str(plain), "Driver_api_version": "2.2"}


def _of_ours(site: OpenStackSite) -> dict[str, str]:
    auth, root = str(site.folder / "cloud.auth"), str(site.folder / "root")
    roomy = dict.fromkeys(("MaxTotalJobs", "MaxWaitingJobs"), "1000")  # DIRAC's defaults are 1
    ours = {"Workspace_Root": root, "Terraform_Module": "bulk", "Context_ProxyLifetime": "none"}
    return {"CloudAuth": auth, **ours, **roomy}
