"""A cloud of each kind and a queue on it, for the session: what one case leaves is where the next begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.hostile.cases import every
from tests.e2e.hostile.grounds import Ground, OnEc2, OnOpenStack
from tests.rigs.hostile import Hostile
from tests.rigs.localstack import Moto
from tests.rigs.quiet import QuietServer
from tests.rigs.smallstack import SmallStack


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many were tried, and how many failed."""
    tried, failed = (
        sum("test_no_harm_is_done" in one.nodeid for name in names for one in terminalreporter.stats.get(name, ()))
        for names in (("passed", "failed", "error"), ("failed", "error"))
    )
    terminalreporter.write_line(f"hostile cloud: {tried} of {len(every())} cases tried, {failed} failed")


class Elsewhere:
    """Another host, to which nothing may be sent. ``heard``: what was sent all the same."""

    def __init__(self) -> None:
        heard: list[str] = []

        class Listen(BaseHTTPRequestHandler):
            def do_any(self) -> None:
                heard.append(f"{self.requestline} {self.headers}")
                self.send_error(403)

            do_GET = do_POST = do_DELETE = do_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the terminal."""

        self.heard = heard
        self.server = QuietServer(("127.0.0.1", 0), Listen)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Elsewhere]:
    made = Elsewhere()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="session")
def ec2(folder: Path, elsewhere: Elsewhere) -> Iterator[Ground]:
    with Moto() as emulator, Hostile(emulator.url, away=elsewhere.url) as proxy:
        yield OnEc2(folder / "ec2", emulator, proxy, f"ec2-{uuid4().hex[:8]}.example.org")


@pytest.fixture(scope="session")
def openstack(folder: Path, elsewhere: Elsewhere) -> Iterator[Ground]:
    with SmallStack() as cloud, Hostile(cloud.url, away=elsewhere.url) as proxy:
        yield OnOpenStack(folder / "openstack", cloud, proxy, f"nova-{uuid4().hex[:8]}.example.org")


@pytest.fixture
def ground(request: pytest.FixtureRequest) -> Ground:
    """The ground that a case is fought on."""
    made: Ground = request.getfixturevalue(request.param)
    return made
