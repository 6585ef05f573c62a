"""Machines that cloud-init sets up, runs a pilot on and switches off; every step's effect is looked at."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
from pathlib import Path

from tests.claims import every
from tests.guest.stages import repository
from tests.rigs import cloudinit
from tests.rigs.cloudinit import METADATA
from tests.unit.test_context import CLOUDCE
from tfce.config.capabilities import NOVA as OPENSTACK
from tfce.config.clouds.ec2 import USER_DATA as EC2
from tfce.config.data import data_path
from tfce.userdata.document import Recipe, render

KEY = "0A1B2C3D"
HOSTS = "10.0.0.1 cvmrepo.s3.cern.ch\n"
PREPARED = data_path("templates") / "prepared-image.yaml"
PROXY = b"-----BEGIN CERTIFICATE-----\nTHE-PLANTED-SECRET\n-----END CERTIFICATE-----\n"

# What a pilot can see of its machine. It ends in bytes that are no text, as a self-extracting script does.
WRAPPER = b"""#!/bin/bash
echo "who=$(id -un):$(id -gn) groups=$(id -Gn)"
echo "where=$PWD home=$HOME"
echo "uuid=$PILOT_UUID stamp=$DIRAC_PILOT_STAMP proxy=$X509_USER_PROXY"
echo "wrapper=$(sha256sum <"$0" | cut -d' ' -f1)"
echo "namespaces=$(cat /proc/sys/user/max_user_namespaces)"
[ -n "$X509_USER_PROXY" ] && echo "proxysum=$(sha256sum <"$X509_USER_PROXY" | cut -d' ' -f1)"
echo "unshare=$(unshare --user true && echo yes)"
sh /seed/probe.sh | sed 's/^/metadata=/'
echo "leaks=$(grep -rsl THE-PLANTED-SECRE[T] /etc /home /mnt /opt /root /run /srv /tmp /usr/local /var | xargs)"
exit 3
\0\xff\xfe\r\n"""


def facts(boot: cloudinit.Boot, log: str = "/mnt/startup.log") -> dict[str, str]:
    return dict(line.split("=", 1) for line in boot.read(log).splitlines() if "=" in line)


def stages(boot: cloudinit.Boot) -> list[str]:
    """The markers on the console."""
    found = re.findall(r"^tfce: stage=(\w+) status=(start|ok|failed) code=\d+$", boot.console, re.MULTILINE)
    return [" ".join(one) for one in found]


def rights(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


def owner(boot: cloudinit.Boot, name: str) -> str:
    """The name a file's owner has on the machine."""
    uid = str((boot.upper / name).lstat().st_uid)
    accounts = (line.split(":") for line in boot.read("/etc/passwd").splitlines())
    return next(account[0] for account in accounts if account[2] == uid)


