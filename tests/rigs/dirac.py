"""Real DIRAC for the tests: one virtual environment per version, made from pinned packages, with our wheel in it.

    python tests/rigs/dirac.py ensure [VERSION]          make the environments, print their Pythons
    python tests/rigs/dirac.py test [VERSION] [-- ARGS]  make them and run tests/dirac in each

VERSION is 9.1 (with DIRAC[server]) or 8.0; both if not given. Environments are kept in the cache
(`TFCE_CACHE`, else `.cache` in the clone). M2Crypto and mysqlclient are built from source, and the server
needs MariaDB: on Debian and as root the system packages for that are installed, else they are named. A
Terraform, the provider and the EC2 emulator are installed, too, where the machine has none.

Without ARGS the suites run side by side: 9.1's server before your eyes, the others into `tests.log` in the
cache, shown at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.rigs import debian, localstack, mirror
from tests.rigs.cache import CLONE, cache, pins, virtual_environment
from tests.rigs.errors import RigError

HERE = Path(__file__).resolve().parent
VERSIONS = ("8.0", "9.1")

# What must be there, and the Debian packages that bring it.
_NEEDS = {
    "8.0": {"swig": "swig", "gcc": "gcc", "openssl": "openssl", "/usr/include/openssl/ssl.h": "libssl-dev"},
    "9.1": {"mariadb_config": "libmariadb-dev", "pkg-config": "pkg-config", "mariadbd": "mariadb-server"},
}


# What builds the few packages without a wheel; the venv's own setuptools is too old for mysqlclient.
_BUILD = HERE / "dirac-build-requirements.txt"
_HASHED = ("--require-hashes", "-r")


def ensure(version: str) -> Path:
    """The Python of the environment with DIRAC ``version``; made unless it is there with these pins."""
    home = cache("dirac", version)
    home.mkdir(parents=True, exist_ok=True)
    requirements = HERE / f"dirac-{version}-requirements.txt"
    wanted = hashlib.sha256(f"{pins(requirements)}{sys.version}".encode()).hexdigest()
    place, stamp, own = home / "venv", home / "venv" / "requirements.sha256", home / "venv" / "wheel.sha256"
    python = place / "bin" / "python"
    with (home / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            _system_packages(version)
            begun = time.monotonic()
            _say(f"DIRAC {version}: installing into {place}, this takes a minute or two")
            virtual_environment(place)
            log = home / "install.log"
            log.unlink(missing_ok=True)
            _pip(python, log, *_HASHED, str(_BUILD))
            # Without dependencies: the list is whole, and gfal2-python, which DIRAC names, is left out of it.
            _pip(python, log, "--no-deps", "--no-build-isolation", *_HASHED, str(requirements))
            stamp.write_text(wanted)
            _say(f"DIRAC {version}: installed in {time.monotonic() - begun:.0f} s")
        wheel = build_wheel(home / "wheel")
        mark = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if not (own.exists() and own.read_text() == mark):
            _pip(python, home / "install.log", "--no-deps", "--force-reinstall", str(wheel))
            own.write_text(mark)
    return python


def build_wheel(folder: Path) -> Path:
    """The wheel of this clone in ``folder``, as a user gets it; the same bytes from the same files."""
    for old in folder.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(CLONE)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RigError(f"the wheel cannot be built: {done.stderr[-600:]}")
    return next(folder.glob("*.whl"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _pip(python: Path, log: Path, *arguments: str) -> None:
    quiet = ("--disable-pip-version-check", "--no-input", "--no-compile")
    command = [str(python), "-m", "pip", "install", *quiet, *arguments]
    with log.open("a") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RigError(f"pip ended with {done.returncode}, see {log}\n{tail}")


def _system_packages(version: str) -> None:
    """Install what the version needs from Debian's packages, or say what is missing."""
    needs = {**_NEEDS["8.0"], **(_NEEDS[version])}
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

    def missing() -> list[str]:
        return [
            package
            for thing, package in needs.items()
            if not (Path(thing).exists() if thing[0] == "/" else shutil.which(thing, path=path))
        ]

    if missing():
        _say(f"installing with apt-get: {' '.join(missing())}")
        debian.install(missing)


def environment(version: str) -> dict[str, str]:
    """The environment variables for a process that imports DIRAC: no other DIRAC's files, no proxy, no cloud."""
    own = ("DIRAC", "X509_", "AWS_", "OS_", "TF_", "TFCE_ROOT", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    root = cache("dirac", version, "root")
    root.mkdir(parents=True, exist_ok=True)
    return kept | {"DIRAC_NO_CFG": "1", "DIRAC_ROOT_PATH": str(root)}


def prepare(versions: Sequence[str]) -> dict[str, Path]:
    """Everything that the tests of these versions need, made side by side; the Pythons by version."""
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(localstack.Moto.ensure), pool.submit(mirror.ensure)]
        pythons = dict(zip(versions, pool.map(ensure, versions), strict=True))
        for other in others:
            other.result()
    for version, python in pythons.items():
        _toolchain(version, python)
    return pythons


