"""The contract of a computing element, method by method, over a simulated cloud."""

from __future__ import annotations

import inspect
import logging
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import userdata
from tests.claims import every
from tests.dirac.conftest import CE, WRAPPER, Site
from tests.fakes import Broken, Empty, Refused, ReplyLost, Tainted
from tfce.app import Parts
from tfce.cloud import shared
from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.model.drain import Drain
from tfce.model.errors import CloudError
from tfce.model.vm import State
from tfce.pilots.fleet import Fleet

DOWN = "listing VMs: the cloud does not answer: ConnectionError (refused)"


def ids(references: list[str]) -> list[str]:
    return [text.removeprefix("cloud://") for text in references]


def submitted(element: Any, site: Site, count: int = 2) -> list[str]:
    result = element.submitJob(site.wrapper, "", count)
    assert result["OK"], result
    return list(result["Value"])


# -- being found and configured ----------------------------------------------------------------------------


def test_the_extension_is_found_by_its_entry_point() -> None:
    from DIRAC.Core.Utilities.Extensions import extensionsByPriority

    assert "TfceDIRAC" in extensionsByPriority()


def test_the_factory_makes_it_by_its_type(site: Site) -> None:
    element = site.element()
    assert type(element).__name__ == "TerraformComputingElement"
    assert element.ceType == "Terraform"
    assert element.isValid()["OK"]


def test_every_fault_of_the_options_is_in_one_message_said_once(site: Site) -> None:
    element = site.element(
        CloudType=None, Instance_Image=None, Terraform_Paralelism="3", Context_MaxLifetime="soon"
    )
    result = element.isValid()
    assert not result["OK"]
    for words in (
        f"{CE}/long",
        "CloudType",
        "Instance_Image",
        "Terraform_Parallelism?",
        "Context_MaxLifetime = soon",
    ):
        assert words in result["Message"]
    assert element.log.at("error") == [result["Message"]]


def test_parameters_may_come_in_pieces(site: Site) -> None:
    from DIRAC.Resources.Computing.ComputingElementFactory import ComputingElementFactory

    element = ComputingElementFactory().getCE("Terraform", CE, {"MaxRAM": 2048})["Value"]
    assert not element.isValid()["OK"]
    assert element.setParameters(site.options())["OK"]
    assert element.isValid()["OK"]


def test_every_value_may_be_text_or_what_dirac_makes_of_it(site: Site) -> None:
    element = site.element(CPUTime="86400", NumberOfProcessors="4", Tag=["Cloud"], Instance_Networks="subnet-1")
    assert element.isValid()["OK"]
    assert element.ceParameters["NumberOfProcessors"] == 4


def test_the_signatures_suit_both_dirac(site: Site) -> None:
    element = site.element()
    names = list(inspect.signature(element.submitJob).parameters)
    assert names[:3] == ["executableFile", "proxy", "numberOfJobs"]
    assert list(inspect.signature(element.setProxy).parameters) == ["proxy", "valid"]
    assert inspect.signature(element.setProxy).parameters["valid"].default == 0


def test_nothing_of_it_is_taken_for_diracs_own(site: Site, tmp_path: Path) -> None:
    working = tmp_path / "working"
    working.mkdir()
    element = site.element(WorkingDirectory=str(working))
    submitted(element, site)
    assert not hasattr(element, "workingDirectory")  # SiteDirector would write pilot wrappers there
    assert not list(working.iterdir())  # DIRAC removes this folder with all that is in it


def test_diracs_root_is_found_without_dirac(monkeypatch: pytest.MonkeyPatch) -> None:
    import DIRAC

    from tfce.config.paths import dirac_root

    assert str(dirac_root()) == DIRAC.rootPath
    monkeypatch.delenv("DIRAC_ROOT_PATH", raising=False)
    assert dirac_root() is not None


