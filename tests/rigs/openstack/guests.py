"""Guests that boot (TFCE_OPENSTACK_GUESTS=qemu): libvirt and QEMU, by software emulation.

Needs root, and from Debian QEMU, libvirt's daemon and what its Python binding is built with; with
``TFCE_REQUIRE_RIGS`` or ``CI`` these are installed where apt-get can. libvirtd has its files in the rig's folder,
whatever libvirt the machine may run otherwise.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from daemons import Daemon
from install import apt_install, run
from layout import HERE, Layout

CONFIG = "nova-qemu"
SOCKET_PATH = 107  # the kernel's limit
BINDING = "libvirt-python==11.10.0"
PROGRAMS = {
    "libvirtd": "libvirt-daemon",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "genisoimage": "genisoimage",
    "ip": "iproute2",
    "pkg-config": "pkg-config",
    "gcc": "gcc",
}
LIBRARIES = ("libvirt-daemon-driver-qemu", "libvirt-dev", "libc6-dev", "python3-dev")
# qemu runs as who runs libvirtd, confined by nothing: there is no systemd, no virtlogd, no AppArmor to do it
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
remember_owner = 0
"""
LIBVIRTD_CONF = """auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
"""


def folder(layout: Layout) -> Path:
    """Where libvirtd keeps its files."""
    return layout.state / "libvirt"


def socket(layout: Layout) -> Path:
    return folder(layout) / "run" / "libvirt" / "libvirt-sock"


def libvirtd(layout: Layout) -> Daemon:
    argv = ["unshare", "--mount", "--propagation", "private", str(HERE / "libvirtd.sh"), str(folder(layout))]
    return Daemon("libvirtd", argv, socket(layout))


def install(layout: Layout) -> None:
    """Bring what is missing, and write libvirt's settings. Raises SystemExit."""
    if os.geteuid():
        raise SystemExit("openstack rig: real guests need root")
    if len(str(socket(layout))) > SOCKET_PATH:
        raise SystemExit(f"openstack rig: {socket(layout)} is too long for a socket; shorten TFCE_CACHE's path")
    _install_packages(layout.venv / BINDING)
    if not (layout.venv / BINDING).exists():
        run([layout.program("pip"), "install", "-q", "--no-deps", BINDING])
        (layout.venv / BINDING).touch()
    settings = folder(layout) / "etc" / "libvirt"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "qemu.conf").write_text(QEMU_CONF)
    (folder(layout) / "libvirtd.conf").write_text(LIBVIRTD_CONF)


def _install_packages(binding: Path) -> None:
    """Debian's, where a program is missing, or `binding` is still to be built."""
    lacking = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if os.environ.get("TFCE_REQUIRE_RIGS") or os.environ.get("CI"):
        if lacking or not binding.exists():
            apt_install(*PROGRAMS.values(), *LIBRARIES)
    elif lacking:
        packages = " ".join((*lacking, *LIBRARIES))
        raise SystemExit(f"openstack rig: real guests need more of Debian: apt-get install {packages}")


def end(layout: Layout) -> None:
    """Switch every guest off: they would outlive libvirtd."""
    for name in _virsh(layout, "list", "--name").split():
        taps = re.findall(r"^ *(tap\S+)", _virsh(layout, "domiflist", name), re.MULTILINE)
        _virsh(layout, "destroy", name)
        for tap in taps:
            subprocess.run(["ip", "link", "delete", tap], capture_output=True, check=False)


def _virsh(layout: Layout, *arguments: str) -> str:
    """What virsh prints; nothing where no libvirtd answers."""
    command = ["virsh", "-q", "-c", f"qemu+unix:///system?socket={socket(layout)}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
