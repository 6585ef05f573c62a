"""A state in a backend that hosts share, with a Terraform on disk that answers as told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.shared import BootClock
from tests.unit.conftest import MakeProgram, MakeQueue
from tfce.config.backends import Backend
from tfce.config.credentials import Credentials
from tfce.model.errors import BackendError
from tfce.model.lease import BackendId
from tfce.store.shared_document import DamagedError, Revision
from tfce.store.workspace import Workspace
from tfce.terraform.document_store import StateDocumentStore
from tfce.terraform.runner import Terraform

PROGRAM = f"""#!{sys.executable}
import json, sys
from pathlib import Path
if sys.argv[1] == "version":
    sys.exit(print(json.dumps({{"terraform_version": "1.11.4"}})))
chosen = Path(".terraform/terraform.tfstate")
if chosen.exists():
    json.loads(chosen.read_text())  # or it ends, as Terraform does, also its init
if sys.argv[1] == "init":
    chosen.parent.mkdir(exist_ok=True)
    chosen.write_text("{{}}")
    Path(".terraform.lock.hcl").touch()
answers = Path("answers")
if sys.argv[1:] == ["state", "pull"] and answers.exists():
    said, *later = answers.read_text().split(",")
    answers.write_text(",".join(later or [said]))
    if said != "whole":
        sys.exit(f"Error: Failed to refresh state: {{said}}")
    print(json.dumps({{"version": 4, "serial": 7, "lineage": "l", "outputs": {{"tfce": {{"value": "text"}}}}}}))
"""
TORN = "The state file could not be parsed as JSON: syntax error at byte offset 2426."
BROKEN = 175  # seconds after which another host breaks the lock of a push


class Asleep(BootClock):
    """The clock of a machine that sleeps for so many seconds each time it was looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._sleeps = seconds

    def now(self) -> float:
        self.seconds += self._sleeps
        return self.seconds


WHERE = Backend("s3", BackendId("s3", "states"), {"bucket": "states"})


def workspace(make_queue: MakeQueue, make_program: MakeProgram, folder: Path) -> Workspace:
    platform = folder / "mirror/registry.terraform.io/hashicorp/aws/5.1.0/linux_amd64"
    platform.mkdir(parents=True)
    (platform / "terraform-provider-aws_v5.1.0").touch(0o755)
    queue = make_queue(
        Terraform_Module="native",
        Workspace_Root=str(folder / "root"),
        Terraform_Binary=str(make_program("tf/terraform", PROGRAM)),
        Terraform_Mirror=str(folder / "mirror"),
    )
    made = Workspace(queue)
    made.save(made.prepare())
    return made


def documents(
    make_queue: MakeQueue, make_program: MakeProgram, folder: Path, ticks: BootClock
) -> StateDocumentStore:
    place = workspace(make_queue, make_program, folder)
    return StateDocumentStore(place, Credentials("AKIAKEY", "hush-secret", ""), backend=WHERE, ticks=ticks)


def test_what_was_written_for_so_long_that_its_lock_may_be_broken_is_not_believed(
    make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path
) -> None:
    slept = documents(make_queue, make_program, tmp_path, Asleep(BROKEN))
    with pytest.raises(BackendError, match="slept"):
        slept.push(Revision(1, "lineage", "text"))


def test_what_was_written_in_time_is_believed(
    make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path
) -> None:
    documents(make_queue, make_program, tmp_path, Asleep(BROKEN - 1)).push(Revision(1, "lineage", "text"))


@pytest.mark.parametrize("torn", ["", '{"vers'])
def test_what_a_killed_init_left_half_written_is_in_nobodys_way(
    make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path, torn: str
) -> None:
    place = workspace(make_queue, make_program, tmp_path)
    login = Credentials("AKIAKEY", "hush-secret", "")
    for _ in range(2):  # before it was ever initialised, and after that
        record = StateDocumentStore(place, login, backend=WHERE)
        for folder in (place.private, place.private / "shared"):
            chosen = folder / ".terraform" / "terraform.tfstate"
            chosen.parent.mkdir(parents=True, exist_ok=True)
            chosen.write_text(torn)
        assert record.text() == ""
        Terraform(place, login, backend=WHERE).prepare()
        assert (place.private / ".terraform" / "terraform.tfstate").read_text() == "{}"


def test_a_backend_that_dies_while_it_answers_is_not_damaged(
    make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path
) -> None:
    record = documents(make_queue, make_program, tmp_path, BootClock())
    assert record.pull() is None
    answers = tmp_path / "root" / "queues" / "cloud.example.org" / "long" / "shared" / "answers"
    assert answers.parent.is_dir()
    answers.write_text(f"{TORN},{TORN},whole")
    assert record.pull() == Revision(7, "l", "text")
    answers.write_text(f"{TORN},connection refused")
    with pytest.raises(BackendError, match=r"does not answer: .*connection refused"):
        record.pull()


def test_what_cannot_be_read_time_and_again_is_damaged(
    make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path
) -> None:
    record = documents(make_queue, make_program, tmp_path, BootClock())
    record.pull()
    next((tmp_path / "root").rglob("shared")).joinpath("answers").write_text(TORN)
    with pytest.raises(DamagedError, match="is damaged"):
        record.pull()