def test_the_default_template_does_all_its_duties(tmp_path: Path) -> None:
    www = repository.make(tmp_path / "repository")
    template = repository.trusting(www, tmp_path / "template", repository.NEW)
    recipe = Recipe(template, ("tfce-extra",), 300, EC2, cvmfs_proxies="http://squid.example.org:3128;DIRECT")
    data = render(recipe, key=KEY, wrapper=WRAPPER, proxy=PROXY).data
    boot = cloudinit.boot(tmp_path / "machine", data, www=www, hosts=HOSTS)
    assert boot.power.startswith("poweroff  by bash /root/pilot.sh"), boot.console

    seen = facts(boot)
    assert seen["who"] == "dirac:dirac groups=dirac"
    assert seen["where"] == "/mnt/dirac home=/mnt/dirac"
    assert seen["uuid"] == f"cloud://{cloudinit.INSTANCE} stamp={KEY} proxy=/mnt/proxy.pem"
    assert seen["wrapper"] == hashlib.sha256(WRAPPER).hexdigest()
    assert seen["proxysum"] == hashlib.sha256(PROXY).hexdigest()
    assert seen["leaks"] == "/mnt/proxy.pem"
    assert (seen["namespaces"], seen["unshare"]) == ("150000", "yes")

    assert boot.before.count(" 200") == len(METADATA), "the metadata services were not there to be closed"
    answers = re.findall(r"^metadata=(.*)", boot.read("/mnt/startup.log"), re.MULTILINE)
    assert len(answers) == len(METADATA)
    assert every(answer.endswith(" 000") for answer in answers), answers

    mnt = boot.upper / "mnt"
    for name, mode, who in (
        ("proxy.pem", "0600", "dirac"),
        ("startup.sh", "0755", "root"),
        ("dirac/run_pilot.sh", "0700", "dirac"),
    ):
        assert (rights(mnt / name), owner(boot, f"mnt/{name}")) == (mode, who)
    shadow = next(line for line in boot.read("/etc/shadow").splitlines() if line.startswith("dirac:"))
    assert shadow.split(":")[1].startswith("!")
    link = mnt / "dirac/etc/grid-security/certificates"
    assert str(link.readlink()) == "/cvmfs/grid.cern.ch/etc/grid-security/certificates"
    assert owner(boot, "mnt/dirac/etc/grid-security/certificates") == "dirac"
    assert not (boot.upper / "root/proxy.pem").exists()
    assert not (boot.upper / "root/run_pilot.sh").exists()

    assert 'CVMFS_HTTP_PROXY="http://squid.example.org:3128;DIRECT"' in boot.read("/etc/cvmfs/default.local")
    assert boot.read("/seed/cvmfs_config.log") == "setup\n"
    assert (boot.upper / "usr/share/tfce-extra").exists()
    assert "mis/apptainer/bin/apptainer" in boot.read("/usr/local/bin/apptainer")
    assert repository.owners(tmp_path / "keys", boot.upper / "etc/pki/cernvm/new.asc") == ["a@example.org"]
    assert str((boot.upper / "etc/pki/cernvm/old.asc").readlink()) == "new.asc"
    assert boot.read("/etc/timezone").strip() == "UTC"
    assert f"tfce: pilot {KEY} ended, exit code 3, after " in boot.console
    assert stages(boot) == [
        *("packages start", "packages ok", "cvmfs start", "cvmfs ok", "network start", "network ok"),
        *("proxy start", "proxy ok", "wrapper start", "wrapper failed", "end failed"),
    ]


def test_a_key_with_another_fingerprint_is_not_believed_and_the_other_one_serves(tmp_path: Path) -> None:
    www = repository.make(tmp_path / "repository")
    template = repository.trusting(www, tmp_path / "template", repository.OLD)
    data = render(Recipe(template, (), 300, EC2), key=KEY, wrapper=b"#!/bin/sh\n").data
    boot = cloudinit.boot(tmp_path / "machine", data, www=www, hosts=HOSTS)
    assert "no CernVM key FD80468D49B3B24C341741FC8CE0A76C497EA957" in boot.console
    assert str((boot.upper / "etc/pki/cernvm/new.asc").readlink()) == "old.asc"
    assert boot.read("/seed/cvmfs_config.log") == "setup\n"


def test_a_repository_whose_key_is_unknown_is_not_used_and_the_machine_still_ends(tmp_path: Path) -> None:
    www = repository.make(tmp_path / "repository")
    template = repository.reaching(tmp_path / "template")
    data = render(Recipe(template, (), 300, EC2), key=KEY, wrapper=b"#!/bin/sh\n").data
    boot = cloudinit.boot(tmp_path / "machine", data, www=www, hosts=HOSTS)
    assert boot.console.count("tfce: no CernVM key ") == 2 and "is not signed" in boot.console
    assert not (boot.upper / "usr/bin/cvmfs_config").exists()
    assert f"tfce: pilot {KEY} ended" in boot.console
    assert boot.power.startswith("poweroff  by bash /root/pilot.sh")


