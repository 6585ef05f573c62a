"""What the rigs make for the tests holds also when several are made at once."""

from __future__ import annotations

import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.rigs.cache import CLONE, virtual_environment
from tests.rigs.quiet import QuietServer


def test_a_python_of_the_rigs_is_a_link_that_nobody_can_hold_open_for_writing(tmp_path: Path) -> None:
    place = tmp_path / "place"
    python = virtual_environment(place)
    assert python.is_symlink()
    assert {path.is_symlink() for path in place.glob("bin/python*")} == {True}
    said = subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, text=True, check=True)
    assert str(place) in said.stdout


def test_each_environment_of_the_rigs_is_made_in_one_place() -> None:
    made = {path.name for path in (CLONE / "tests").rglob("*.py") if "venv.create(" in path.read_text()}
    assert made == {"cache.py", Path(__file__).name}


@pytest.mark.parametrize(("fault", "told"), [(BrokenPipeError(), False), (ValueError("a rig's own"), True)])
def test_a_server_of_the_tests_tells_of_its_own_faults_alone(
    fault: Exception, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with QuietServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        try:
            raise fault
        except type(fault):
            server.handle_error(None, ("127.0.0.1", 1))
    assert bool(capsys.readouterr().err) is told


def test_each_server_of_the_tests_is_a_quiet_one() -> None:
    loud = {path.name for path in (CLONE / "tests").rglob("*.py") if "ThreadingHTTPServer((" in path.read_text()}
    assert loud == {Path(__file__).name}
