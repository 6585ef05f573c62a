"""CloudStack's API, as far as libcloud's driver asks: https://cloudstack.apache.org/api/

Long calls answer with a job that is asked for its result; requests are signed over all their parameters. The
driver sends user data in the URL, where the API takes 4096 characters of base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.rigs.clouds.base import Answer, Ask, Machine, RestCloud, decoded

TEMPLATE = Path(__file__).resolve().parent / "small.yaml"
_TEMPLATE = {"hypervisor": "KVM", "format": "QCOW2", "ostypename": "Debian 12", "displaytext": "", "size": 1}
_LISTS = {
    "listzones": {"zone": [{"id": "z-1", "name": "one"}]},
    "listtemplates": {"template": [_TEMPLATE | {"id": f"t-{n}", "name": f"image {n}"} for n in (1, 2, 3)]},
    "listserviceofferings": {
        "serviceoffering": [{"id": f"s-{n}", "name": f"size {n}", "cpunumber": n, "memory": 512} for n in (1, 2)]
    },
    "listpublicipaddresses": {},
    "listportforwardingrules": {},
    "listipforwardingrules": {},
}
_UNKNOWN = "Invalid parameter id due to incorrect long value format, or entity does not exist"


class CloudStack(RestCloud):
    """Virtual machines."""

    KEY = "planted-key"
    image, flavor, other = "t-2", "s-1", "name:size 2"

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict[str, Any]] = {}

    def options(self) -> dict[str, str]:
        vm = {"Instance_Image": "name:image 2", "Instance_Flavor": "name:size 1"}
        small = {"Context_Template": str(TEMPLATE)}
        return {"CloudType": "CLOUDSTACK", "Driver_path": "/client/api", **self.here(), **vm, **small}

    def login(self) -> tuple[str, str]:
        return self.KEY, self.TOKEN

    def allowed(self, ask: Ask) -> bool:
        return ask.query.get("apiKey") == self.KEY and ask.query.get("signature") == signature(
            ask.query, self.TOKEN
        )

    def answer(self, ask: Ask) -> Answer:
        command = ask.query["command"].lower()
        if command in _LISTS:
            return 200, {f"{command}response": _LISTS[command]}
        if command == "listvirtualmachines":
            return self._listed(ask.query.get("id"), f"{command}response")
        if command == "queryasyncjobresult":
            return 200, {f"{command}response": self.jobs[ask.query["jobid"]]}
        return 200, {f"{command}response": {"jobid": self._job(command, ask.query)}}

    def _listed(self, one: str | None, name: str) -> Answer:
        if one is not None and one not in self.machines:
            return 431, {name: {"errorcode": 431, "errortext": _UNKNOWN}}
        shown = self.sorted() if one is None else [self.machines[one]]
        return 200, {name: {"virtualmachine": [_machine(one) for one in shown]}}

    def _job(self, command: str, asked: Mapping[str, str]) -> str:
        done = self._deploy(asked) if command == "deployvirtualmachine" else self._destroy(asked["id"])
        number = str(len(self.jobs) + 1)
        failed = "errortext" in done
        self.jobs[number] = {"jobid": number, "jobstatus": 2 if failed else 1, "jobresult": done}
        return number

    def _deploy(self, asked: Mapping[str, str]) -> dict[str, Any]:
        if self.full or len(asked["userdata"]) > 4096:
            return {"errorcode": 533, "errortext": self.full or "User data has exceeded allowable length"}
        data = decoded(asked["userdata"])
        made = self.add(asked["name"], asked["templateid"], asked["serviceofferingid"], asked["zoneid"], data)
        made.running = asked.get("startvm", "true").lower() == "true"
        return {"virtualmachine": _machine(made)}

    def _destroy(self, one: str) -> dict[str, Any]:
        gone = self.machines.pop(one, None)
        return {"virtualmachine": _machine(gone)} if gone else {"errorcode": 431, "errortext": "unknown id"}

    def identity(self, number: int) -> str:
        return f"5c2ba2b4-8bb5-4a1c-9b9e-{number:012d}"


def _machine(machine: Machine) -> dict[str, Any]:
    state = "Running" if machine.running else "Stopped"
    created = machine.created.strftime("%Y-%m-%dT%H:%M:%S+0000")
    return {"id": machine.id, "name": machine.name, "state": state, "created": created, "nic": []}


def signature(query: Mapping[str, str], secret: str) -> str:
    """What the API documents: the sorted, encoded, lower-case parameters, keyed by the secret."""
    named = sorted((name.lower(), quote(text, safe="*[]")) for name, text in query.items() if name != "signature")
    text = "&".join(f"{name}={value}" for name, value in named).lower().replace("+", "%20")
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha1)).decode()
