"""DIRAC's CloudComputingElement in a process of its own (``benchmarks/cloudce.py``), which is logged in."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Asked, Cost, memory
from tests.e2e.openstack.cloud import OpenStackSite
from tests.rigs import dirac


class CloudCE:
    """DIRAC's element, on the same cloud as a site of ours."""

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
            [str(dirac.ensure("9.1")), str(Path(__file__).resolve().parent / "cloudce.py")],
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

    def cost(self, verb: str, value: Any = None) -> Cost:
        """What ``verb`` costs."""
        return self.do(verb, value)[0]

    def close(self) -> None:
        """End its process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
