"""What is asked of a server of states beside Terraform's own backend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from threading import Thread

import pytest

from tests.rigs.gitlab import GitLab
from tests.rigs.quiet import QuietServer
from tests.rigs.statehttp import PASSWORD, USER, StateServer
from tfce.cloud import plain_http
from tfce.config.backends import Backend
from tfce.model.lease import NOWHERE
from tfce.terraform import http_states

LOGIN = {"TF_HTTP_USERNAME": USER, "TF_HTTP_PASSWORD": PASSWORD}
PLACE = "/api/v4/projects/1/terraform/state/ce.long"


@pytest.fixture
def server() -> Iterator[StateServer]:
    with StateServer() as found:
        found.locks[PLACE] = json.dumps({"ID": "mine"}).encode()
        found.states[PLACE] = b"{}"
        yield found


def backend(server: StateServer, method: str = "UNLOCK", login: dict[str, str] | None = None) -> Backend:
    return Backend("http", NOWHERE, {"unlock_method": method}, LOGIN if login is None else login, server.address)


@pytest.mark.parametrize("method", ["UNLOCK", "DELETE"])
def test_the_lock_that_is_named_is_broken_and_no_other(server: StateServer, method: str) -> None:
    assert http_states.unlock(backend(server, method), "ce.long", "another") and PLACE in server.locks
    assert http_states.unlock(backend(server, method), "ce.long", "mine") and PLACE not in server.locks
    assert http_states.unlock(backend(server, method), "ce.long", "mine")  # it is gone already


def test_gitlab_breaks_the_lock_that_is_named_and_no_other() -> None:
    lock = dict.fromkeys(("Operation", "Info", "Who", "Version", "Created", "Path"), "") | {"ID": "mine"}
    with GitLab() as server:
        assert server.answer("POST", f"{PLACE}/lock", "", json.dumps(lock).encode())[0] == 200
        assert http_states.unlock(backend(server, "DELETE"), "ce.long", "another") and PLACE in server.locks
        assert http_states.unlock(backend(server, "DELETE"), "ce.long", "mine") and PLACE not in server.locks


@pytest.mark.parametrize(("body", "said"), [("{}", "application/json"), ("", "")])
def test_what_is_sent_is_said_to_be_json(body: str, said: str) -> None:
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            heard.append(self.headers.get("Content-Type", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        plain_http.ask("DELETE", f"http://127.0.0.1:{server.server_port}/lock", None, body)
        server.shutdown()
    assert heard == [said]


def test_a_server_that_does_not_answer_so_leaves_it_to_terraform(server: StateServer) -> None:
    assert not http_states.unlock(backend(server, login={}), "ce.long", "mine")
    server.stop()
    try:
        assert not http_states.unlock(backend(server), "ce.long", "mine") and PLACE in server.locks
    finally:
        server.start()


def test_a_state_is_removed_or_it_is_said_why_it_stays(server: StateServer) -> None:
    assert "423" in http_states.remove(backend(server), "ce.long") and PLACE in server.states
    server.locks.clear()
    assert http_states.remove(backend(server), "ce.long") == "" and PLACE not in server.states