# -- one list for all --------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["", '[DEFAULT]\nkey = "user"\n'])
def test_queues_that_dirac_looked_at_share_the_first_list_of_their_login(
    site: Site, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
    from tfce.Resources.Computing.TerraformComputingElement import TerraformComputingElement

    clouds = []

    def assemble(queue: Queue, secrets: Credentials) -> Parts:
        parts = site.assemble(queue, secrets)
        clouds.append(parts.cloud)
        lists = shared.lists(queue.endpoint, secrets)
        return replace(parts, fleet=Fleet(parts.workspace, parts.terraform, parts.cloud, site.sky.clock, lists))

    monkeypatch.setattr(TerraformComputingElement, "_assemble", staticmethod(assemble))
    path = site.folder / "cloud.auth"
    path.touch(0o600)
    path.write_text(auth)  # without a secret it is no login, which the options do not show
    elements = [site.element(Queue=f"q{number}", Driver_region="eu-west-3") for number in range(20)]
    assert every(element.isValid()["OK"] for element in elements)
    with ThreadPoolExecutor(len(elements)) as pool:
        answers = list(pool.map(lambda element: element.getCEStatus(), elements))
    if auth:
        assert every("no secret for" in answer["Message"] for answer in answers)
        return
    assert every(answer["OK"] for answer in answers), answers
    assert sum(cloud.calls["DescribeInstances"] for cloud in clouds) == 1


# -- submitting --------------------------------------------------------------------------------------------


def test_a_submission_names_each_vm_and_its_stamp(site: Site) -> None:
    result = site.element().submitJob(site.wrapper, "", 3)
    references, stamps = result["Value"], result["PilotStampDict"]
    assert len(set(references)) == 3
    assert set(stamps) == set(references)
    assert every(len(stamp) <= 32 for stamp in stamps.values())
    for reference, stamp in stamps.items():
        vm = site.sky.vms[reference.removeprefix("cloud://")]
        assert vm.name.endswith(stamp)
        assert vm.tags["tfce:key"] == stamp


def test_the_vm_runs_the_wrapper_byte_by_byte_and_knows_its_stamp(site: Site) -> None:
    result = site.element().submitJob(site.wrapper, "", 1)
    ((reference, stamp),) = result["PilotStampDict"].items()
    text = site.sky.user_data[reference.removeprefix("cloud://")]
    assert text is not None
    written = userdata.files(text)
    assert WRAPPER in [content for _, content in written.values()]
    assert any(stamp.encode() in content for _, content in written.values())


def test_the_wrapper_may_be_deleted_as_soon_as_submitjob_returns(site: Site) -> None:
    element, path = site.element(), site.wrapper
    assert element.submitJob(path, "", 1)["OK"]
    Path(path).unlink()
    assert element.submitJob(site.wrapper, "", 1)["OK"]


@pytest.mark.parametrize(
    "outcome",
    [Refused("InsufficientInstanceCapacity: none left"), Broken("Server.InsufficientInstanceCapacity: no host")],
)
def test_one_vms_failure_does_not_stop_the_others(site: Site, outcome: Any) -> None:
    site.sky.at("create", outcome, nth=2)
    element = site.element()
    result = element.submitJob(site.wrapper, "", 3)
    assert len(result["Value"]) == len(result["PilotStampDict"]) == 2
    (line,) = element.log.at("error")
    assert line.startswith(f"{CE}/long: capacity: 1 of 1 failed: ")
    assert len(site.sky.living()) == 2


@pytest.mark.parametrize("outcome", [Tainted("read timeout"), ReplyLost("connection reset by peer")])
def test_a_vm_that_lives_is_reported_though_terraform_failed(site: Site, outcome: Any) -> None:
    site.sky.at("create", outcome)
    result = site.element().submitJob(site.wrapper, "", 2)
    assert sorted(ids(result["Value"])) == sorted(site.sky.vms)


@pytest.mark.parametrize(
    ("reason", "kind", "cure"),
    [
        ("InstanceLimitExceeded: quota", "quota", "ask for more quota, or lower MaxTotalJobs"),
        (
            "InsufficientInstanceCapacity",
            "capacity",
            "name further flavors or zones: Instance_Flavor, Terraform_AvailabilityZone",
        ),
        ("AuthFailure: not you", "authentication", "renew the credentials in CloudAuth, or their rights"),
        ("RequestLimitExceeded", "throttled", "ask for less at once: Terraform_Parallelism, MaxWaitingJobs"),
        ("InvalidAMIID.NotFound: ami-1", "image", "correct Instance_Image"),
    ],
)
def test_when_none_comes_up_the_error_says_why_once(site: Site, reason: str, kind: str, cure: str) -> None:
    site.sky.at("create", Refused(reason), times=5)
    element = site.element()
    result = element.submitJob(site.wrapper, "", 5)
    assert not result["OK"]
    assert result["Message"] == f"{CE}/long: {kind}: 5 of 5 failed: {reason}; {cure}"
    assert element.log.at("error") == []  # SiteDirector logs the message itself


def test_user_data_over_the_bound_is_refused_before_anything_is_asked(site: Site) -> None:
    big = site.folder / "big.sh"
    big.write_bytes(b"-----BEGIN PRIVATE KEY-----\n" + os.urandom(40_000))
    result = site.element().submitJob(str(big), "", 1)
    assert not result["OK"]
    assert "16384" in result["Message"] and "Context_Template" in result["Message"]
    assert not site.sky.vms


def test_a_second_submitter_is_told_that_the_queue_is_busy(site: Site) -> None:
    begun, done = threading.Event(), threading.Event()
    site.sky.at("create", lambda: (begun.set(), done.wait(30)))
    results: list[Any] = []
    first = threading.Thread(target=lambda: results.append(site.element().submitJob(site.wrapper, "", 1)))
    first.start()
    assert begun.wait(30)
    second = site.element().submitJob(site.wrapper, "", 1)
    done.set()
    first.join()
    assert not second["OK"] and "busy" in second["Message"]
    assert results[0]["OK"] and len(site.sky.vms) == 1


# -- polling -----------------------------------------------------------------------------------------------


def test_each_state_in_diracs_words(site: Site) -> None:
    site.sky.boot_seconds = 100
    element = site.element()
    first, second, third, fourth, fifth = submitted(element, site, 5)
    assert set(element.getJobStatus([first, second])["Value"].values()) == {"Waiting"}
    site.sky.clock.advance(701)
    site.sky.stop(second.removeprefix("cloud://"))
    site.sky.set(third.removeprefix("cloud://"), State.FAILED, "no host")
    site.sky.vanish(fourth.removeprefix("cloud://"))
    site.sky.set(fifth.removeprefix("cloud://"), State.UNKNOWN)
    assert element.getJobStatus([first, second, third, fourth, fifth])["Value"] == {
        first: "Running",
        second: "Done",
        third: "Failed",
        fourth: "Deleted",
        fifth: "Running",
    }


def test_a_pilot_stays_done_after_its_vm_was_removed(site: Site) -> None:
    element = site.element()
    reference = submitted(element, site, 1)[0]
    site.sky.stop(reference.removeprefix("cloud://"))
    assert element.cleanupPilots()["OK"]  # SiteDirector cleans up before it asks for the status
    assert site.element().getJobStatus([reference])["Value"] == {reference: "Done"}


def test_references_of_early_8_0_carry_a_stamp(site: Site) -> None:
    element = site.element()
    result = element.submitJob(site.wrapper, "", 1)
    ((reference, stamp),) = result["PilotStampDict"].items()
    states = element.getJobStatus([f"{reference}:::{stamp}"])["Value"]
    assert states == {reference: "Running", f"{reference}:::{stamp}": "Running"}
    assert element.killJob([f"{reference}:::{stamp}"])["OK"]
    assert not site.sky.living()


def test_a_failed_list_is_an_error_and_never_gone(site: Site) -> None:
    element = site.element()
    references = submitted(element, site)
    site.sky.down = DOWN
    result = element.getJobStatus(references)
    assert not result["OK"]
    assert result["Message"] == f"{CE}/long: unreachable: {DOWN}"
    assert element.log.at("error") == []


def test_pilots_nobody_can_speak_for_are_left_out(site: Site) -> None:
    element = site.element()
    known, unknown = submitted(element, site, 2)
    site.sky.hidden.add(unknown.removeprefix("cloud://"))
    site.sky.at("node", CloudError("timed out"))
    assert element.getJobStatus([known, unknown])["Value"] == {known: "Running"}


def test_an_empty_list_is_not_believed(site: Site) -> None:
    element = site.element()
    references = submitted(element, site)
    site.sky.at("list", Empty())
    assert set(element.getJobStatus(references)["Value"].values()) == {"Running"}


def test_one_reference_may_come_without_a_list(site: Site) -> None:
    element = site.element()
    (reference,) = submitted(element, site, 1)
    assert element.getJobStatus(reference)["Value"] == {reference: "Running"}
    assert element.killJob(reference)["OK"]


# -- counting ----------------------------------------------------------------------------------------------


def test_booting_vms_are_counted_as_waiting(site: Site) -> None:
    site.sky.boot_seconds = 100
    element = site.element()
    submitted(element, site, 3)
    result = element.getCEStatus()
    assert result["OK"]
    assert (result["WaitingJobs"], result["RunningJobs"], result["SubmittedJobs"]) == (3, 0, 0)
    site.sky.clock.advance(100)
    result = element.getCEStatus()
    assert (result["WaitingJobs"], result["RunningJobs"]) == (0, 3)


def test_the_free_slots_follow_from_it(site: Site) -> None:
    site.sky.boot_seconds = 100
    element = site.element(MaxTotalJobs="6", MaxWaitingJobs="4")
    assert element.available()["Value"] == 4
    submitted(element, site, 3)
    assert element.available()["Value"] == 1
    site.sky.clock.advance(100)
    assert element.available()["Value"] == 3


def test_a_drained_queue_has_no_slots_and_says_why(site: Site) -> None:
    element = site.element(MaxTotalJobs="6", MaxWaitingJobs="4")
    submitted(element, site, 1)
    element._fleet().drain(Drain(site.sky.clock()))
    element = site.element(MaxTotalJobs="6", MaxWaitingJobs="4")  # another process
    result = element.available()
    assert result["OK"] and result["Value"] == 0 and result["RunningJobs"] == 1
    assert [line for line in element.log.at("info") if "drained since" in line and "--undo" in line]
    answer = element.submitJob(site.wrapper, "", 1)
    assert answer["OK"] and answer["Value"] == []
    element._fleet().drain(None)
    assert element.available()["Value"] == 4


def test_a_count_that_fails_is_logged_because_dirac_does_not(site: Site) -> None:
    element = site.element()
    site.sky.down = DOWN
    result = element.getCEStatus()
    assert not result["OK"] and element.log.at("error") == [result["Message"]]


def test_other_queues_and_strangers_are_not_counted(site: Site) -> None:
    submitted(site.element(Queue="short"), site, 2)
    submitted(site.element(ce="other.example.org"), site, 2)
    site.sky.add("tfce-0A1B2C3D", {"Name": "tfce-0A1B2C3D"})
    assert site.element().getCEStatus()["RunningJobs"] == 0


# -- removing ----------------------------------------------------------------------------------------------


def test_cleanup_removes_what_stopped_failed_or_is_overdue(site: Site) -> None:
    element = site.element(Context_MaxLifetime="3600")
    stopped, failed, stays = ids(submitted(element, site, 3))
    site.sky.clock.advance(1800)
    (young,) = ids(submitted(element, site, 1))
    site.sky.stop(stopped)
    site.sky.set(failed, State.FAILED, "no host")
    assert element.cleanupPilots()["OK"]
    assert {vm.id for vm in site.sky.living()} == {stays, young}
    site.sky.clock.advance(1801)
    assert element.cleanupPilots()["OK"]
    assert {vm.id for vm in site.sky.living()} == {young}
    said = element.log.at("info")
    assert len(said) == 3 and [line for line in said if line.endswith(": stopped, lived 1800 s")]


def test_a_refused_removal_is_told_and_does_not_keep_the_others(site: Site) -> None:
    element = site.element()
    for vm in ids(submitted(element, site, 3)):
        site.sky.stop(vm)
    site.sky.at("destroy", CloudError("UnauthorizedOperation"))
    result = element.cleanupPilots()
    assert not result["OK"] and "UnauthorizedOperation" in result["Message"]
    assert element.log.at("error") == [result["Message"]]
    assert len(site.sky.living()) == 1


def test_a_kill_works_from_another_host(site: Site) -> None:
    references = submitted(site.element(), site, 2)
    elsewhere = site.element(Workspace_Root=str(site.folder / "elsewhere"), MaxTotalJobs=None)
    assert elsewhere.killJob(references[:1])["OK"]
    assert ids(references[1:]) == [vm.id for vm in site.sky.living()]
    assert site.element().getJobStatus(references)["Value"][references[0]] == "Deleted"


def test_a_kill_refuses_what_is_not_the_queues_own(site: Site) -> None:
    (other,) = submitted(site.element(Queue="short"), site, 1)
    stranger = site.sky.add("database", {}).reference
    (own,) = submitted(site.element(), site, 1)
    result = site.element().killJob([other, stranger, own])
    assert not result["OK"]
    assert other in result["Message"] and stranger in result["Message"] and own not in result["Message"]
    assert [vm.reference for vm in site.sky.living()] == [other, stranger]


def test_a_kill_of_what_is_gone_is_done(site: Site) -> None:
    assert site.element().killJob(["cloud://i-12345678"])["OK"]


def test_giving_up_the_object_touches_no_vm(site: Site) -> None:
    element = site.element()
    submitted(element, site)
    assert element.shutdown()["OK"]
    assert len(site.sky.living()) == 2


def test_there_is_no_output_to_fetch(site: Site) -> None:
    assert not site.element().getJobOutput("cloud://i-1")["OK"]


def test_the_log_of_a_pilot_is_its_console_and_its_journal(site: Site) -> None:
    element = site.element()
    reference, other = submitted(element, site)
    site.sky.consoles[ids([reference])[0]] = "the pilot is started\npassword=planted-secret\n"
    stamp = site.sky.vms[ids([reference])[0]].tags["tfce:key"]
    elsewhere = site.element(Workspace_Root=str(site.folder / "elsewhere"))
    for text in (element.getJobLog(reference)["Value"], elsewhere.getJobLog(f"{reference}:::{stamp}")["Value"]):
        assert "the pilot is started" in text and stamp in text and "planted-secret" not in text
    site.sky.stop(ids([reference])[0])
    assert element.cleanupPilots()["OK"]
    text = site.element().getJobLog(reference)["Value"]
    assert "the pilot is started" in text and "stopped, lived 0 s" in text and "planted-secret" not in text
    assert other not in text


def test_the_log_of_no_pilot_of_ours_is_an_error(site: Site) -> None:
    (stranger,) = submitted(site.element(Queue="short"), site, 1)
    for reference in (stranger, "cloud://i-1"):
        result = site.element().getJobLog(reference)
        assert not result["OK"] and f"is no pilot of {CE}/long" in result["Message"]


# -- never raising -----------------------------------------------------------------------------------------

CALLS: dict[str, Any] = {
    "submitJob": lambda element, site: element.submitJob(site.wrapper, "", 1),
    "getJobStatus": lambda element, site: element.getJobStatus(["cloud://i-1"]),
    "getCEStatus": lambda element, site: element.getCEStatus(),
    "available": lambda element, site: element.available(),
    "killJob": lambda element, site: element.killJob(["cloud://i-1"]),
    "cleanupPilots": lambda element, site: element.cleanupPilots(),
    "getJobLog": lambda element, site: element.getJobLog("cloud://i-1"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    "fault",
    [
        {"CloudAuth": "/nowhere/cloud.auth"},
        {"CloudType": None},
        {"Queue": None},
        {"Driver_port": "many"},
        {"Workspace_Root": "/proc/tfce"},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_a_wrong_option_is_an_answer(site: Site, call: Any, fault: dict[str, Any]) -> None:
    if "Workspace_Root" in fault and call in (CALLS["killJob"], CALLS["getJobLog"], CALLS["cleanupPilots"]):
        pytest.skip("a kill, a log and a sweep of nothing need no workspace")
    result = call(site.element(**fault), site)
    assert not result["OK"]
    assert (
        next(iter(fault.values())) is None or "tfce" in result["Message"] or next(iter(fault)) in result["Message"]
    )


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    "error",
    [
        CloudError(DOWN),
        RuntimeError("a bug"),
        OSError("disk"),
        KeyError("x"),
        SystemExit("no licence"),
        SystemExit(1),
    ],
)
def test_a_failure_anywhere_is_an_answer(site: Site, call: Any, error: BaseException) -> None:
    element = site.element()
    for step in ("list", "prepare"):
        site.sky.at(step, error, times=3)
    result = call(element, site)
    assert not result["OK"]
    assert str(error.args[0]) in result["Message"]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_missing_package_is_named(site: Site, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    element = site.element()

    def missing(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'filelock'")

    monkeypatch.setattr(type(element), "_assemble", staticmethod(missing))
    result = call(element, site)
    assert not result["OK"] and "filelock" in result["Message"]


def test_a_damaged_record_is_told_and_left_alone(site: Site) -> None:
    element = site.element()
    submitted(element, site)
    (record,) = (site.folder / "root").glob("queues/*/*/record.json")
    record.write_text("{")
    for call in ("submitJob", "cleanupPilots"):
        result = CALLS[call](element, site)
        assert not result["OK"] and "tfce repair" in result["Message"]
    assert len(site.sky.living()) == 2


# -- what else it does -------------------------------------------------------------------------------------


def test_what_tfce_logs_is_in_diracs_log_under_the_queues_name(site: Site) -> None:
    element = site.element()
    known = submitted(element, site, 1)
    site.sky.hidden |= set(ids(known))
    site.sky.at("node", CloudError("timed out"))
    element.getJobStatus(known)
    (line,) = element.log.at("warn")
    assert line.startswith(f"{CE}/long: ") and "timed out" in line


def test_parts_are_kept_until_options_or_secrets_change(site: Site) -> None:
    element = site.element()
    element.getCEStatus()
    element.getCEStatus()
    assert site.assembled == 1
    (site.folder / "cloud.auth").write_text("[DEFAULT]\nkey = user\nsecret = another\n")
    element.getCEStatus()
    assert site.assembled == 2
    element.setParameters({"Instance_Flavor": "t3.large"})
    element.getCEStatus()
    assert site.assembled == 3


def test_the_secret_is_in_no_answer_and_no_log(site: Site) -> None:
    element = site.element()
    site.sky.at("create", Refused("x"), times=2)
    answers = [call(element, site) for call in CALLS.values()]
    assert "planted-secret" not in repr(answers) + repr(element.log.lines)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_what_nobody_foresaw_is_one_redacted_line_with_a_reference(
    site: Site, call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    element = site.element()
    monkeypatch.setattr(type(element), "_assemble", staticmethod(_unforeseen))
    result = call(element, site)
    kept = next(tmp_path.glob("tfce-*.log"))
    assert not result["OK"] and "unexpected: ZeroDivisionError" in result["Message"]
    assert str(kept) in result["Message"] and "Traceback" in kept.read_text() and not kept.stat().st_mode & 0o077
    for text in (result["Message"], kept.read_text(), repr(element.log.lines)):
        assert "hunter2" not in text and "c2VjcmV0" not in text and "\n" not in result["Message"]


_SECRETS = f"password=hunter2 https://user:hunter2@host/ {'c2VjcmV0MTIzQWJj' * 4}"


def _unforeseen(*_: Any) -> None:
    raise ZeroDivisionError(_SECRETS)


def test_logs_at_debug_level_hold_no_secret(site: Site) -> None:
    element = site.element()
    for name in ("tfce", "tfce.cloud", "urllib3.connectionpool", "libcloud"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    for call in CALLS.values():
        call(element, site)
    for level in ("debug", "warning"):
        getattr(logging.getLogger("tfce"), level)(
            "X-Auth-Token: %s password=%s", "gAAAAABhunter2hunter2", "hunter2"
        )
    assert "hunter2" not in repr(element.log.lines)
