"""The example workspace is what tfce would write."""

from __future__ import annotations

import json
from pathlib import Path

from tfce.config import options
from tfce.model.pilot import Pilot, moment, scale_text
from tfce.model.vm import Owner
from tfce.terraform import variables

FOLDER = Path(__file__).resolve().parents[2] / "workspaces" / "cloudprov.mysite.example" / "long"
OPTIONS = {
    "CloudType": "EC2",
    "Driver_region": "eu-west-1",
    "Instance_Image": "name:debian-12-amd64-20250814-2204",
    "Instance_Flavor": "name:t3.medium",
    "Instance_SSHKey": "operators",
}


def test_the_example_is_up_to_date() -> None:
    queue = options.parse("cloudprov.mysite.example", "long", OPTIONS, Path("/opt/dirac"), Path("/var/lib/tfce"))
    owner = Owner("3f9a1c07be52", queue.ce, queue.name)
    assert (FOLDER / "queue.tfvars").read_text() == variables.render(queue, owner)
    text = (FOLDER / "scale.tfvars.json").read_text()
    pilots = {
        key: Pilot(key, moment(one["born"]), one["submission"]) for key, one in json.loads(text)["pilots"].items()
    }
    assert pilots and scale_text(pilots) == text
