"""An EC2 cloud on 127.0.0.1 for ``tfce demo``: moto's server, or one that listens already."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tfce.model.errors import ConfigError, TfceError

_LOG = "moto.log"
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_NOT_INHERITED = ("AWS_", "MOTO_")
_SCOPE = "Credential=demo/20240101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0"
# hazard: Ctrl-C between the start of a process and the variable that holds it leaves nobody who could stop it, and
# a demo that is killed stops nothing. The server ends with its standard input, which closes however the demo ends.
_BOUND = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
runpy.run_module("moto.server", run_name="__main__", alter_sys=True)
"""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # HTTP_PROXY is not for 127.0.0.1


@dataclass(frozen=True)
class Emulator:
    """An EC2 API on a port of 127.0.0.1, asked from the side."""

    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, action: str, **parameters: str) -> ElementTree.Element:
        """One request, such as ``call("StopInstances", **{"InstanceId.1": "i-0"})``; the answer's tags carry no
        namespace. ``TfceError`` if it is refused."""
        body = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **parameters}).encode()
        request = urllib.request.Request(self.url + "/", body, {"Authorization": f"AWS4-HMAC-SHA256 {_SCOPE}"})  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=60) as answer:
                root = ElementTree.fromstring(answer.read())  # noqa: S314  our own child's words
        except (OSError, ElementTree.ParseError) as error:
            raise TfceError(f"the emulated cloud at {self.url} does not do {action}: {error}") from error
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Emulator]:
    """moto's server with its log in ``folder``; it ends with the block."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask_cors") is None:
        problem, cure = "the emulated cloud is not installed", "run: pip install 'TfceDIRAC[demo]'"
        raise ConfigError("moto", "", problem, cure)
    cloud = Emulator(_free_port())
    process = _server(cloud.port, folder / _LOG)
    try:
        _wait(cloud, process, folder / _LOG)
        yield cloud
    finally:
        _stop(process)


def _server(port: int, path: Path) -> subprocess.Popen[bytes]:
    with path.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _BOUND, "-H", "127.0.0.1", "-p", str(port)],
            env={name: text for name, text in os.environ.items() if not name.startswith(_NOT_INHERITED)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops it
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(cloud: Emulator, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(TfceError):
            cloud.call("DescribeRegions")
            return
        time.sleep(0.1)
    raise TfceError(f"moto's server does not answer: {log.read_text(errors='replace')[-600:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
