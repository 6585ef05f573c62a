"""The VMs of the suite: what they are sent, how they are started together, and what their consoles say."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.checking import until
from tests.e2e.openstack.cloud import OpenStackSite, node
from tests.e2e.openstack.rig import Rig
from tests.rigs.guest.image import Image
from tfce.config.data import data_path

PREPARED = data_path("templates") / "prepared-image.yaml"
PROXY = b"-----BEGIN CERTIFICATE-----\nTHE-PLANTED-SECRET\n-----END CERTIFICATE-----\n"
PATIENCE = 1200.0  # seconds until every VM must be off; a lone boot takes one minute, all on a busy machine ten
HANGS, DIES = 180, 120  # seconds of Context_MaxLifetime: the first must do for the last half of a boot

# What a pilot can see of its machine, and then bytes and lines that are to arrive as they are.
REPORT = """#!/bin/bash
# this line ends as Windows has it\r
# Grüße, “quotes”, 'quotes', `quotes`, $VARIABLES, %percent, {{ braces }}, \\backslashes
say() { printf 'boot:%s\\n' "$1"; }
say "id=$(id)"
say "where=$PWD home=$HOME"
say "uuid=$PILOT_UUID"
say "stamp=$DIRAC_PILOT_STAMP"
say "proxy=$X509_USER_PROXY"
say "wrapper=$(sha256sum <"$0" | cut -d' ' -f1)"
say "proxysum=$([ -z "$X509_USER_PROXY" ] || sha256sum <"$X509_USER_PROXY" | cut -d' ' -f1)"
for file in "$0" /mnt/proxy.pem /mnt/startup.sh; do
  [ ! -e "$file" ] || say "rights $(basename "$file")=$(stat -c '%a %U:%G' "$file")"
done
say "init=$(cat /proc/1/comm)"
say "closed=$(ip rule | grep -c '169.254.0.0/16 .*prohibit')"
say "locked=$(cat /etc/shadow 2>&1 | tail -n 1)"
say "leaks=$(grep -rsl THE-PLANTED-SECRE[T] /dev/sr0 /etc /home /mnt /opt /root /run /srv /tmp /var | xargs)"
exit EXIT
--===============7330845974216740156==
Content-Type: text/cloud-config
#cloud-config
runcmd: [[poweroff]]
\0"""
AGAIN = """\
  - path: /var/lib/cloud/scripts/per-boot/again
    permissions: "0755"
    content: |
      #!/bin/sh
      echo "again: $(ip rule | grep -c '169.254.0.0/16 .*prohibit') $(systemctl is-active tfce-guard)"
"""
TAIL = bytes(range(256))
HANG = b"#!/bin/bash\nsleep infinity & wait\n"


def wrapper(code: int) -> bytes:
    """A pilot that reports and ends with exit code ``code``."""
    return REPORT.replace("EXIT", str(code)).encode() + TAIL


@dataclass
class Flight:
    """One queue's pilots. ``stamps`` and ``consoles`` by reference; ``wrapper`` is what they were sent."""

    site: OpenStackSite
    wrapper: bytes
    stamps: dict[str, str]
    consoles: dict[str, str] = field(default_factory=dict)

    @property
    def references(self) -> list[str]:
        return list(self.stamps)

    def console(self) -> str:
        """The only VM's."""
        (text,) = self.consoles.values()
        return text


Batch = Mapping[str, Flight]


def report(console: str) -> dict[str, str]:
    """What the pilot said; pilot.sh shows its last words on the console."""
    lines = re.findall(r"\bboot:(.*)", console)
    return dict(line.rstrip().split("=", 1) for line in lines)


def uptime(console: str, what: str) -> float:
    """The machine's uptime, in seconds, at the first line of the console that matches ``what``."""
    found = re.search(rf"\[ *(\d+\.\d+)\].*{what}", console)
    assert found, f"{what!r} is not on the console, whose end is:\n{console[-3000:]}"
    return float(found[1])


