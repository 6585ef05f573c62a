"""The Terraform edge, with a program on disk that answers as told and writes down how it was called."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.checking import alive
from tests.claims import some
from tests.unit.conftest import MakeProgram, MakeQueue
from tfce.config.credentials import Credentials
from tfce.config.data import data_path
from tfce.model.errors import BusyError, DamagedStateError, TerraformError
from tfce.model.pilot import Pilot, moment
from tfce.model.reasons import Kind, Reason
from tfce.model.reconcile import Instance
from tfce.provider.run import Run
from tfce.store.workspace import Workspace
from tfce.terraform import variables
from tfce.terraform.bulk import Bulk
from tfce.terraform.pins import digest
from tfce.terraform.providers import MIRROR_VARIABLE
from tfce.terraform.runner import Terraform

SECRET, TOKEN = "hush/secret+\"'$x", "hush-token"
A, B = "0000000A", "0000000B"
BORN = moment("2026-01-31T12:00:00Z")
PROGRAM = f"""#!{sys.executable}
import json, os, signal, sys, time
from pathlib import Path
if sys.argv[1] == "version":
    print(json.dumps({{"terraform_version": "1.11.4"}}))
    sys.exit()
command = " ".join(word for word in sys.argv[1:3] if not word.startswith("-"))
command = command if command.split()[0] == "state" else sys.argv[1]
here = Path(__file__).parent
with (here / "calls").open("a") as calls:
    files = {{path.name: path.read_text() for path in Path().glob("*.tf")}}
    calls.write(json.dumps([command, sys.argv[1:], dict(os.environ), files, os.getcwd()]) + "\\n")
if command == "init":
    Path(".terraform").mkdir(exist_ok=True)
    Path(".terraform.lock.hcl").touch()
answer = json.loads((here / "answers").read_text()).get(command, {{}})
signal.signal(signal.SIGINT, lambda *_: sys.exit(1))
print(answer.get("out", ""), end="", flush=True)
print(answer.get("err", ""), end="", file=sys.stderr, flush=True)
time.sleep(answer.get("sleep", 0))
sys.exit(answer.get("exit", 0))
"""


@dataclass
class Rig:
    """One queue's Terraform and the program behind it."""

    terraform: Terraform
    workspace: Workspace
    folder: Path
    said: list[str]

    def answer(self, **answers: dict[str, Any]) -> None:
        """What the program does from now on, by command ("state_pull" …)."""
        told = {name.replace("_", " "): answer for name, answer in answers.items()}
        (self.folder / "answers").write_text(json.dumps(told))

    def calls(self) -> list[Any]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def keep(self, state: object) -> None:
        """What Terraform's own backend has on the disk from now on."""
        path = self.workspace.private / "terraform.tfstate.d" / self.workspace.name / "terraform.tfstate"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(state if isinstance(state, str) else json.dumps(state))

    def elsewhere(self, chosen: str = '{"backend": {"type": "s3"}}') -> None:
        """From now on another backend has the state."""
        path = self.workspace.private / ".terraform" / "terraform.tfstate"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(chosen)

    def commands(self) -> list[str]:
        return [call[0] for call in self.calls()]

    def last(self) -> list[str]:
        arguments: list[str] = self.calls()[-1][1]
        return arguments


