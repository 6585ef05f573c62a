"""A real DIRAC 9.1 server on 127.0.0.1, from MariaDB to the Matcher, as SiteDirector needs it.

    with Server(python, sites) as dirac:
        dirac.jobs(3)
        print(dirac.agent("WorkloadManagement/SiteDirector", cycles=1))
        print(dirac.pilots())

From a shell: python tests/rigs/dirac_server.py start|stop FOLDER. Ready in about 15 s. Each process it starts
is recorded with its birth and ended by its process group. Needs the 9.1 environment of dirac.py.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.rigs import dirac, dirac_cfg, dirac_x509
from tests.rigs.cache import cache
from tests.rigs.errors import RigError

VO, PILOT_GROUP, USER_GROUP = "dteam", "dteam_pilot", "dteam_user"
VOMS_ROLE = f"/{VO}/Role=pilot"
SITE = "CLOUD.Test.org"
_DATABASES = {
    "Framework": ["ProxyDB"],
    "ResourceStatus": ["ResourceStatusDB", "ResourceManagementDB"],
    "WorkloadManagement": ["PilotAgentsDB", "TaskQueueDB", "JobDB", "JobLoggingDB"],
}
_SERVICES = {
    "Framework/ProxyManager": "Framework",
    "ResourceStatus/ResourceStatus": "ResourceStatus",
    "WorkloadManagement/PilotManager": "WorkloadManagement",
    "WorkloadManagement/Matcher": "WorkloadManagement",
}
_READY_SECONDS = 90.0
_AGENT_SECONDS = 300.0
_POLLING = 10  # DIRAC's least; with less, an agent begins its first cycle later
_HELPER = Path(__file__).with_name("dirac_seed.py")


class Server:
    """The server; a context manager. ``elements``: the CEs of the one site, in the form of ``dirac_cfg``."""

    def __init__(self, elements: Mapping[str, Any] | None = None, folder: Path | None = None) -> None:
        self._temporary = folder is None
        self.folder = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="tfce-dirac-"))
        self.elements = dict(elements or {})
        self.python = cache("dirac", "9.1", "venv", "bin", "python")
        self._ports = _free_ports(2 + len(_SERVICES))
        self._record = self.folder / "processes.json"

    # -- its life ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it answers. RigError if it does not."""
        dirac.ensure("9.1")
        for name in ("etc", "data", "mysql"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._record.write_text("[]")
        try:
            self.authority = dirac_x509.make(self.folder / "x509")
            self._database()
            self._configure()
            self._service("configuration", "dirac.cfg", ["Configuration/Server"])
            self._service("services", "services.cfg", list(_SERVICES))
            self.helper("proxy", self.authority.folder)
            self.helper("active", SITE, *self.elements)
        except BaseException:
            self.stop(keep_folder=True)
            raise

    def stop(self, keep_folder: bool = False) -> None:
        """End every recorded process, the youngest first; within half a minute."""
        try:
            recorded = json.loads(self._record.read_text())
        except (OSError, ValueError):
            recorded = []
        for entry in reversed(recorded):
            _end(entry["pid"], entry["born"])
        self._record.unlink(missing_ok=True)
        if self._temporary and not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of the server's processes."""
        own = {"DIRAC_ROOT_PATH": str(self.folder), "X509_CERT_DIR": str(self.authority.trusted)}
        return dirac.environment("9.1") | own | {"DIRAC_NO_CFG": "1"} | more

    def _spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        recorded = json.loads(self._record.read_text()) if self._record.exists() else []
        recorded.append({"pid": process.pid, "born": _born(process.pid), "name": name})
        self._record.write_text(json.dumps(recorded))
        return process

    # -- the database --------------------------------------------------------------------------------------

    def _database(self) -> None:
        data, user = self.folder / "mysql" / "data", getpass.getuser()
        paths = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin"}
        options = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
        install = ["mariadb-install-db", *options, "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(install, env=paths, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RigError(f"mariadb-install-db ended with {done.returncode}: {done.stderr[-600:]}")
        socket_file = self.folder / "mysql" / "s"
        place = [f"--socket={socket_file}", "--bind-address=127.0.0.1", f"--port={self._ports[0]}"]
        process = self._spawn("mysql/server", ["mariadbd", *options, *place], paths)
        self._wait(process, "mysql/server", lambda: self._connects(self._ports[0]))
        grants = "".join(
            f"CREATE USER 'Dirac'@'{host}' IDENTIFIED BY 'dirac'; GRANT ALL ON *.* TO 'Dirac'@'{host}';"
            for host in ("localhost", "%")
        )
        self.sql(grants)
        code = "import DIRAC, os; print(os.path.dirname(DIRAC.__file__))"
        source = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True).stdout
        for name in (name for names in _DATABASES.values() for name in names):
            self.sql(f"CREATE DATABASE {name}")
            for text in Path(source.split()[-1]).rglob(f"{name}.sql"):
                self.sql(text.read_text(), name)

    def sql(self, text: str, database: str = "") -> list[dict[str, str]]:
        """Run SQL as the database's administrator; the rows of the last SELECT."""
        socket_file = self.folder / "mysql" / "s"
        command = [
            "mariadb",
            "--no-defaults",
            "-uroot",
            "-S",
            str(socket_file),
            "--batch",
            *([database] * bool(database)),
        ]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RigError(f"mariadb: {done.stderr}")
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]

    # -- configuration and services ------------------------------------------------------------------------

    def _configure(self) -> None:
        etc, server = self.folder / "etc", f"dips://localhost:{self._ports[1]}/Configuration/Server"
        place = {"Name": "Test-Prod", "Servers": server, "MasterServer": server, "RefreshTime": 2}
        central = {
            "DIRAC": {"Configuration": {**place, "Version": "2026-01-01 00:00:00.000000"}},
            **self._central(),
        }
        security = {
            "UseServerCertificate": "yes",
            "CertFile": self.authority.certificate("host"),
            "KeyFile": self.authority.key("host"),
            "SkipCAChecks": "False",
        }
        local: dict[str, Any] = {"DIRAC": {"Hostname": "localhost", "Configuration": place, "Security": security}}
        master = {
            "Port": self._ports[1],
            "HandlerPath": "DIRAC/ConfigurationSystem/Service/ConfigurationHandler.py",
            "Authorization": {"Default": "authenticated", "commitNewData": "CSAdministrator"},
        }
        (etc / "Test-Prod.cfg").write_text(dirac_cfg.dump(central))
        (etc / "services.cfg").write_text(dirac_cfg.dump(local))
        own = {**local["DIRAC"], "Configuration": {**place, "Master": "yes"}}
        systems = {"Configuration": {"Services": {"Server": master}}}
        (etc / "dirac.cfg").write_text(dirac_cfg.dump({"DIRAC": own, "Systems": systems}))

    def _central(self) -> dict[str, Any]:
        """What the Configuration Service holds."""
        systems: dict[str, Any] = {}
        for system, names in _DATABASES.items():
            databases = {name: {"DBName": name, **self._login()} for name in names}
            systems[system] = {"Databases": databases, "URLs": {}, "Services": {}}
        for port, (service, system) in zip(self._ports[2:], _SERVICES.items(), strict=True):
            name = service.partition("/")[2]
            systems[system]["URLs"][name] = f"dips://localhost:{port}/{service}"
            systems[system]["Services"][name] = {
                "Port": port,
                "HandlerPath": f"DIRAC/{system}System/Service/{name}Handler.py",
                "Authorization": {"Default": "authenticated"},
            }
        agents = {
            "SiteDirector": {
                "VO": VO,
                "CETypes": "Terraform",
                "PollingTime": _POLLING,
                "WorkDirectory": self.folder / "data",
                "SendPilotAccounting": "no",
                "PilotStatusUpdateCycleFactor": 1,
                "FailedQueueCycleFactor": 1,
            },
            "PilotStatusAgent": {"PilotAccountingEnabled": "no", "PollingTime": _POLLING},
        }
        systems["WorkloadManagement"]["Agents"] = agents
        user = {"VO": VO, "Users": "pilotuser"}
        groups = {
            PILOT_GROUP: {**user, "Properties": ["GenericPilot", "LimitedDelegation"], "VOMSRole": VOMS_ROLE},
            USER_GROUP: {**user, "Properties": "NormalUser"},
        }
        rights = ["TrustedHost", "CSAdministrator", "FullDelegation", "Operator"]
        return {
            "Registry": {
                "DefaultGroup": USER_GROUP,
                "Users": {"pilotuser": {"DN": dirac_x509.PILOT_DN}},
                "Groups": groups,
                "Hosts": {"localhost": {"DN": dirac_x509.HOST_DN, "Properties": rights}},
            },
            "Systems": systems,
            "Operations": {
                "Defaults": {
                    "Pilot": {"GenericPilotDN": dirac_x509.PILOT_DN, "GenericPilotGroup": PILOT_GROUP},
                }
            },
            "DiracX": {"DisabledVOs": VO},
            "Resources": {"Sites": {"CLOUD": {SITE: {"VO": VO, "CEs": self.elements}}}},
        }

    def _login(self) -> dict[str, Any]:
        return {"Host": "127.0.0.1", "Port": self._ports[0], "User": "Dirac", "Password": "dirac"}

    def _service(self, name: str, cfg: str, components: list[str]) -> None:
        program = self.python.with_name("dirac-service")
        command = [str(program), *components, "--cfg", str(self.folder / "etc" / cfg)]
        process = self._spawn(name, command, self.environment())
        ports = self._ports[1:2] if cfg == "dirac.cfg" else self._ports[2:]
        self._wait(process, name, lambda: all(map(self._connects, ports)))

    def _wait(self, process: subprocess.Popen[bytes], name: str, ready: Any) -> None:
        log = self.folder / f"{name}.log"
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise RigError(f"{name} does not answer, see {log}\n{tail}")
            time.sleep(0.1)

    @staticmethod
    def _connects(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    # -- working with it -----------------------------------------------------------------------------------

    def run(
        self,
        *command: str,
        folder: Path | None = None,
        inside: Callable[[Sequence[str]], list[str]] = list,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's commands to its end, ``inside`` whatever network. Its output and errors are
        together in ``stdout``."""
        return subprocess.run(
            inside([str(self.python.with_name(command[0])), *command[1:]]),
            env=self.environment(**environment),
            cwd=folder or self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_AGENT_SECONDS,
            check=False,
        )

    @property
    def ports(self) -> Sequence[int]:
        """Where on 127.0.0.1 the database and the services listen."""
        return tuple(self._ports)

    @property
    def cfg(self) -> Path:
        """The local configuration of agents and commands on the server."""
        return self.folder / "etc" / "services.cfg"

    def helper(self, *arguments: object) -> str:
        """Run dirac_seed.py; its output. RigError if it fails."""
        done = self.run("python", str(_HELPER), *map(str, arguments), "--cfg", str(self.cfg))
        if done.returncode:
            raise RigError(f"dirac_seed.py {arguments[0]}: {done.stdout[-1500:]}")
        return done.stdout

    def agent(self, name: str, cycles: int = 1, **environment: Any) -> str:
        """Run an agent for some cycles; its log."""
        done = self.run("dirac-agent", name, "--cfg", str(self.cfg), "-o", f"MaxCycles={cycles}", **environment)
        if done.returncode:
            raise RigError(f"{name} ended with {done.returncode}: {done.stdout[-1500:]}")
        return done.stdout

    def start_agent(self, name: str, **environment: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start an agent that goes on until it is stopped; its process and its log."""
        command = [str(self.python.with_name("dirac-agent")), name, "--cfg", str(self.cfg), "-o", "MaxCycles=0"]
        label = f"agent-{time.monotonic_ns()}"
        return self._spawn(label, command, self.environment(**environment)), self.folder / f"{label}.log"

    def jobs(self, number: int) -> None:
        """Let ``number`` jobs wait, no more and no fewer."""
        self.sql("DELETE FROM tq_Jobs; DELETE FROM tq_TaskQueues", "TaskQueueDB")
        if number:
            self.helper("jobs", number)

    def pilots(self) -> dict[str, dict[str, str]]:
        """The pilots in the database by reference."""
        rows = self.sql("SELECT * FROM PilotAgents", "PilotAgentsDB")
        return {row["PilotJobReference"]: row for row in rows}

    def states(self) -> dict[str, str]:
        """The status of each pilot in the database."""
        return {reference: row["Status"] for reference, row in self.pilots().items()}


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _born(pid: int) -> str | None:
    """When a process started, in ticks since boot; None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _end(pid: int, born: str) -> None:
    for number, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        if _born(pid) != born:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and _born(pid) == born:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.05)


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="A real DIRAC 9.1 server on 127.0.0.1.")
    parser.add_argument("command", choices=["start", "stop"])
    parser.add_argument("folder", type=Path, help="where everything goes: data, logs, configuration")
    given = parser.parse_args()
    server = Server(folder=given.folder)
    try:
        if given.command == "start":
            server.start()
            print(f"ready: dirac-agent … --cfg {server.cfg}")
        else:
            server.stop()
    except RigError as error:
        print(f"dirac-server: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
