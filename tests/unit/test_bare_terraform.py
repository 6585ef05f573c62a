"""The provider under Terraform by hand: in a queue's folder it serves that queue's settings only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfce.model.errors import ConfigError
from tfce.provider import settings
from tfce.provider.settings import FOLDER_OF, SOURCED_BY, WORKSPACE, FolderOf, folder_of

OURS = FolderOf("ce.long", "ce.long-1234")
SOURCED = {SOURCED_BY: OURS.name, WORKSPACE: OURS.workspace}
LOGIN = {settings.KEY: "key", settings.SECRET: "secret"}
BLOCK = {"cloud": "EC2", "region": "eu-west-1"}


def refused(environ: dict[str, str]) -> str:
    """Why a run does not get as far as its login, "" where it does."""
    try:
        settings.run({**LOGIN, **environ}).login(BLOCK)
    except ConfigError as error:
        return error.message
    return ""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_is_read(folder: Path) -> None:
    assert folder_of(folder) is None
    (folder / FOLDER_OF).write_text(OURS.to_json())
    assert folder_of(folder) == OURS


@pytest.mark.parametrize(
    ("environ", "there"),
    [
        (SOURCED, True),
        ({}, False),
        ({**SOURCED, SOURCED_BY: "ce.other"}, False),
        ({**SOURCED, WORKSPACE: "default"}, False),
        ({SOURCED_BY: OURS.name}, False),
    ],
)
def test_other_settings_are_refused_in_a_queues_folder(folder: Path, environ: dict[str, str], there: bool) -> None:
    assert refused(environ) == ""  # nobody's folder
    (folder / FOLDER_OF).write_text(OURS.to_json())
    assert ("run `. ./env.sh` here first" in refused(environ)) is not there


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"name": "x"}', '{"name": "x", "more": 1}', "\0", "9" * 5000]
)
def test_a_folder_of_which_nothing_can_be_believed_is_nobodys(folder: Path, text: str) -> None:
    (folder / FOLDER_OF).write_text(text)
    assert "run `. ./env.sh` here first" in refused(SOURCED)
