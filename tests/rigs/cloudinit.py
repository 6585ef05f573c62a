"""cloud-init of Debian 12, run for real without a hypervisor.

``root()`` builds the file system once (debootstrap, about a minute) under ``TFCE_CACHE``, else ``.cache`` of the
clone. ``boot()`` runs cloud-init's stages in it, in namespaces, on one NoCloud seed, until the machine is switched
off. Needs root, debootstrap and a Debian mirror (``TFCE_DEBIAN_MIRROR``) for the first run; with
``TFCE_REQUIRE_RIGS`` debootstrap is installed where apt-get can.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rigs import debian
from tests.rigs.cache import cache

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"
MIRROR = os.environ.get("TFCE_DEBIAN_MIRROR", "http://deb.debian.org/debian")
# python3-cffi-backend: debootstrap does not follow the versioned virtual packages python3-cryptography wants.
PACKAGES = (
    *("cloud-init", "python3-cffi-backend", "iproute2", "iptables", "nftables", "gnupg", "procps", "curl", "sudo"),
    "ca-certificates",
)
INSTANCE = "i-0123456789abcdef0"

# Where clouds have their metadata; the last is the DHCP server, where CloudStack has it.
METADATA = (
    *("169.254.169.254", "169.254.42.42", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("[fd00:ec2::254]", "[fd20:ce::254]", "[fd00:a9fe:a9fe::1]", "[fd00:42::42]", "[fe80::a9fe:a9fe%25eth0]"),
    "10.0.0.3",
)
LEASE = "lease {\n  option dhcp-server-identifier 10.0.0.3;\n}\n"

PROBE = """\
for address in METADATA; do
  echo "$address $(curl -g -s -m 3 -o /dev/null -w '%{http_code}' "http://$address/")"
done
"""

ENTER = """\
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount --bind "$2" "$1/mnt"
exec chroot "$1" python3 -c "$3"
"""

OUTSIDE = """\
top=$1; shift
mount --bind "$top" "$top"
mount -o remount,bind,ro "$top"
mount --bind /tmp "$top/tmp"
exec chroot "$top" /usr/bin/cloud-init "$@"
"""


def available() -> str:
    """Why machines cannot be booted here; empty where they can."""
    if os.geteuid() != 0:
        return "needs root"
    if os.environ.get("TFCE_REQUIRE_RIGS") and debian.has_apt():
        debian.install(lambda: () if shutil.which("debootstrap") else ("debootstrap",))
    missing = [tool for tool in ("debootstrap", "unshare", "mount") if shutil.which(tool) is None]
    return f"needs {', '.join(missing)} (apt-get install debootstrap)" if missing else ""


def root() -> Path:
    """The root file system all machines start from; built where it is not there yet."""
    home = cache("cloudinit")
    home.mkdir(parents=True, exist_ok=True)
    done = home / f"{SUITE}-3"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_dir():
            partial = home / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            include = ",".join(PACKAGES)
            command = ["debootstrap", "--variant=minbase", f"--include={include}", SUITE, str(partial), MIRROR]
            subprocess.run(command, check=True, timeout=1200, stdout=subprocess.DEVNULL)
            shutil.rmtree(partial / "var/cache/apt/archives", ignore_errors=True)
            partial.rename(done)
    return done


@dataclass(frozen=True)
class Boot:
    """What is left of a machine: ``upper`` holds every file it wrote, ``power`` who switched it off,
    ``console`` what cloud-init printed, ``before`` the metadata services' answers at power-on."""

    upper: Path
    power: str
    console: str
    before: str

    def read(self, path: str) -> str:
        return (self.upper / path.lstrip("/")).read_text()


def boot(
    folder: Path,
    user_data: bytes,
    *,
    www: Path | None = None,
    hosts: str = "",
    without: Sequence[str] = (),
    limit: int = 180,
) -> Boot:
    """Boots a machine with ``user_data`` in the empty ``folder``. ``www`` is served by the cloud's web server at
    10.0.0.1, ``hosts`` goes to /etc/hosts, the files ``without`` are not there. TimeoutExpired when it is not
    switched off within ``limit`` seconds."""
    upper = folder / "upper"
    for name in ("upper/seed", "work", "root"):
        (folder / name).mkdir(parents=True)
    seed = upper / "seed"
    shutil.copy(HERE / "cloudinit-cloud.py", seed / "cloud.py")
    shutil.copytree(www, seed / "www") if www else (seed / "www").mkdir()
    (seed / "probe.sh").write_text(PROBE.replace("METADATA", " ".join(f"'{one}'" for one in METADATA)))
    _write(upper / "var/lib/dhcp/dhclient.eth0.leases", LEASE)
    for program in without:
        _hide(upper / program)
    _write(upper / "etc/hosts", f"127.0.0.1 localhost\n{hosts}")
    _write(upper / "etc/resolv.conf", "")
    _write(upper / "etc/apt/sources.list", "")
    _write(
        upper / "etc/cloud/cloud.cfg.d/99-rig.cfg",
        "datasource_list: [NoCloud]\nnetwork: {config: disabled}\n",
    )
    nocloud = upper / "var/lib/cloud/seed/nocloud"
    _write(nocloud / "meta-data", f"instance-id: {INSTANCE}\nlocal-hostname: pilot\n")
    (nocloud / "user-data").write_bytes(user_data)
    (nocloud / "user-data").chmod(0o600)
    return again(folder, limit)


def again(folder: Path, limit: int = 180) -> Boot:
    """Boots the machine in ``folder``; a second time, where it has been on before."""
    upper, seed = folder / "upper", folder / "upper/seed"
    (seed / "power.log").unlink(missing_ok=True)
    _run([HERE / "cloudinit-machine.sh", root(), folder], limit)
    logs = [seed / name for name in ("power.log", "console.log", "probe-before")]
    return Boot(upper, *(log.read_text(errors="replace") if log.exists() else "" for log in logs))


def python(folder: Path, script: str, limit: int = 120) -> str:
    """The output of ``script``, run by Debian's python3 with cloud-init's modules. ``folder`` is its /mnt and all
    it can write to, beside a /tmp of its own."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh"]
    done = subprocess.run(
        [*command, root(), folder, script], capture_output=True, text=True, timeout=limit, check=False
    )
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def command(folder: Path) -> Path:
    """Debian's cloud-init as a command of this machine, in ``folder``; it sees the files of /tmp only."""
    path = folder / "cloud-init"
    path.write_text(
        f"#!/bin/sh\nexec unshare --mount --propagation private sh -ec '{OUTSIDE}' sh {root()} \"$@\"\n"
    )
    path.chmod(0o755)
    return path


def _hide(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR | 0o600, 0)  # what an overlay keeps for a file that was removed


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _run(command: list[Path], limit: int) -> None:
    """In a process group of its own, which ends with it: unshare takes the machine along (--kill-child)."""
    process = subprocess.Popen(command, start_new_session=True)
    try:
        if process.wait(limit):
            raise AssertionError(f"the machine did not come up: exit code {process.returncode}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
