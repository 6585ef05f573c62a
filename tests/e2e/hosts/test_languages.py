"""A PostgreSQL speaks the language of its administrator; what it refuses is still no silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.edges import MINIMAL
from tests.rigs.errors import RigError
from tests.rigs.postgres import Postgres
from tfce.config import backends
from tfce.config.credentials import Credentials
from tfce.config.options import parse
from tfce.model.errors import BackendError
from tfce.store.workspace import Workspace
from tfce.terraform.document_store import StateDocumentStore


@pytest.fixture(scope="module", params=["de", "ja"])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    try:
        with Postgres(request.param) as server:
            if "ready to accept connections" in (server.folder / "log").read_text():
                pytest.skip(f"this PostgreSQL has no messages in {request.param}")
            yield server
    except RigError as error:
        pytest.skip(str(error))


def documents(folder: Path, conn_str: str) -> StateDocumentStore:
    """A record in a database that is reached by ``conn_str``."""
    auth = folder / "backend.auth"
    auth.touch(0o600)
    auth.write_text(f"[pg]\nconn_str = {conn_str}\n")
    shared = {"Terraform_Backend": "pg", "Terraform_BackendFile": str(auth), "Workspace_Installation": "tests"}
    options = {**MINIMAL, **shared, "Terraform_Module": "bulk"}
    queue = parse("cloud.example.org", "long", options, folder, folder / "root")
    workspace = Workspace(queue)
    workspace.make_folders()
    return StateDocumentStore(workspace, Credentials("", ""), backend=backends.load(queue))


@pytest.mark.parametrize(
    ("right", "wrong"), [("planted", "wrong"), ("/postgres?", "/nowhere?"), ("tfce:", "nobody:")]
)
def test_a_refusal_in_any_language_is_an_answer(server: Postgres, tmp_path: Path, right: str, wrong: str) -> None:
    with pytest.raises(BackendError) as caught:
        documents(tmp_path, server.dsn().replace(right, wrong)).pull()
    assert "answers, and does not do what it is asked: pq: " in caught.value.message
    assert "the login, its rights or a setting in [pg] of Terraform_BackendFile" in caught.value.cure


def test_a_database_that_is_not_there_does_not_answer(server: Postgres, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"does not answer: .*connection refused"):
        documents(tmp_path, server.dsn(port=9)).pull()
    held = documents(tmp_path, server.dsn()).pull()
    assert held is not None and not held.text