def _toolchain(version: str, python: Path) -> None:
    """Install the Terraform that tfce says this host lacks."""
    asked = subprocess.run(
        [str(python), "-m", "tfce.terraform.toolchain"],
        env=_test_environment(version),
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise RigError(f"tfce.terraform.toolchain ended with {asked.returncode}: {asked.stderr[-600:]}")
    if asked.stdout.strip():
        _say(f"DIRAC {version}: installing {' '.join(asked.stdout.split())}")
        _pip(python, cache("dirac", version, "install.log"), *asked.stdout.split())


def _test_environment(version: str) -> dict[str, str]:
    """Tests find each other, but no ``tfce`` besides the wheel's: the clone itself is on no path."""
    alone = CLONE / ".cache" / "tests-alone"
    alone.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (alone / "tests").symlink_to("../../tests")
    paths = {"PYTHONPATH": str(alone), "PYTHONSAFEPATH": "1"}
    return environment(version) | paths | {"TFCE_PROVIDER_MIRROR": str(mirror.ensure())}


@dataclass(frozen=True)
class _Suite:
    """One pytest run: its title, DIRAC's version and pytest's arguments."""

    title: str
    version: str
    arguments: tuple[str, ...]

    def run(self, python: Path, log: Path | None = None) -> int:
        """pytest's exit code; its words go to ``log``, or to the terminal."""
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-o", "pythonpath=", *self.arguments]
        environment = _test_environment(self.version)
        if log is None:
            return abs(subprocess.run(command, cwd=CLONE, env=environment, check=False).returncode)
        with log.open("wb") as out:
            done = subprocess.run(
                command, cwd=CLONE, env=environment, stdout=out, stderr=subprocess.STDOUT, check=False
            )
        return abs(done.returncode)


def test(versions: Sequence[str], arguments: Sequence[str]) -> int:
    """Run tests/dirac with each version; the worst exit code."""
    pythons = prepare(versions)
    if arguments:
        named = any(argument.startswith("tests/") for argument in arguments)
        where = () if named else ("tests/dirac",)
        suites = [_Suite(f"DIRAC {version}", version, (*where, *arguments)) for version in versions]
        return max(suite.run(pythons[suite.version]) for suite in suites)
    server = "tests/dirac/server"
    aside = [
        _Suite(f"DIRAC {version} without a server", version, ("tests/dirac", f"--ignore={server}"))
        for version in versions
    ]
    before = [_Suite("DIRAC 9.1's server", "9.1", (server, "-v"))] if "9.1" in versions else []
    return _side_by_side(pythons, before, aside)


def _side_by_side(pythons: dict[str, Path], before: Sequence[_Suite], aside: Sequence[_Suite]) -> int:
    """Run ``before`` on the terminal and meanwhile ``aside``, one after the other; the worst exit code."""
    logs = [cache("dirac", suite.version, "tests.log") for suite in aside]

    def run_aside() -> list[int]:
        return [suite.run(pythons[suite.version], log) for suite, log in zip(aside, logs, strict=True)]

    with ThreadPoolExecutor(max_workers=1) as pool:
        _say(f"running: {', '.join(suite.title for suite in (*before, *aside))}")
        others = pool.submit(run_aside)
        codes = [suite.run(pythons[suite.version]) for suite in before]
        codes += others.result()
    for suite, log in zip(aside, logs, strict=True):
        _say(f"{suite.title}:\n{log.read_text(errors='replace')}")
    return max(codes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Real DIRAC for the tests.")
    parser.add_argument("command", choices=["ensure", "test"])
    parser.add_argument("version", nargs="?", choices=VERSIONS)
    own, rest = _split(sys.argv[1:] if arguments is None else arguments)
    given = parser.parse_args(own)
    versions = (given.version,) if given.version else VERSIONS
    try:
        if given.command == "test":
            return test(versions, rest)
        for version in versions:
            print(ensure(version))
    except RigError as error:
        _say(f"dirac: {error}")
        return 1
    return 0


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before and behind ``--``."""
    place = list(arguments).index("--") if "--" in arguments else len(arguments)
    return list(arguments[:place]), list(arguments[place + 1 :])


if __name__ == "__main__":
    sys.exit(main())
