"""Limits, cooling down and VMs that CloudCE left: as DIRAC sees them, over a simulated cloud."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.claims import every, subset
from tests.dirac.conftest import CE, Site
from tests.fakes import FakeCloud, Refused
from tfce.model.errors import CloudError, ConfigError, TerraformError
from tfce.model.vm import State
from tfce.pilots import migration

FULL = Refused("InsufficientInstanceCapacity: none left")


# -- MaxTotalJobs and MaxWaitingJobs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "waiting", "asked", "come"), [("5", "9", 8, 5), ("9", "3", 8, 3), ("5", "5", 4, 4)]
)
def test_a_submission_stays_within_both(site: Site, total: str, waiting: str, asked: int, come: int) -> None:
    site.sky.boot_seconds = 100
    element = site.element(MaxTotalJobs=total, MaxWaitingJobs=waiting)
    result = element.submitJob(site.wrapper, "", asked)
    assert len(result["Value"]) == come
    assert len(element.log.at("info")) == (1 if come < asked else 0)


def test_at_the_limit_nothing_is_asked_and_it_is_no_error(site: Site) -> None:
    element = site.element(MaxTotalJobs="2")
    assert len(element.submitJob(site.wrapper, "", 2)["Value"]) == 2
    result = element.submitJob(site.wrapper, "", 1)
    assert result["OK"] and result["Value"] == [] and result["PilotStampDict"] == {}
    assert len(site.sky.vms) == 2
    assert "MaxTotalJobs = 2, 2 are there" in element.log.at("info")[-1]


def test_running_vms_leave_room_for_waiting_ones_and_ended_ones_for_all(site: Site) -> None:
    site.sky.boot_seconds = 100
    element = site.element(MaxTotalJobs="4", MaxWaitingJobs="2")
    first = element.submitJob(site.wrapper, "", 4)["Value"]
    assert len(first) == 2
    site.sky.clock.advance(100)
    assert len(element.submitJob(site.wrapper, "", 4)["Value"]) == 2
    site.sky.clock.advance(100)
    assert element.submitJob(site.wrapper, "", 1)["Value"] == []
    site.sky.stop(first[0].removeprefix("cloud://"))
    assert len(element.submitJob(site.wrapper, "", 4)["Value"]) == 1


def test_vms_that_the_list_does_not_show_yet_are_counted(site: Site) -> None:
    element = site.element(MaxTotalJobs="3")
    for reference in element.submitJob(site.wrapper, "", 2)["Value"]:
        site.sky.hidden.add(reference.removeprefix("cloud://"))
    assert len(element.submitJob(site.wrapper, "", 5)["Value"]) == 1


def test_two_site_directors_at_once_stay_within_the_limit(site: Site) -> None:
    options = {"MaxTotalJobs": "5", "MaxWaitingJobs": "5", "Workspace_LockTimeout": "60"}
    wrapper, results = site.wrapper, list[Any]()
    together = threading.Barrier(4)

    def submit() -> None:
        element = site.element(**options)
        together.wait(30)
        results.append(element.submitJob(wrapper, "", 3))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert every(result["OK"] for result in results)
    assert sum(len(result["Value"]) for result in results) == len(site.sky.vms) == 5


# -- cooling down ------------------------------------------------------------------------------------------


def failing(element: Any, site: Site) -> Any:
    site.sky.at("create", FULL, times=1)
    return element.submitJob(site.wrapper, "", 1)


def asked(site: Site) -> int:
    return sum(1 for step, _ in site.sky.steps if step == "create")


def test_a_queue_without_room_cools_down_and_recovers_by_itself(site: Site) -> None:
    element = site.element(Workspace_Cooldown="600")
    assert not failing(element, site)["OK"]
    assert not failing(element, site)["OK"]  # one failure is not yet a habit
    before = asked(site)
    result = site.element(Workspace_Cooldown="600").submitJob(site.wrapper, "", 1)
    assert result["OK"] and result["Value"] == [] and asked(site) == before
    assert element.submitJob(site.wrapper, "", 1)["Value"] == []
    (said,) = element.log.at("info")
    assert said.startswith(f"{CE}/long: cools down until 2026-01-01T00:10:00Z after 2 failures in a row: Insuff")
    site.sky.clock.advance(600)
    assert len(element.submitJob(site.wrapper, "", 1)["Value"]) == 1
    assert len(element.submitJob(site.wrapper, "", 1)["Value"]) == 1


def test_each_further_failure_doubles_the_rest_up_to_eight_times(site: Site) -> None:
    element = site.element(Workspace_Cooldown="100")
    failing(element, site)
    for seconds in (100, 200, 400, 800, 800):
        assert not failing(element, site)["OK"]
        site.sky.clock.advance(seconds - 1)
        assert element.submitJob(site.wrapper, "", 1)["Value"] == []
        site.sky.clock.advance(1)


def test_a_success_between_two_failures_starts_anew(site: Site) -> None:
    element = site.element()
    failing(element, site)
    assert element.submitJob(site.wrapper, "", 1)["OK"]
    failing(element, site)
    assert len(element.submitJob(site.wrapper, "", 1)["Value"]) == 1


@pytest.mark.parametrize("reason", ["AuthFailure", "InvalidAMIID.NotFound"])
def test_other_failures_do_not_cool(site: Site, reason: str) -> None:
    element = site.element()
    for _ in range(3):
        site.sky.at("create", Refused(reason))
        assert not element.submitJob(site.wrapper, "", 1)["OK"]
    assert asked(site) == 3


def test_it_can_be_switched_off(site: Site) -> None:
    element = site.element(Workspace_Cooldown="0")
    for _ in range(4):
        assert not failing(element, site)["OK"]
    assert asked(site) == 4


def test_cooling_stops_neither_polls_nor_reaping_nor_other_queues(site: Site) -> None:
    element = site.element()
    (pilot,) = element.submitJob(site.wrapper, "", 1)["Value"]
    failing(element, site)
    failing(element, site)
    assert element.getJobStatus([pilot])["Value"] == {pilot: "Running"}
    site.sky.stop(pilot.removeprefix("cloud://"))
    assert element.cleanupPilots()["OK"] and not site.sky.living()
    assert len(site.element(Queue="short").submitJob(site.wrapper, "", 1)["Value"]) == 1


# -- VMs that CloudCE left ---------------------------------------------------------------------------------


@pytest.fixture
def left(site: Site) -> dict[str, str]:
    """Four VMs of CloudCE and one of somebody else: name -> reference."""
    now = site.sky.clock()
    made = {
        name: site.sky.add(f"VMDIRAC3_{name}", {}, state=state, created=now - timedelta(seconds=age))
        for name, state, age in (
            ("0000000A", State.RUNNING, 60),
            ("0000000B", State.STOPPED, 60),
            ("0000000C", State.FAILED, 60),
            ("0000000D", State.RUNNING, 99999),
        )
    }
    made["stranger"] = site.sky.add("database", {}, state=State.STOPPED, created=now)
    return {name: node.reference for name, node in made.items()}


ADOPT = {"Workspace_AdoptPrefix": "VMDIRAC3_", "Context_MaxLifetime": "3600"}


def test_without_the_option_they_are_nobodys(site: Site, left: dict[str, str]) -> None:
    element = site.element(Context_MaxLifetime="3600")
    assert element.getJobStatus(list(left.values()))["Value"] == {}
    assert element.getCEStatus()["RunningJobs"] == 0
    assert element.cleanupPilots()["OK"]
    assert not element.killJob([left["0000000A"]])["OK"]
    assert len(site.sky.living()) == 5


def test_with_it_they_are_polled_counted_and_reaped_until_they_are_gone(site: Site, left: dict[str, str]) -> None:
    element = site.element(**ADOPT)
    words = {"0000000A": "Running", "0000000B": "Done", "0000000C": "Failed", "0000000D": "Running"}
    assert element.getJobStatus(list(left.values()))["Value"] == {left[name]: word for name, word in words.items()}
    assert element.getCEStatus()["RunningJobs"] == 2
    assert element.cleanupPilots()["OK"]
    assert {vm.name for vm in site.sky.living()} == {"VMDIRAC3_0000000A", "database"}
    states = element.getJobStatus([left["0000000B"], left["0000000D"]])["Value"]
    assert states == {left["0000000B"]: "Done", left["0000000D"]: "Deleted"}
    assert element.killJob([left["0000000A"]])["OK"]
    assert not element.killJob([left["stranger"]])["OK"]
    assert [vm.name for vm in site.sky.living()] == ["database"]


def test_they_never_enter_the_record_or_the_state(site: Site, left: dict[str, str]) -> None:
    element = site.element(**ADOPT)
    submitted = element.submitJob(site.wrapper, "", 2)["Value"]
    assert element.cleanupPilots()["OK"]
    fleet = element._fleet()
    assert len(fleet.workspace.load().pilots) == 2
    assert [row.verdict for row in fleet.audit()] == ["ok", "ok"]
    assert subset(set(submitted), {vm.reference for vm in site.sky.living()})


def test_vms_of_another_tfce_are_not_left_over_whatever_their_name(site: Site) -> None:
    site.element(Queue="short", Workspace_NamePrefix="VMDIRAC3_").submitJob(site.wrapper, "", 1)
    element = site.element(**ADOPT)
    assert element.getCEStatus()["RunningJobs"] == 0
    site.sky.clock.advance(99999)
    element.cleanupPilots()
    assert len(site.sky.living()) == 1


def test_a_prefix_that_any_name_has_is_refused(site: Site) -> None:
    result = site.element(Workspace_AdoptPrefix="VM").isValid()
    assert not result["OK"] and "Workspace_AdoptPrefix = VM" in result["Message"]


def test_one_refusal_does_not_stop_the_others(site: Site, left: dict[str, str]) -> None:
    site.sky.at("destroy", CloudError("not now"))
    result = site.element(**ADOPT).cleanupPilots()
    assert not result["OK"] and len(site.sky.living()) == 3


# -- killing from where nothing can be written -------------------------------------------------------------


def test_a_kill_needs_no_terraform(site: Site) -> None:
    (pilot,) = site.element().submitJob(site.wrapper, "", 1)["Value"]
    site.sky.at("prepare", TerraformError("there is none"))
    assert site.element().killJob([pilot])["OK"]
    assert not site.sky.living()
    assert site.element().cleanupPilots()["OK"]
    assert site.element()._fleet().audit() == []


def test_a_kill_needs_no_place_to_write(site: Site) -> None:
    (pilot,) = site.element().submitJob(site.wrapper, "", 1)["Value"]
    assert site.element(Workspace_Root="/proc/tfce").killJob([pilot])["OK"]
    assert not site.sky.living()


# -- the command that helps to move over -------------------------------------------------------------------


def test_migration_lists_what_is_left(site: Site, left: dict[str, str]) -> None:
    fleet = site.element(**ADOPT)._fleet()
    found = migration.left_over(fleet.workspace, FakeCloud(site.sky))
    assert {node.reference for node in found} == set(left.values()) - {left["stranger"]}


def test_migration_wants_to_know_the_prefix(site: Site) -> None:
    fleet = site.element()._fleet()
    with pytest.raises(ConfigError, match="Workspace_AdoptPrefix"):
        migration.left_over(fleet.workspace, FakeCloud(site.sky))


def test_the_statement_quotes_what_it_is_given() -> None:
    assert "DestinationSite = 'it''s' AND" in migration.statement("it's")