class Booter:
    """Starts the batch on a rig, and waits for its end."""

    def __init__(self, rig: Rig, image: Image, folder: Path) -> None:
        self._rig, self._folder = rig, folder
        self._ce = f"boot-{uuid4().hex[:8]}.example.org"
        self._image = upload(rig, image)
        self._sites: list[OpenStackSite] = []

    def run(self) -> Batch:
        """Submit to each queue, the slowest to end first; then every console, once all VMs are off.

        The others boot while the first ones wait for the end of their lifetimes: all boots at once would take
        longer than a lifetime that a suite can wait for.
        """
        batch = {
            "hangs": self._start("hangs", HANG, 1, lifetime=HANGS),
            "dies": self._start("dies", HANG, 1, lifetime=DIES, template=self._dying()),
        }
        self._at_work(batch["hangs"])
        batch |= {
            "lost": self._start("lost", HANG, 1, template=self._lost()),
            "reboots": self._start("reboots", HANG, 1, template=self._rebooting()),
            "native": self._start("native", wrapper(3), 1, proxy=PROXY, module="native"),
            "bulk": self._start("bulk", wrapper(0), 2, module="bulk"),
        }
        self._wait(sum(len(flight.stamps) for flight in batch.values()))
        for flight in batch.values():
            flight.consoles = {reference: self._console(reference) for reference in flight.stamps}
        return batch

    def clean(self) -> None:
        """Delete what is left of the VMs."""
        for site in self._sites[:1]:  # it is one CE
            site.clean()

    def _start(
        self,
        queue: str,
        wrapper: bytes,
        count: int,
        *,
        proxy: bytes | None = None,
        lifetime: int = 0,
        module: str = "",
        template: Path = PREPARED,
    ) -> Flight:
        options = {"Instance_Image": self._image, "Context_Template": str(template), "Terraform_Module": module}
        if lifetime:
            options["Context_MaxLifetime"] = str(lifetime)
        site = OpenStackSite(self._folder / queue, self._rig, self._ce, queue, options=options)
        self._sites.append(site)
        submission = site.parts().fleet.submit(wrapper, count, proxy, ignore_limits=True)
        assert not submission.failed and len(submission.stamps) == count, submission.failed
        return Flight(site, wrapper, dict(submission.stamps))

    def _lost(self) -> Path:
        """A template whose last step fails: cloud-init has nothing left to do, and no pilot ran."""
        return self._template("lost", "bash, /root/pilot.sh", "bash, /root/gone.sh")

    def _dying(self) -> Path:
        """A template that kills cloud-init as soon as the watchdog is armed, and its last stage again."""
        kill = "  - [systemctl, kill, --kill-whom=main, --signal=KILL, {}.service]\n"
        path = self._template("dies", "\nwrite_files:", kill.format("cloud-init") + "\nwrite_files:")
        late = f"runcmd:\n{kill.format('cloud-final')}  - [sleep, infinity]\n"
        path.write_text(path.read_text().replace("runcmd:\n", late))
        return path

    def _rebooting(self) -> Path:
        """A template whose machine starts again while its pilot runs, and says what is closed then."""
        path = self._template("reboots", "\nwrite_files:\n", f"\nwrite_files:\n{AGAIN}")
        reboot = "runcmd:\n  - [systemd-run, --on-active=60, systemctl, reboot]\n"
        # Without cloud-init's own end: only the guard is left.
        path.write_text(path.read_text().replace("runcmd:\n", reboot).partition("power_state:")[0])
        return path

    def _template(self, name: str, old: str, new: str) -> Path:
        text = PREPARED.read_text()
        assert text.count(old) == 1
        path = self._folder / f"{name}.yaml"
        path.write_text(text.replace(old, new))
        return path

    def _at_work(self, flight: Flight) -> None:
        """Wait until the only VM's pilot has started."""
        ((reference, stamp),) = flight.stamps.items()
        until(lambda: f"tfce: pilot {stamp} starts" in self._console(reference), "the pilot starts", PATIENCE, 1)

    def _wait(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            servers = [s for s in self._rig.api().servers() if s["metadata"].get("tfce_ce") == self._ce]
            states = {server["name"]: server["status"] for server in servers}
            assert len(states) == count and "ERROR" not in states.values(), servers
            if set(states.values()) == {"SHUTOFF"}:
                return
            assert time.monotonic() < deadline, f"still up after {PATIENCE:.0f} s: {states}\n{self._ends(servers)}"
            time.sleep(3)

    def _ends(self, servers: list[dict[str, Any]]) -> str:
        """The last lines of the consoles of VMs that are up."""
        return "\n".join(self._console(s["id"])[-1500:] for s in servers if s["status"] != "SHUTOFF")

    def _console(self, reference: str) -> str:
        """All of a VM's console; nova's API has only the end of it, and only while the VM is up."""
        log = Path(self._rig.env["OS_CACERT"]).parents[1] / "instances" / node(reference) / "console.log"
        try:
            return log.read_text(errors="replace").replace("\r", "")
        except FileNotFoundError:  # the VM is not built yet
            return ""


def upload(rig: Rig, image: Image) -> str:
    """The id of the image in glance; put there where it is not yet."""
    api = rig.admin
    kernel = _upload(api, f"{image.name}-kernel", image.kernel, "aki", {})
    initrd = _upload(api, f"{image.name}-initrd", image.initrd, "ari", {})
    boot = {"kernel_id": kernel, "ramdisk_id": initrd, "os_command_line": image.arguments, "min_disk": 2}
    return _upload(api, image.name, image.disk, "qcow2", boot)


def _upload(api: Any, name: str, path: Path, form: str, properties: dict[str, Any]) -> str:
    for known in api.ask("GET", "image", f"/v2/images?name={name}&status=active")["images"]:
        return str(known["id"])
    container = "bare" if form == "qcow2" else form
    about = {"name": name, "disk_format": form, "container_format": container, "visibility": "public"}
    made = api.ask("POST", "image", "/v2/images", {**about, **properties})
    with path.open("rb") as data:
        kind = {"Content-Type": "application/octet-stream"}
        api.ask("PUT", "image", f"/v2/images/{made['id']}/file", data=data, headers=kind)
    return str(made["id"])
