#!/usr/bin/env python3
"""A PostgreSQL server on 127.0.0.1, with a password, from Debian's packages.

`with Postgres() as server:` makes a database from nothing and removes it at the end; `kill` ends it as a loss of
power would, `start` brings it back with what it held. Programs of the machine are used where they are; else the
packages are fetched with apt-get and unpacked into the cache, which needs no root.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.rigs import debian
from tests.rigs.cache import cache
from tests.rigs.errors import RigError
from tests.rigs.localstack import free_port

USER, PASSWORD = "tfce", "planted%40pg-$word"  # as a connection string spells it
_SECONDS = 60.0
_SETTINGS = (
    "fsync=off",
    "max_connections=200",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "jit=off",
    "dynamic_shared_memory_type=mmap",  # in its folder: a server that is killed leaves none in /dev/shm
)


def programs() -> Path:
    """The folder of initdb and postgres; fetched where this machine has none. RigError where that cannot be."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    for root in (Path("/"), cache("postgres", "root")):
        places += sorted(root.glob("usr/lib/postgresql/*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None) or fetch()


def fetch(*named: str) -> Path:
    """Unpack Debian's packages into the cache: those ``named``, else all that a PostgreSQL needs here."""
    if not debian.has_apt():
        raise RigError("no PostgreSQL here, and no apt-get: install PostgreSQL's server")
    home = cache("postgres")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        debian.unpack(lambda: named or _missing(), Path(folder), Path(folder) / "root")
        shutil.rmtree(home / "root", ignore_errors=True)
        (Path(folder) / "root").rename(home / "root")
    return next((home / "root").glob("usr/lib/postgresql/*/bin"))


def _missing() -> list[str]:
    return re.findall(r"^Inst (\S+)", debian.would_install("postgresql"), re.MULTILINE)


def _run(*words: str, cwd: str | None = None) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RigError(f"{' '.join(words[:3])} ended with {done.returncode}: {done.stderr[-400:]}")
    return done.stdout


class Postgres:
    """One server; a context manager that starts it and removes its data. ``language``: what it speaks, where the
    package has that ("de"); else English."""

    def __init__(self, language: str = "") -> None:
        self.port, self._language = 0, language
        self.folder = Path(tempfile.mkdtemp(prefix="tfce-postgres-"))
        self._bin = programs()
        self._server: subprocess.Popen[bytes] | None = None
        # It refuses to run as root.
        self._user = None if os.geteuid() else _nobody()
        self._group = None if self._user is None else pwd.getpwuid(self._user).pw_gid

    def __enter__(self) -> Self:
        try:
            self._create()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, port: int = 0, database: str = "postgres") -> str:
        """The connection string; by way of another port of 127.0.0.1 where one is given."""
        return f"postgres://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}?sslmode=disable"

    def start(self) -> None:
        """Start the server on the data that is there, and wait until it answers."""
        self.port = self.port or free_port()
        spoken = ("lc_messages=C.utf8",) if self._language else ()
        settings = [word for setting in (*_SETTINGS, *spoken) for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings],
                env=self._environment(),
                cwd=self._data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user,
                group=self._group,
            )
        self._wait()

    def strike(self, number: int) -> None:
        """A signal for the server and all it started."""
        if self._server is not None and self._server.poll() is None:
            os.killpg(self._server.pid, number)

    def kill(self) -> None:
        """SIGKILL, to the server and all it started."""
        self.strike(signal.SIGKILL)
        if self._server is not None:
            self._server.wait(10)
            self._server = None

    def sql(self, text: str) -> list[str]:
        """The rows of one statement, asked by psql; needs psql beside the server's programs or on the PATH."""
        return _run(self._client("psql"), "-qAtX", "-c", text, self.dsn()).splitlines()

    def backup(self, path: Path) -> None:
        """Write a backup of the database with pg_dump, as an administrator does."""
        _run(self._client("pg_dump"), "-Fc", "-f", str(path), self.dsn())

    def restore(self, path: Path) -> None:
        """Put such a backup back."""
        _run(self._client("pg_restore"), "--clean", "--if-exists", "-d", self.dsn(), str(path))

    def _client(self, name: str) -> str:
        return shutil.which(name, path=f"{self._bin}:{os.environ.get('PATH', '')}") or name

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _environment(self) -> dict[str, str]:
        root = cache("postgres", "root")
        libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu"))
        words = {"LC_ALL": "C.utf8", "LANGUAGE": self._language} if self._language else {"LC_ALL": "C"}
        kept = {"PATH": os.environ.get("PATH", ""), **words}
        return kept | ({"LD_LIBRARY_PATH": libraries} if self._bin.is_relative_to(root) else {})

    def _create(self) -> None:
        self.folder.chmod(0o711)
        self._data.mkdir()
        secret = self.folder / "password"
        secret.write_text(PASSWORD.replace("%40", "@"))
        if self._user is not None and self._group is not None:
            for path in (self._data, secret):
                os.chown(path, self._user, self._group)
        words = ["initdb", "-D", str(self._data), "-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"]
        words[0] = str(self._bin / "initdb")
        done = subprocess.run(
            [*words, f"--pwfile={secret}"],
            env=self._environment(),
            cwd=self._data,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            user=self._user,
            group=self._group,
        )
        secret.unlink()
        if done.returncode:
            raise RigError(f"initdb ended with {done.returncode}: {done.stderr[-600:]}")

    def _wait(self) -> None:
        deadline = time.monotonic() + _SECONDS
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "2"]
        while time.monotonic() < deadline:
            assert self._server is not None
            if self._server.poll() is not None:
                raise RigError(f"postgres ended: {(self.folder / 'log').read_text()[-600:]}")
            if subprocess.run(ready, env=self._environment(), capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise RigError(f"postgres did not answer within {_SECONDS:.0f} s")


def _nobody() -> int:
    names = {one.pw_name: one.pw_uid for one in pwd.getpwall()}
    return names.get("postgres", names.get("nobody", 65534))


if __name__ == "__main__":
    print(programs())