def test_a_prepared_image_needs_no_packages_and_no_proxy(tmp_path: Path) -> None:
    data = render(Recipe(PREPARED, (), 300, OPENSTACK), key=KEY, wrapper=WRAPPER).data
    boot = cloudinit.boot(tmp_path / "machine", data)
    seen = facts(boot)
    assert seen["who"] == "dirac:dirac groups=dirac"
    assert seen["uuid"] == f"cloud://{cloudinit.INSTANCE} stamp={KEY} proxy="
    assert seen["wrapper"] == hashlib.sha256(WRAPPER).hexdigest()
    assert seen["leaks"] == ""
    assert not (boot.upper / "mnt/proxy.pem").exists()
    assert boot.power.startswith("poweroff  by bash /root/pilot.sh")
    assert "Reading package lists" not in boot.console


def test_a_template_for_cloudce_boots(tmp_path: Path) -> None:
    template = tmp_path / "cloudce.yaml"
    useradd = " - [ useradd, -m, -d, /mnt/dirac, dirac ]\n - [ cp, /root/run_pilot.sh, /mnt/run_pilot.sh ]\n"
    useradd += " - [ cp, /root/startup.sh, /mnt/startup.sh ]\n"
    template.write_text(CLOUDCE.replace(" - [ sudo", f"{useradd} - [ sudo"))
    data = render(Recipe(template, (), 300, OPENSTACK), key=KEY, wrapper=WRAPPER).data
    boot = cloudinit.boot(tmp_path / "machine", data)
    seen = facts(boot, "/mnt/dirac/startup.log")
    assert seen["who"] == "dirac:dirac groups=dirac"
    assert f"stamp={KEY}" in seen["uuid"]
    assert boot.power.startswith("poweroff  by /bin/sh /var/lib/cloud/instance/scripts/runcmd")


def test_a_pilot_that_hangs_ends_with_its_lifetime(tmp_path: Path) -> None:
    hangs = b"#!/bin/bash\necho started=yes\nsleep infinity\n"
    data = render(Recipe(PREPARED, (), 20, OPENSTACK, start_limit=19), key=KEY, wrapper=hangs).data
    boot = cloudinit.boot(tmp_path / "machine", data)
    assert facts(boot) == {"started": "yes"}
    assert boot.power.startswith("poweroff  by sh /etc/tfce/guard 20 19")


def test_a_pilot_that_never_starts_ends_at_the_start_limit(tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    shutil.copytree(data_path("templates") / "default", pieces)
    (pieces / "15-stuck.yaml").write_text("runcmd:\n  - [sleep, infinity]\n")
    for piece in ("40-cvmfs.yaml", "50-apptainer.yaml"):
        (pieces / piece).unlink()
    data = render(Recipe(pieces, (), 3600, OPENSTACK, start_limit=8), key=KEY, wrapper=WRAPPER).data
    boot = cloudinit.boot(tmp_path / "machine", data)
    assert boot.power.startswith("poweroff  by sh /etc/tfce/guard 3600 8")
    assert "tfce: pilot" not in boot.console


def test_a_cloud_init_that_dies_half_way_leaves_the_watchdog(tmp_path: Path) -> None:
    template = tmp_path / "dies.yaml"
    dies = "runcmd:\n  - [pkill, -KILL, -f, cloud-init modules --mode=final]\n"
    template.write_text(PREPARED.read_text().replace("runcmd:\n", dies + "  - [sleep, infinity]\n"))
    data = render(Recipe(template, (), 3600, OPENSTACK, start_limit=8), key=KEY, wrapper=WRAPPER).data
    boot = cloudinit.boot(tmp_path / "machine", data)
    assert boot.power.startswith("poweroff  by sh /etc/tfce/guard 3600 8")
    assert "cloud-init modules --mode=final: exit code 137" in boot.console


def test_a_machine_whose_pilot_script_is_lost_is_switched_off_by_cloud_init(tmp_path: Path) -> None:
    template = tmp_path / "lost.yaml"
    template.write_text(PREPARED.read_text().replace("bash, /root/pilot.sh", "bash, /root/gone.sh"))
    data = render(Recipe(template, (), 3600, OPENSTACK), key=KEY, wrapper=WRAPPER).data
    boot = cloudinit.boot(tmp_path / "machine", data)
    assert boot.power.startswith("shutdown -P now")
