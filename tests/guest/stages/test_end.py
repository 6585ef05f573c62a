"""A good end: the pilot is asked to take no further job before its machine ends, and is given the time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guest.stages.test_boot import KEY, PREPARED
from tests.rigs import cloudinit
from tfce.config.capabilities import NOVA as OPENSTACK
from tfce.userdata.document import Recipe, render

# Stands for DIRAC's pilot: a folder of its own with any name, in which a JobAgent works and looks for its file.
OBEYS = b"""#!/bin/bash
cd "$(mktemp -d ./DIRAC_XXXXXXpilot)" || exit 1
mkdir -p control/WorkloadManagement/JobAgent
(
  until [ -e control/WorkloadManagement/JobAgent/stop_agent ]; do sleep 1; done
  echo "asked=$(stat -c %U control/WorkloadManagement/JobAgent/stop_agent)"
)
"""
DEAF = b"""#!/bin/bash
mkdir -p control/WorkloadManagement/JobAgent
mkfifo control/WorkloadManagement/JobAgent/stop_agent
for n in $(seq 40); do (exec sleep infinity) & done
wait
"""
WORKS = b"#!/bin/bash\nmkdir -p control/WorkloadManagement/JobAgent\nsleep 8\nls control/*/*\n"

PROPERTY = ("openstack/latest/meta_data.json", '{"uuid": "1", "meta": {"tfce_ce": "a", "tfce_drain": "yes"}}')
OTHER = ("openstack/latest/meta_data.json", '{"uuid": "1", "meta": {"tfce_ce": "a"}}')
SPOT = ("latest/meta-data/spot/instance-action", '{"action": "terminate", "time": "2026-01-01T00:00:00Z"}')
TAG = ("latest/meta-data/tags/instance/tfce_drain", "yes")


def boot(folder: Path, wrapper: bytes, recipe: Recipe, served: tuple[str, str] | None = None) -> cloudinit.Boot:
    www = folder / "www"
    www.mkdir()
    if served:
        (www / served[0]).parent.mkdir(parents=True)
        (www / served[0]).write_text(served[1])
    data = render(recipe, key=KEY, wrapper=wrapper).data
    return cloudinit.boot(folder / "machine", data, www=www)


def recipe(lifetime: int, margin: int, cloud: str = "") -> Recipe:
    return Recipe(PREPARED, (), lifetime, OPENSTACK, drain_margin=margin, cloud=cloud)


def obeyed(ended: cloudinit.Boot) -> None:
    assert "asked=dirac" in ended.read("/mnt/startup.log")
    assert f"tfce: pilot {KEY} ended, exit code 0" in ended.console
    assert ended.power.startswith("poweroff  by bash /root/pilot.sh")


def test_a_pilot_is_asked_to_take_no_further_job_before_the_end(tmp_path: Path) -> None:
    obeyed(boot(tmp_path, OBEYS, recipe(80, 70)))


@pytest.mark.parametrize(
    ("cloud", "served"), [("OPENSTACK", PROPERTY), ("EC2", TAG), ("EC2", SPOT)], ids=["property", "tag", "spot"]
)
def test_the_cloud_can_tell_a_machine_that_it_is_to_end(
    tmp_path: Path, cloud: str, served: tuple[str, str]
) -> None:
    obeyed(boot(tmp_path, OBEYS, recipe(3600, 120, cloud), served))


def test_the_power_goes_off_only_after_the_margin_and_a_deaf_pilot_cannot_delay_it(tmp_path: Path) -> None:
    ended = boot(tmp_path, DEAF, recipe(3600, 12, "EC2"), SPOT)
    assert ended.power.startswith("poweroff  by sh /etc/tfce/guard 3600 3600 12")
    assert f"tfce: pilot {KEY} starts" in ended.console
    assert "ended, exit code" not in ended.console


def test_who_is_not_told_works_on(tmp_path: Path) -> None:
    ended = boot(tmp_path, WORKS, recipe(3600, 120, "OPENSTACK"), OTHER)
    assert "stop_agent" not in ended.read("/mnt/startup.log")
    assert re.search(r"ended, exit code 0, after \d+ s", ended.console)
