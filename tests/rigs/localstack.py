"""An EC2 cloud on 127.0.0.1 for tests and the demo: LocalStack in host mode, or moto (quicker, less true).

From a shell:  python tests/rigs/localstack.py ensure|start|stop|status  (--help has the rest)
From Python:   with LocalStack() as cloud: cloud.url, cloud.port, cloud.call("DescribeInstances")

Each emulator has its own virtual environment with pinned packages in the cache (`TFCE_CACHE`, else `.cache`
in the clone), made on first use. A server is a process group of its own; its pid is recorded in its folder,
and exactly that group is stopped. Linux only. No Docker, no token; once the environment is made, no network.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from xml.etree import ElementTree

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.rigs.cache import cache, pins, virtual_environment
from tests.rigs.errors import RigError

HERE = Path(__file__).resolve().parent
REGION = "us-east-1"
ACCESS_KEY, SECRET_KEY = "test", "test"  # the emulators accept anything
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # HTTP_PROXY is not for 127.0.0.1
_NOT_INHERITED = ("AWS_", "MOTO_", "PYTHON", "LOCALSTACK")


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Emulator:
    """One emulated EC2 cloud; a context manager that starts and stops it.

    `port`: 0 takes a free one. `folder`: where logs, data and the pid go; if None a temporary one, which
    `stop` removes. `settings`: more environment variables of the server, such as MOTO_ENABLE_AMI_VALIDATION.
    """

    name: ClassVar[str]
    start_seconds: ClassVar[float] = 120.0

    def __init__(
        self, port: int = 0, folder: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self.account = ACCESS_KEY  # twelve digits name an account of its own
        self.settings = dict(settings or {})
        self._temporary = folder is None
        self.folder = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix=f"tfce-{self.name}-"))

    # What differs between emulators.

    def command(self, python: Path) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    # The life of a server.

    @property
    def url(self) -> str:
        """Where the EC2 API answers, such as http://127.0.0.1:4566."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def record(self) -> Path:
        """The file that says which process serves this folder."""
        return self.folder / "server.json"

    @property
    def log(self) -> Path:
        """The server's output."""
        return self.folder / "server.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @classmethod
    def ensure(cls) -> Path:
        """Make the virtual environment unless it is there with these pins; return its Python."""
        home = cache(cls.name)
        home.mkdir(parents=True, exist_ok=True)
        requirements = HERE / f"{cls.name}-requirements.txt"
        wanted = hashlib.sha256(f"{pins(requirements)}{sys.version}".encode()).hexdigest()
        place, stamp = home / "venv", home / "venv" / "requirements.sha256"
        with (home / "venv.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (stamp.exists() and stamp.read_text() == wanted):
                _install(cls.name, place, requirements)
                stamp.write_text(wanted)
        return place / "bin" / "python"

    def start(self) -> None:
        """Start the server and wait until EC2 answers. RigError if it does not within `start_seconds`."""
        python = self.ensure()
        self.stop(keep_folder=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                raise RigError(f"port {self.port} of 127.0.0.1 is in use: give another one, or none")
        (self.folder / "tmp").mkdir(exist_ok=True)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self.command(python),
                env=inherited | {"TMPDIR": str(self.folder / "tmp")} | self.environment() | self.settings,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests, which then stop the server
            )
        record = {"pid": process.pid, "born": _born(process.pid), "port": self.port}
        self.record.write_text(json.dumps(record))
        try:
            self._wait(process)
        except BaseException:
            self.stop(keep_folder=True)
            raise

    def stop(self, keep_folder: bool = False) -> bool:
        """Stop the recorded server and its process group, within 15 seconds. True if there was one."""
        pid = self.running()
        if pid:
            for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 10.0)):
                _signal_group(pid, number)
                if _gone(pid, seconds):
                    break
        self.record.unlink(missing_ok=True)
        if self._temporary and not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        return pid is not None

    def running(self) -> int | None:
        """The recorded server's pid if it lives; takes over its port. None if there is none."""
        try:
            record = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return None
        if _born(record["pid"]) != record["born"]:  # gone, or the number belongs to somebody else by now
            return None
        self.port = self.port or record["port"]
        return int(record["pid"])

    def strike(self, number: int) -> None:
        """A signal for the server and all it started."""
        if pid := self.running():
            _signal_group(pid, number)

    def call(self, action: str, region: str = REGION, **parameters: str) -> ElementTree.Element:
        """One request to the EC2 API, such as call("StopInstances", **{"InstanceId.1": "i-0"}).

        The answer's tags carry no namespace. RigError with EC2's code and text if the request is refused.
        """
        scope = f"Credential={self.account}/20240101/{region}/ec2/aws4_request, SignedHeaders=host, Signature=0"
        body = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **parameters}).encode()
        request = urllib.request.Request(self.url + "/", body, {"Authorization": f"AWS4-HMAC-SHA256 {scope}"})
        try:
            with _DIRECT.open(request, timeout=60) as answer:
                return _plain(answer.read())
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise RigError(f"{action}: {error.code}: {text[:400]}") from error

    def answers(self) -> bool:
        """Whether EC2 does."""
        try:
            self.call("DescribeRegions")
        except (OSError, RigError, ElementTree.ParseError):
            return False
        return True

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < self.start_seconds:
            if process.poll() is not None:
                raise RigError(f"{self.name} ended with {process.returncode}: {_tail(self.log)}")
            if self.answers():
                return
            time.sleep(0.1)
        raise RigError(f"{self.name} did not answer within {self.start_seconds:.0f} s: {_tail(self.log)}")


