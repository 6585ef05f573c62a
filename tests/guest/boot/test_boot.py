"""Pilots on VMs that boot: what they find there is what was sent, and every machine ends, whatever happens."""

from __future__ import annotations

import hashlib

import pytest

from tests.checking import consistent, until
from tests.claims import some
from tests.guest.boot.batch import DIES, HANGS, PROXY, Batch, Flight, report, uptime

pytestmark = pytest.mark.timeout(1800)  # the first test waits for all VMs

OFF = "reboot: Power down"
ARMED = "running 'init' at"  # the stage that runs bootcmd
SHORTEST = 0.9  # of a lifetime: each machine has its own, up to a tenth shorter
SLACK = 90.0  # seconds between the end of a sleep and the power's, on a machine that has other things to do


def ended(flight: Flight) -> None:
    """tfce sees that the pilots are done, and takes their VMs away."""
    for console in flight.consoles.values():
        assert "Waiting for process" not in console, "systemd waited for something that ignores SIGTERM"
    fleet = flight.site.parts().fleet
    assert fleet.poll(flight.references) == dict.fromkeys(flight.references, "Done")
    reaped = flight.site.run("reap", flight.site.name, "--json").json
    assert sorted(removed["reference"] for removed in reaped["removed"]) == sorted(flight.references)
    assert {removed["reason"] for removed in reaped["removed"]} == {"stopped"}
    until(lambda: not flight.site.servers(), "the VMs are gone")
    consistent(flight.site, 0)
    assert fleet.poll(flight.references) == dict.fromkeys(flight.references, "Done")


@pytest.mark.parametrize(("queue", "count", "code"), [("native", 1, 3), ("bulk", 2, 0)])
def test_pilots_find_on_their_machine_what_they_were_sent(batch: Batch, queue: str, count: int, code: int) -> None:
    flight = batch[queue]
    assert len(set(flight.stamps.values())) == count
    for reference, stamp in flight.stamps.items():
        console = flight.consoles[reference]
        seen = report(console)
        assert seen, console[-3000:]
        assert seen["uuid"] == reference
        assert seen["stamp"] == stamp
        assert seen["wrapper"] == hashlib.sha256(flight.wrapper).hexdigest()
        assert seen["id"].endswith("(dirac)") and seen["id"].count("(dirac)") == 3, "user, group, no other group"
        assert seen["where"] == "/mnt/dirac home=/mnt/dirac"
        assert seen["rights run_pilot.sh"] == "700 dirac:dirac"
        assert seen["rights startup.sh"] == "755 root:root"
        assert (seen["init"], seen["closed"]) == ("systemd", "1")
        assert "Permission denied" in seen["locked"]
        assert f"tfce: pilot {stamp} ended, exit code {code}, after " in console
        assert uptime(console, OFF) - uptime(console, f"tfce: pilot {stamp} ended") < SLACK
    ended(flight)


def test_only_the_pilot_can_read_its_proxy(batch: Batch) -> None:
    for console in some(batch["native"].consoles.values()):
        seen = report(console)
        assert seen["proxy"] == "/mnt/proxy.pem"
        assert seen["proxysum"] == hashlib.sha256(PROXY).hexdigest()
        assert seen["rights proxy.pem"] == "600 dirac:dirac"
        assert seen["leaks"] == "/mnt/proxy.pem"
        assert "THE-PLANTED-SECRET" not in console
    for console in some(batch["bulk"].consoles.values()):
        seen = report(console)
        assert (seen["proxy"], seen["leaks"]) == ("", "")
        assert "rights proxy.pem" not in seen


def test_a_pilot_that_hangs_ends_with_its_lifetime(batch: Batch) -> None:
    flight = batch["hangs"]
    console = flight.console()
    (stamp,) = flight.stamps.values()
    assert f"tfce: pilot {stamp} starts" in console
    assert SHORTEST * HANGS <= uptime(console, OFF) - uptime(console, ARMED) < HANGS + SLACK
    ended(flight)


def test_a_machine_that_starts_again_is_guarded_again_and_ends(batch: Batch) -> None:
    flight = batch["reboots"]
    console = flight.console()
    (stamp,) = flight.stamps.values()
    assert console.count(f"tfce: pilot {stamp} starts") == 1
    assert "again: 1 active" in console.rpartition("reboot: Restarting system")[2]
    assert "tfce: stage=end status=failed code=124" in console
    ended(flight)


def test_a_machine_whose_pilot_script_is_lost_is_switched_off_by_cloud_init(batch: Batch) -> None:
    console = batch["lost"].console()
    assert "gone.sh: No such file" in console
    assert "tfce: pilot" not in console
    assert uptime(console, OFF) - uptime(console, r"Cloud-init v.*finished at") < SLACK
    ended(batch["lost"])


def test_a_cloud_init_that_is_killed_leaves_the_watchdog(batch: Batch) -> None:
    console = batch["dies"].console()
    assert "tfce: pilot" not in console
    assert "finished at" not in console
    assert SHORTEST * DIES <= uptime(console, OFF) - uptime(console, ARMED) < DIES + SLACK
    ended(batch["dies"])
