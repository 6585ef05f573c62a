"""What the unit tests share: queues made from options, auth files, programs that are scripts, small servers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.rigs.quiet import QuietServer
from tfce.config.options import Queue, parse

STRANGER = 4242  # a user who is nobody here
MINIMAL = {"CloudType": "EC2", "Instance_Image": "ami-1", "Instance_Flavor": "t3.micro"}

MakeQueue = Callable[..., Queue]
MakeProgram = Callable[[str, str], Path]


@pytest.fixture
def stranger() -> Sequence[str]:
    """How root's command line becomes another user's; skips where that one cannot run this Python."""
    drop = ("setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups")
    tried = subprocess.run([*drop, sys.executable, "-c", ""], capture_output=True, text=True, cwd="/", check=False)
    if tried.returncode:
        pytest.skip(f"another user cannot run {sys.executable}: {tried.stderr.strip()}")
    return drop


@pytest.fixture
def make_queue(tmp_path: Path) -> MakeQueue:
    """``make_queue(ce=…, name=…, Option=value)``: a queue whose folders are below ``tmp_path``."""

    def make(ce: str = "cloud.example.org", name: str = "long", **options: str) -> Queue:
        return parse(ce, name, {**MINIMAL, **options}, tmp_path / "dirac", tmp_path / "root")

    return make


@pytest.fixture
def make_program(tmp_path: Path) -> MakeProgram:
    """``make_program("folder/name", text)``: an executable script below ``tmp_path``."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


# What gateways, balancers and portals say with 404 of what they do not find.
PAGES = (
    "<html><body><h1>404 Not Found</h1></body></html>",
    '\n<!DOCTYPE html><html lang="en"><title>Error 404</title>',
    "404 page not found",
    "default backend - 404",
    "<?xml version='1.0'?><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0'><html xmlns='http://www.w3.org/1999/xhtml'>",
)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server on 127.0.0.1 that logs nothing, as long as the context lasts; its port."""
    silent = type("Silent", (handler,), {"log_message": lambda *_: None})
    server = QuietServer(("127.0.0.1", 0), silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
