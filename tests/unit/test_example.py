"""The example workspace is what tfce would write."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.claims import some
from tfce.config import options
from tfce.model.pilot import Pilot, moment, scale_text
from tfce.review import shape
from tfce.store.review_copies import ReviewCopies

FOLDER = Path(__file__).resolve().parents[2] / "workspaces"
OPTIONS = {
    "CloudType": "EC2",
    "Driver_region": "eu-west-1",
    "Instance_Image": "name:debian-12-amd64-20250814-2204",
    "Instance_Flavor": "name:t3.medium",
    "Instance_SSHKey": "operators",
}


def bare(text: str) -> str:
    """Without digests, which follow every change of a module or template."""
    return re.sub(r'"[0-9a-f]{64}"', '"..."', text)


def test_the_example_is_up_to_date() -> None:
    queue = options.parse("cloudprov.mysite.example", "long", OPTIONS, Path("/opt/dirac"), Path("/var/lib/tfce"))
    copies = ReviewCopies(FOLDER, queue.ce, queue.name)
    for name, wanted in some(shape.texts(queue).items()):
        assert bare(copies.path(name).read_text()) == bare(wanted)
    text = copies.scale.read_text()
    pilots = {
        key: Pilot(key, moment(one["born"]), one["submission"]) for key, one in json.loads(text)["pilots"].items()
    }
    assert pilots and scale_text(pilots, "3f9a1c07be52") == text