class LocalStack(Emulator):
    """LocalStack's EC2 (with STS and IAM). Ready in 3 to 7 s; 210 MB, 470 MB after ten instances."""

    name = "localstack"

    def command(self, python: Path) -> list[str]:
        """LocalStack's own runtime, without its command-line program, which wants Docker and a token."""
        return [str(python), "-m", "localstack.runtime.main"]

    def environment(self) -> dict[str, str]:
        """Host mode: files in the folder, no downloads. hypercorn: the default server ignores the address."""
        address = f"127.0.0.1:{self.port}"
        return {
            "GATEWAY_LISTEN": address,
            "LOCALSTACK_HOST": address,
            "GATEWAY_SERVER": "hypercorn",
            "SERVICES": "ec2,sts,iam",
            "EAGER_SERVICE_LOADING": "1",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            "FILESYSTEM_ROOT": str(self.folder / "data"),
        }


class Moto(Emulator):
    """moto's server. Ready in about a second; 53 MB.

    Images and instance types are checked only with the settings MOTO_ENABLE_AMI_VALIDATION=1 and
    MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION=1.
    """

    name = "moto"

    def command(self, python: Path) -> list[str]:
        """moto's server on our port."""
        return [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def environment(self) -> dict[str, str]:
        """Nothing is needed."""
        return {}


def _install(name: str, place: Path, requirements: Path) -> None:
    wanted = [line for line in requirements.read_text().splitlines() if "==" in line and line[0] != "#"]
    print(f"{name}: installing {len(wanted)} pinned packages into {place}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    pip = [str(virtual_environment(place)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    log = place.parent / "install.log"
    seen = 0
    with (
        log.open("w") as out,
        subprocess.Popen(
            [*pip, "--progress-bar", "off", "--no-deps", "--require-hashes", "-r", str(requirements)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            if line.startswith("Collecting"):
                seen += 1
                if seen % 20 == 0:
                    print(f"{name}: {seen} of {len(wanted)} packages found", file=sys.stderr, flush=True)
            if line.startswith("Installing"):
                print(f"{name}: unpacking", file=sys.stderr, flush=True)
    if process.returncode:
        raise RigError(f"pip ended with {process.returncode}: {_tail(log)}")
    print(f"{name}: installed in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def _born(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None if it is gone or a zombie."""
    fields = _stat(Path(f"/proc/{pid}"))
    return fields[19] if fields else None


def _stat(process: Path) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, group, ...; empty if gone or a zombie."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def _members(group: int) -> bool:
    """Whether anything of a process group still runs. A zombie that nobody collects does not count."""
    return any(_stat(process)[2:3] == [str(group)] for process in Path("/proc").glob("[0-9]*"))


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _gone(group: int, seconds: float) -> bool:
    """Wait until nothing of a process group is left; True if so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(group, os.WNOHANG)  # collects it when it is our own child
        if not _members(group):
            return True
        time.sleep(0.05)
    return False


def _plain(xml: bytes) -> ElementTree.Element:
    root = ElementTree.fromstring(xml)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _tail(log: Path) -> str:
    return f"see {log}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="An EC2 emulator on 127.0.0.1.")
    parser.add_argument("command", choices=["ensure", "start", "stop", "status"])
    parser.add_argument("--moto", action="store_true", help="moto instead of LocalStack")
    parser.add_argument("--port", type=int, default=0, help="the port; a free one if not given")
    parser.add_argument("--folder", type=Path, help="logs, data and pid; default: run/ beside the venv")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="a setting of the server")
    given = parser.parse_args(arguments)
    kind: type[Emulator] = Moto if given.moto else LocalStack
    folder = given.folder or cache(kind.name, "run")
    cloud = kind(given.port, folder, dict(item.partition("=")[::2] for item in given.set))
    try:
        if given.command == "ensure":
            print(cloud.ensure())
        elif given.command == "start":
            cloud.start()
            print(cloud.url)
        elif given.command == "stop":
            print("stopped" if cloud.stop() else "not running")
        else:
            pid = cloud.running()
            print(f"{cloud.url} pid {pid}" if pid else "not running")
            return 0 if pid else 1
    except RigError as error:
        print(f"{kind.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