@pytest.fixture
def rig(make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    tmp_path = tmp_path / "a site's place"
    tmp_path.mkdir()
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    monkeypatch.setenv("TF_LOG", "TRACE")
    monkeypatch.setenv("TF_CLI_ARGS_apply", "-destroy")
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    program = make_program("a site's place/tf/terraform", PROGRAM)
    platform = tmp_path / "mirror/registry.terraform.io/hashicorp/aws/5.1.0"
    for name in ("linux_amd64", "linux_arm64"):
        (platform / name).mkdir(parents=True)
        (platform / name / "terraform-provider-aws_v5.1.0").touch(0o755)
    queue = make_queue(
        Terraform_Module="native",
        Workspace_Root=str(tmp_path / "root"),
        Terraform_Binary=str(program),
        Terraform_Mirror=str(tmp_path / "mirror"),
        Terraform_Parallelism="7",
        Workspace_LockTimeout="0",
    )
    workspace = Workspace(queue)
    said: list[str] = []
    record = workspace.prepare()
    variables.write(workspace)
    workspace.save(record.including([Pilot(A, BORN, "b"), Pilot(B, BORN, "b")]))
    made = Rig(
        Terraform(workspace, Credentials("AKIAKEY", SECRET, TOKEN), said.append), workspace, tmp_path / "tf", said
    )
    made.answer()
    return made


def state(**instances: dict[str, Any]) -> dict[str, Any]:
    entries = [{"index_key": key, "attributes": {"id": f"i-{key}"}, **more} for key, more in instances.items()]
    kinds = [
        ("managed", "aws_instance", "pilot"),
        ("data", "aws_ami", "pilot"),
        ("managed", "aws_instance", "other"),
    ]
    resources = [{"mode": m, "type": t, "name": n, "instances": entries} for m, t, n in kinds[:1]]
    resources += [
        {"mode": m, "type": t, "name": n, "instances": [{"index_key": "FFFFFFFF", "attributes": {"id": "x"}}]}
        for m, t, n in kinds[1:]
    ]
    return {"version": 4, "serial": 7, "lineage": "a-b", "resources": resources}


def event(kind: str, **more: object) -> str:
    return json.dumps({"@level": "info", "type": kind, **more}) + "\n"


def fault(summary: str, detail: str = "", key: str | None = None) -> str:
    diagnostic = {"severity": "error", "summary": summary, "detail": detail}
    if key:
        diagnostic["address"] = f'aws_instance.pilot["{key}"]'
    return json.dumps({"@level": "error", "type": "diagnostic", "diagnostic": diagnostic}) + "\n"


# -- preparation -------------------------------------------------------------------------------------------


def test_a_workspace_is_initialised_once(rig: Rig) -> None:
    rig.terraform.prepare()
    assert rig.commands() == ["init"] and len(rig.said) == 2
    folder = rig.workspace.private
    for source in some((data_path("terraform") / "aws").glob("*.tf")):
        assert (folder / source.name).read_text() == source.read_text()
    rig.terraform.prepare()
    Terraform(rig.workspace, Credentials("k", "s"), rig.said.append).prepare()
    assert rig.commands() == ["init"] and len(rig.said) == 2


def test_it_is_initialised_again_when_that_failed_or_the_tools_change(rig: Rig) -> None:
    rig.answer(init={"exit": 1, "err": "Error: Failed to query available provider packages\n"})
    with pytest.raises(TerraformError, match="terraform init: Failed to query"):
        rig.terraform.prepare()
    rig.answer()
    rig.terraform.prepare()
    program = rig.folder / "terraform"
    program.write_text(program.read_text().replace("1.11.4", "1.12.0"))
    Terraform(rig.workspace, Credentials("k", "s")).prepare()
    assert rig.commands() == ["init", "init", "init"]


def test_a_provider_that_somebody_replaced_does_not_run(rig: Rig) -> None:
    rig.terraform.prepare()
    folder = rig.terraform.toolchain.provider.folder
    assert folder is not None
    facts = f'  version = "5.1.0"\n  hashes = ["{digest(folder)}"]\n'
    text = f'provider "registry.terraform.io/hashicorp/aws" {{\n{facts}}}\n'
    (rig.workspace.private / ".terraform.lock.hcl").write_text(text)
    rig.terraform.prepare()
    assert rig.commands().count("init") == 2
    (folder / "terraform-provider-aws_v5.1.0").write_text("another")
    (rig.workspace.private / ".terraform" / "tfce-initialised").unlink()
    with pytest.raises(TerraformError, match="is another one than before"):
        rig.terraform.prepare()
    assert rig.commands().count("init") == 2


def test_left_over_import_blocks_never_reach_a_run(rig: Rig) -> None:
    (rig.workspace.private / "adopt.tf").write_text("import {}")
    rig.terraform.prepare()
    assert "adopt.tf" not in rig.calls()[0][3]


def test_the_settings_for_bare_terraform_hold_no_secret_and_survive_a_shell(rig: Rig) -> None:
    rig.terraform.prepare()
    text = (rig.workspace.private / "env.sh").read_text()
    assert "hush" not in text and "AKIA" not in text
    script = '. "$1"; printf %s "$TF_WORKSPACE $TF_CLI_CONFIG_FILE"'
    shown = subprocess.run(
        ["/bin/sh", "-c", script, "sh", rig.workspace.private / "env.sh"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"{rig.workspace.name} {rig.terraform.toolchain.cli_config}"


# -- what every run gets -----------------------------------------------------------------------------------


def test_no_run_inherits_what_could_change_its_mind_and_none_shows_a_secret(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        rig.terraform.prepare()
        rig.terraform.apply([A])
        rig.elsewhere()
        rig.terraform.instances()
        rig.terraform.adopt({A: "i-1"})
        rig.terraform.untaint([A])
        rig.terraform.plan()
    assert len(rig.calls()) == 6
    for command, arguments, environment, _, folder in rig.calls():
        assert "hush" not in json.dumps(arguments) and "AKIAKEY" not in json.dumps(arguments), command
        assert folder == str(rig.workspace.private)
        assert environment["AWS_SECRET_ACCESS_KEY"] == SECRET and environment["AWS_SESSION_TOKEN"] == TOKEN
        assert environment["TF_WORKSPACE"] == rig.workspace.name
        assert not {"TF_CLI_ARGS_apply", "AWS_PROFILE"} & set(environment)
        assert environment.get("TF_LOG", "DEBUG") == "DEBUG"  # ours or none, never the user's
        assert environment["TF_CLI_CONFIG_FILE"].startswith(str(rig.workspace.root))
    assert "hush" not in caplog.text and "hush" not in "".join(rig.said)


def test_nothing_on_disk_holds_a_secret_after_all_verbs(rig: Rig) -> None:
    rig.answer(apply={"exit": 1, "out": fault("Denied", f"{SECRET} {TOKEN}", A), "err": f"{SECRET}\n"})
    rig.terraform.prepare()
    rig.terraform.apply([A])
    with pytest.raises(TerraformError):
        rig.terraform.adopt({A: "i-1"})
    for path in some(rig.workspace.root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes() and TOKEN.encode() not in path.read_bytes(), path


def test_a_terraform_of_an_earlier_cycle_that_still_works_is_waited_for(rig: Rig) -> None:
    handle = os.open(rig.workspace.private / "terraform.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(BusyError, match="still at work"):
        rig.terraform.instances()
    assert rig.commands() == []
    os.close(handle)
    assert rig.terraform.instances() == {}


def test_what_a_killed_terraform_left_does_not_hold_its_queue_for_ever(rig: Rig) -> None:
    lock = rig.workspace.private / "terraform.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        leader = subprocess.Popen(
            ["/bin/sh", "-c", "sleep 60 & echo $!; exec 1>&-; wait"],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=[held.fileno()],
        )
        assert leader.stdout
        provider = int(leader.stdout.readline())
        held.write(str(leader.pid))
    with pytest.raises(BusyError, match="still at work"):
        rig.terraform.instances()  # its Terraform lives, and may need it
    leader.kill()
    with leader:
        pass
    assert rig.terraform.instances() == {} and not alive(provider)


def test_a_lock_that_somebody_else_holds_ends_nobody(rig: Rig) -> None:
    lock = rig.workspace.private / "terraform.lock"
    for text in ("", "x", "0", "1", str(2**22 + 1)):
        lock.write_text(text)
        with lock.open("r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(BusyError, match="still at work"):
                rig.terraform.instances()


# -- apply -------------------------------------------------------------------------------------------------


def test_an_apply_looks_at_the_new_pilots_and_nothing_else(rig: Rig) -> None:
    rig.answer(apply={"out": event("apply_complete")})
    applied = rig.terraform.apply([A, B])
    assert rig.last()[0] == "apply"
    assert set(rig.last()[1:]) == {
        "-json",
        "-auto-approve",
        "-input=false",
        "-refresh=false",
        "-lock-timeout=10s",
        "-parallelism=7",
        f'-target=aws_instance.pilot["{A}"]',
        f'-target=aws_instance.pilot["{B}"]',
    }
    assert (applied.failed, applied.trouble, applied.stopped) == ({}, "", "")


def test_faults_are_told_by_pilot_and_the_first_counts(rig: Rig) -> None:
    out = "not JSON\n[]\n" + fault("creating EC2 Instance", "InsufficientInstanceCapacity", A)
    out += fault("second", "", A) + fault("warning-like", key=None).replace('"error"', '"warn"')
    rig.answer(apply={"exit": 1, "out": out, "err": "Error: something general\n"})
    applied = rig.terraform.apply([A, B])
    text = "creating EC2 Instance: InsufficientInstanceCapacity"
    assert applied.failed == {A: Reason(Kind.CAPACITY, text, "InsufficientInstanceCapacity")}
    assert applied.trouble == ""


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (
            {"exit": 1, "out": fault("Invalid provider configuration", "no credentials")},
            "Invalid provider configuration",
        ),
        (
            {"exit": 1, "err": "╷\n│ Error: Error acquiring the state lock\n│ \n│ held\n╵\n"},
            "Error acquiring the state lock held",
        ),
        ({"exit": 2}, "terraform apply ended with 2"),
        ({"exit": 1, "err": f"Error: bad {SECRET}\n2026-01-31T12:00:00Z [DEBUG] noise\nmore DEBUG\n"}, "bad ****"),
        ({"exit": 1, "out": fault("x", f"{TOKEN}")}, "x: ****"),
    ],
)
def test_faults_of_the_whole_run(rig: Rig, answer: dict[str, Any], trouble: str) -> None:
    rig.answer(apply=answer)
    applied = rig.terraform.apply([A])
    assert applied.failed == {} and applied.trouble.startswith(trouble)
    assert "DEBUG" not in applied.trouble


def test_a_fault_of_a_stranger_resource_is_the_runs(rig: Rig) -> None:
    line = fault("Your query returned no results", key="x").replace("aws_instance.pilot", "data.aws_ami.pilot")
    rig.answer(apply={"exit": 1, "out": line})
    assert rig.terraform.apply([A]).trouble.endswith("Your query returned no results")


def test_events_become_progress_and_a_closed_terminal_does_not_matter(rig: Rig) -> None:
    hook = {"resource": {"addr": f'aws_instance.pilot["{A}"]', "resource_key": A}}
    rig.answer(
        apply={
            "exit": 1,
            "out": event("apply_start", hook=hook) + event("apply_complete", hook=hook) + fault("late", key=B),
        }
    )
    heard: list[str] = []

    def progress(text: str) -> None:
        heard.append(text)
        raise BrokenPipeError

    assert rig.terraform.apply([A, B], progress).failed == {B: Reason(Kind.UNCLASSIFIED, "late")}
    assert heard == [f"{A}: start", f"{A}: complete"]


def in_bulk(rig: Rig, make_queue: MakeQueue, came_to: Callable[[Run], None]) -> Bulk:
    """Terraform with one resource for all pilots, whose provider's runs come to what ``came_to`` says."""
    options = rig.workspace.queue.values()
    same = {name: str(options[name]) for name in ("Workspace_Root", "Terraform_Binary", "Terraform_Mirror")}
    workspace = Workspace(make_queue(**same))

    def clone() -> NoReturn:
        raise AssertionError("no cloud is asked")

    def attach(run: Run) -> nullcontext[dict[str, str]]:
        came_to(run)
        return nullcontext({})

    return Bulk(workspace, Credentials("k", "s"), rig.said.append, clone=clone, attach=attach)


FULL = Reason(Kind.CAPACITY, "no room", "InsufficientInstanceCapacity")


@pytest.mark.parametrize("words", ["Pilot 0000000A was not started", "in other words"])
@pytest.mark.parametrize(
    ("address", "settled", "kept", "trouble"),
    [
        ("tfce_pilots.queue", True, {}, ""),
        ("tfce_pilots.queue", True, {B: "its VM lives"}, f"Pilot {B} is not forgotten: its VM lives; it stays"),
        ("tfce_pilots.queue", False, {}, "WORDS: so"),  # the provider died: Terraform alone knows of it
        ("data.tfce_image.pilot", True, {}, "WORDS: so"),
        (None, True, {}, "WORDS: so"),
    ],
)
def test_what_terraform_repeats_of_the_pilots_is_told_by_where_it_stands_and_not_by_its_words(
    rig: Rig,
    make_queue: MakeQueue,
    words: str,
    address: str | None,
    settled: bool,
    kept: dict[str, str],
    trouble: str,
) -> None:
    def came_to(run: Run) -> None:
        run.met, run.settled, run.refused, run.kept = True, settled, {A: FULL}, kept

    said = json.loads(fault(words, "so"))
    said["diagnostic"] |= {"address": address} if address else {}
    rig.answer(apply={"exit": 1, "out": json.dumps(said) + "\n"})
    applied = in_bulk(rig, make_queue, came_to).apply([A, B])
    assert applied.failed == {A: FULL} and trouble.replace("WORDS", words) in applied.trouble
    assert bool(applied.trouble) == bool(trouble)


def test_what_happens_to_the_one_resource_is_said_of_each_pilot(rig: Rig, make_queue: MakeQueue) -> None:
    """Also where an address holds what lines for people are made of."""
    bulk = in_bulk(rig, make_queue, lambda run: None)
    steps = [('tfce_pilots.queue["a: b"]', "apply_start"), ("data.tfce_image.pilot", "apply_start")]
    steps.append(("tfce_pilots.queue", "apply_errored"))
    rig.answer(
        apply={"out": "".join(event(what, hook={"resource": {"addr": address}}) for address, what in steps)}
    )
    heard: list[str] = []
    bulk.apply([A, B], heard.append)
    assert heard == [f"{A}: start", f"{B}: start", f"{A}: errored", f"{B}: errored"]


def test_the_providers_requests_are_counted(rig: Rig) -> None:
    line = "2026-01-31T12:00:00.000Z [DEBUG] provider: DEBUG: Request ec2/{} Details:\n"
    rig.answer(apply={"err": line.format("RunInstances") * 2 + line.format("DescribeInstances")})
    assert rig.terraform.apply([A]).calls == {"RunInstances": 2, "DescribeInstances": 1}
    rig.elsewhere()
    rig.terraform.instances()
    assert not any(name.startswith("TF_LOG") for name in rig.calls()[-1][2])


def test_the_request_log_never_gets_into_an_error(rig: Rig) -> None:
    log = "2026-01-31T12:00:00Z [DEBUG] provider: DEBUG: Request ec2/RunInstances Details:\n---[ REQUEST ]---\n"
    log += "POST / HTTP/1.1\n\nAction=RunInstances&UserData=cHJveHk%3D\n"
    rig.answer(apply={"exit": 1, "err": log})
    assert rig.terraform.apply([A]).trouble == "terraform apply ended with 1"
    rig.answer(apply={"exit": 1, "err": log + "╷\n│ Error: plugin crashed\n╵\n" + log})
    assert rig.terraform.apply([A]).trouble == "plugin crashed"


def test_an_apply_that_takes_too_long_is_interrupted_and_told(make_queue: MakeQueue, rig: Rig) -> None:
    same = ("Terraform_Binary", "Terraform_Mirror", "Workspace_Root")
    queue = make_queue(
        Terraform_Module="native",
        Terraform_Timeout="1",
        **{name: str(rig.workspace.queue.values()[name]) for name in same},
    )
    rig.answer(apply={"sleep": 30, "out": fault("denied", key=A)})
    applied = Terraform(Workspace(queue), Credentials("k", "s")).apply([A, B])
    reason = applied.reason("")
    assert (applied.stopped, reason.kind) == ("timed out", Kind.TIMED_OUT)
    assert reason.text == "Terraform_Timeout = 1: Terraform timed out" and "raise Terraform_Timeout" in reason.cure
    assert applied.failed == {A: Reason(Kind.UNCLASSIFIED, "denied")}


# -- the state ---------------------------------------------------------------------------------------------


def test_the_state_is_read_by_pilot_and_without_a_process(rig: Rig) -> None:
    rig.keep(state(**{A: {}, B: {"status": "tainted"}}))
    assert rig.terraform.instances() == {A: Instance(f"i-{A}", False), B: Instance(f"i-{B}", True)}
    assert not rig.calls() and not rig.terraform.started


def test_a_state_in_another_backend_is_read_through_terraform(rig: Rig) -> None:
    rig.keep(state(**{B: {}}))  # left from before
    rig.elsewhere()
    rig.answer(state_pull={"out": json.dumps(state(**{A: {}}))})
    assert rig.terraform.instances() == {A: Instance(f"i-{A}", False)}
    assert rig.commands() == ["state pull"] and dict(rig.terraform.started) == {"state pull": 1}


def test_no_backend_that_was_chosen_is_none(rig: Rig) -> None:
    rig.elsewhere('{"backend": null}')
    assert rig.terraform.instances() == {} and not rig.commands()


@pytest.mark.parametrize("chosen", ["", "[", '{"backend": {"ty', "[]", "\x00"])
def test_a_torn_choice_of_a_backend_is_not_guessed_and_the_next_writer_makes_it_again(
    rig: Rig, chosen: str
) -> None:
    rig.elsewhere(chosen)
    with pytest.raises(DamagedStateError, match="tfce repair"):
        rig.terraform.instances()
    assert not rig.commands()
    rig.terraform.prepare()
    assert rig.commands() == ["init"] and rig.terraform.instances() == {}


def test_an_init_that_was_killed_is_followed_by_another(rig: Rig) -> None:
    rig.terraform.prepare()
    rig.answer(init={"exit": 1, "err": "Error: killed"})
    (rig.workspace.private / ".terraform.lock.hcl").unlink()
    with pytest.raises(TerraformError):
        rig.terraform.prepare()
    rig.answer(init={})
    rig.terraform.prepare()
    rig.terraform.prepare()
    assert rig.commands() == ["init"] * 3


BLANK = {"version": 4, "serial": 1, "lineage": "a"}


@pytest.mark.parametrize("text", ["", "\n", json.dumps(BLANK), json.dumps({**BLANK, "resources": None})])
def test_no_state_is_no_pilots(rig: Rig, text: str) -> None:
    rig.keep(text)
    assert rig.terraform.instances() == {}


@pytest.mark.parametrize(
    "more", [{"attributes": None}, {"attributes": {"id": None}}, {"attributes": {}}, {"deposed": "1"}]
)
def test_entries_without_a_vm_are_none(rig: Rig, more: dict[str, Any]) -> None:
    rig.keep(state(**{A: more}))
    assert rig.terraform.instances() == {}


DAMAGED = [
    "{",
    "[]",
    '"x"',
    "null",
    "Error",
    "\x00\x00",
    "[" * 100_000,
    "{}",
    json.dumps({**BLANK, "version": 5}),
    json.dumps({**BLANK, "serial": "1"}),
    json.dumps({**BLANK, "lineage": None}),
    *(json.dumps({**BLANK, "resources": wrong}) for wrong in (1, [1], [{"instances": 1}], [{"instances": [1]}])),
]


@pytest.mark.parametrize("through_terraform", [False, True])
@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_state_is_never_read_as_empty(rig: Rig, text: str, through_terraform: bool) -> None:
    if through_terraform:
        rig.elsewhere()
        rig.answer(state_pull={"out": text})
    else:
        rig.keep(text)
    with pytest.raises(TerraformError, match="damaged") as caught:
        rig.terraform.instances()
    assert "tfce repair" in caught.value.message and "no pilot was touched" in caught.value.message


def test_a_state_that_cannot_be_pulled_is_an_error(rig: Rig) -> None:
    rig.elsewhere()
    rig.answer(state_pull={"exit": 1, "err": f"\nError: Failed to read state\n\n{SECRET}\n"})
    with pytest.raises(TerraformError) as caught:
        rig.terraform.instances()
    assert "own backend of Terraform gives no state: Failed to read state ****; see" in caught.value.message
    assert "remove there and run `tfce repair cloud.example.org/long`" in caught.value.message


def test_a_state_that_could_not_be_written_is_pushed_first(rig: Rig) -> None:
    left = rig.workspace.private / "errored.tfstate"
    left.write_text(json.dumps(BLANK))
    rig.terraform.instances()
    rig.terraform.instances()
    assert rig.commands() == ["state push"] and not left.exists()


@pytest.mark.parametrize("text", ["", "{", "x"])
def test_a_state_that_could_not_be_written_at_all_is_not_in_the_way(rig: Rig, text: str) -> None:
    left = rig.workspace.private / "errored.tfstate"
    left.write_text(text)  # the disk was full for it, too
    rig.keep(state(**{A: {}}))
    assert set(rig.terraform.instances()) == {A}
    assert rig.commands() == [] and not left.exists()
    assert left.with_suffix(".damaged").read_text() == text


def test_a_state_that_cannot_be_read_is_said(rig: Rig) -> None:
    rig.keep("")
    (path,) = rig.workspace.private.glob("terraform.tfstate.d/*/terraform.tfstate")
    path.unlink()
    path.mkdir()
    with pytest.raises(TerraformError, match=r"damaged .*Is a directory.*tfce repair"):
        rig.terraform.instances()


def test_a_device_is_no_state(rig: Rig) -> None:
    rig.keep("")
    (path,) = rig.workspace.private.glob("terraform.tfstate.d/*/terraform.tfstate")
    path.unlink()
    path.symlink_to(os.devnull)  # nor is /dev/zero, which would take all memory
    with pytest.raises(TerraformError, match=r"damaged .*no file that could be read.*tfce repair"):
        rig.terraform.instances()


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo], ids=["endless", "pipe"])
def test_no_terraform_begins_on_a_state_without_an_end(rig: Rig, make: Callable[[Path], None]) -> None:
    rig.keep("")
    (path,) = rig.workspace.private.glob("terraform.tfstate.d/*/terraform.tfstate")
    path.unlink()
    make(path)
    with pytest.raises(TerraformError, match=r"damaged .*no file that could be read.*tfce repair"):
        rig.terraform.prepare()
    assert rig.commands() == []


def test_before_anything_was_submitted_the_state_is_empty_and_nothing_runs(
    make_queue: MakeQueue, rig: Rig
) -> None:
    fresh = Workspace(
        make_queue(name="fresh", Terraform_Module="native", Terraform_Binary=str(rig.folder / "terraform"))
    )
    assert Terraform(fresh, Credentials("k", "s")).instances() == {}
    assert not fresh.private.exists()


# -- adopt, forget, untaint --------------------------------------------------------------------------------


def test_vms_are_adopted_all_in_one_run_whose_instructions_do_not_stay(rig: Rig) -> None:
    rig.terraform.adopt({})
    assert rig.commands() == []
    rig.terraform.adopt({B: 'i-"2${x}', A: "i-1"})
    assert rig.commands() == ["apply"]
    text = rig.calls()[0][3]["adopt.tf"]
    assert text.count("import {") == 2 and f'to = aws_instance.pilot["{A}"]' in text and 'id = "i-1"' in text
    assert '"i-\\"2${x}' not in text  # an id is a text, never a template
    assert {word for word in rig.last() if word.startswith("-target")} == {
        f'-target=aws_instance.pilot["{key}"]' for key in (A, B)
    }
    assert not (rig.workspace.private / "adopt.tf").exists()


def test_a_failed_adoption_does_not_stay_in_the_way(rig: Rig) -> None:
    rig.answer(apply={"exit": 1, "err": "Error: Cannot import non-existent remote object\n"})
    with pytest.raises(TerraformError, match="Cannot import"):
        rig.terraform.adopt({A: "i-1"})
    assert not (rig.workspace.private / "adopt.tf").exists()


def test_any_number_is_forgotten_in_one_run_and_unknown_ones_are_no_error(rig: Rig) -> None:
    rig.keep(state(**{A: {}, B: {}}))
    rig.terraform.forget([A, B, "0000000C"])
    assert rig.commands() == ["state rm"]
    assert [word for word in rig.last() if "pilot[" in word] == [f'aws_instance.pilot["{key}"]' for key in (A, B)]
    rig.terraform.forget(["0000000C"])
    assert rig.commands().count("state rm") == 1


def test_pilots_are_untainted(rig: Rig) -> None:
    rig.terraform.untaint([])
    assert rig.commands() == []
    rig.terraform.untaint([A])
    assert rig.last()[0] == "untaint" and rig.last()[-1] == f'aws_instance.pilot["{A}"]'


# -- plan --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "empty"), [(0, True), (2, False)])
def test_a_plan_shows_and_changes_nothing(rig: Rig, code: int, empty: bool) -> None:
    rig.answer(plan={"exit": code, "out": f"the plan {SECRET}\n"})
    plan = rig.terraform.plan()
    assert (plan.empty, plan.text) == (empty, "the plan ****\n")
    assert {"-lock=false", "-detailed-exitcode", "-refresh=true"} <= set(rig.last())
    rig.terraform.plan(refresh=False)
    assert "-refresh=false" in rig.last()


def test_a_plan_that_fails_is_an_error(rig: Rig) -> None:
    rig.answer(plan={"exit": 1, "err": "Error: Instance cannot be destroyed\n"})
    with pytest.raises(TerraformError, match="terraform plan: Instance cannot be destroyed"):
        rig.terraform.plan()


def test_terraforms_colours_stay_with_terraform(rig: Rig) -> None:
    rig.terraform.prepare()
    coloured = "\x1b[31m╷\x1b[0m\n\x1b[31m│\x1b[0m \x1b[1m\x1b[31mError: \x1b[0m\x1b[1mno such state\x1b[0m\n"
    rig.answer(untaint={"exit": 1, "err": coloured}, plan={"exit": 2, "out": "\x1b[32m+\x1b[0m create\n"})
    with pytest.raises(TerraformError) as failed:
        rig.terraform.untaint([A])
    assert failed.value.message == "terraform untaint: no such state"
    assert rig.terraform.plan().text == "+ create\n"


def test_a_program_that_has_gone_is_an_error_not_a_crash(rig: Rig) -> None:
    rig.terraform.prepare()
    (rig.folder / "terraform").unlink()
    with pytest.raises(TerraformError, match="cannot be run"):
        rig.terraform.untaint([A])
