"""A payload that means harm: it cannot keep the machine up, make root read or show anything, or reach metadata."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.claims import every
from tests.guest.stages.test_boot import KEY, PREPARED, PROXY, facts
from tests.rigs import cloudinit
from tests.rigs.cloudinit import METADATA
from tfce.config.capabilities import NOVA as OPENSTACK
from tfce.userdata.document import Recipe, render

NFT, IPTABLES = "usr/sbin/nft", ("usr/sbin/iptables", "usr/sbin/ip6tables")

TRAPS = b"""#!/bin/bash
cd
rm -rf startup.log run_pilot.sh .profile
mkfifo startup.log run_pilot.sh
ln -s /etc/shadow .profile
echo lost >/mnt/startup.log
(trap '' HUP INT TERM; exec sleep 1000) &
setsid sh -c "trap '' HUP INT TERM; sleep 1000" &
kill -KILL $PPID; kill -TERM -1 -$PPID
echo the end
"""

NOISE = b"""#!/bin/bash
printf '\\033]0;title\\007\\033[2J\\233\\r\\0 \\xff\\n'
echo 'tfce: stage=end status=ok code=0'
head -c 30000000 /dev/zero | tr '\\0' x
for n in $(seq 300); do echo "line $n $(printf %2000s)"; done
exit 7
"""

PROBE = b"#!/bin/bash\nsh /seed/probe.sh | sed 's/^/metadata=/'\n"
UNABLE = """\
printf '#!/bin/sh\\ncase "$*" in *rule*) exit 1 ;; esac\\nexec /bin/ip "$@"\\n' >/usr/local/sbin/ip
chmod 0755 /usr/local/sbin/ip
"""
WATCH = """#!/bin/sh
sh /seed/probe.sh >/seed/probe-root
runuser -u dirac -- sh /seed/probe.sh >/seed/probe-dirac
"""


def boot(folder: Path, wrapper: bytes, *, recipe: Recipe | None = None, **more: object) -> cloudinit.Boot:
    recipe = recipe or Recipe(PREPARED, (), 300, OPENSTACK)
    data = render(recipe, key=KEY, wrapper=wrapper, proxy=PROXY).data
    return cloudinit.boot(folder / "machine", data, **more)  # type: ignore[arg-type]


def alone(folder: Path, lifetime: int, start_limit: int) -> Recipe:
    """A machine that only the guard ends: cloud-init would switch it off after a reboot, too."""
    template = folder / "alone.yaml"
    template.write_text(PREPARED.read_text().partition("power_state:")[0])
    return Recipe(template, (), lifetime, OPENSTACK, start_limit=start_limit)


def closed(answers: list[str]) -> None:
    assert len(answers) == len(METADATA)
    assert every(answer.endswith(" 000") for answer in answers), answers


def test_nothing_that_a_payload_leaves_keeps_root_waiting(tmp_path: Path) -> None:
    ended = boot(tmp_path, TRAPS)
    assert ended.power.startswith("poweroff  by bash /root/pilot.sh")
    assert f"tfce: pilot {KEY} ended" in ended.console
    assert "root:" not in ended.console
    assert not (ended.upper / "mnt/dirac/startup.log").is_file()
    assert "lost" not in ended.read("/mnt/startup.log")


def test_what_a_payload_says_on_the_console_is_bounded_and_plain_and_marked(tmp_path: Path) -> None:
    ended = boot(tmp_path, NOISE)
    words = ended.console.partition("its last words:\n")[2]
    shown = [line for line in words.splitlines() if line.startswith("|")]
    assert 0 < len(shown) <= 50 and sum(map(len, shown)) < 11_000
    assert re.fullmatch(r"[\t\n -~]*", words)
    ends = re.findall(r"^tfce: stage=end .*", ended.console, re.MULTILINE)
    assert ends == ["tfce: stage=end status=failed code=7"]


def test_a_failed_machine_lingers_if_it_is_asked_to_and_then_ends(tmp_path: Path) -> None:
    lingering = Recipe(PREPARED, (), 300, OPENSTACK, linger=5)
    ended = boot(tmp_path, b"#!/bin/sh\nexit 9\n", recipe=lingering)
    assert "stays 5 s more" in ended.console
    assert ended.power.startswith("poweroff  by bash /root/pilot.sh 5")


def test_a_successful_machine_does_not_linger(tmp_path: Path) -> None:
    ended = boot(tmp_path, b"#!/bin/sh\n", recipe=Recipe(PREPARED, (), 300, OPENSTACK, linger=9000))
    assert "stays" not in ended.console and "tfce: stage=end status=ok code=0" in ended.console


@pytest.mark.parametrize("without", [(), (NFT,), (NFT, *IPTABLES)], ids=["nft", "iptables", "rules"])
def test_metadata_is_closed_to_the_payload_with_whatever_there_is(
    tmp_path: Path, without: tuple[str, ...]
) -> None:
    ended = boot(tmp_path, PROBE, without=without)
    assert ended.before.count(" 200") == len(METADATA), "the metadata services were not there to be closed"
    closed(re.findall(r"^metadata=(.*)", ended.read("/mnt/startup.log"), re.MULTILINE))


def test_where_metadata_cannot_be_closed_there_is_no_pilot(tmp_path: Path) -> None:
    template = tmp_path / "unable.yaml"
    unable = "bootcmd:\n  - [sh, -c, {from: unable.sh}]\n"
    (tmp_path / "unable.sh").write_text(UNABLE)
    template.write_text(PREPARED.read_text().replace("bootcmd:\n", unable))
    ended = boot(tmp_path, b"#!/bin/sh\n", recipe=Recipe(template, (), 300, OPENSTACK), without=(NFT, *IPTABLES))
    assert re.search(r"^tfce: stage=network status=failed code=\d+$", ended.console, re.MULTILINE)
    assert "tfce: pilot" not in ended.console and not (ended.upper / "mnt/startup.log").exists()
    assert ended.power.startswith("poweroff  by bash /root/pilot.sh")


def test_a_reboot_ends_the_machine_and_closes_metadata_again_but_not_to_root(tmp_path: Path) -> None:
    boot(tmp_path, b"#!/bin/sh\n", recipe=alone(tmp_path, 300, 40))
    upper = tmp_path / "machine/upper"
    state = upper / f"var/lib/cloud/instances/{cloudinit.INSTANCE}/tfce"
    for name, text in (("born", f"{time.time():.0f} 5 another-boot\n"), ("pilot", "another-boot\n")):
        assert (state / name).exists()
        (state / name).write_text(text)
    script = upper / "var/lib/cloud/scripts/per-boot/watch"
    script.write_text(WATCH)
    script.chmod(0o755)
    guard = upper / "etc/tfce/guard"
    guard.unlink()
    ended = cloudinit.again(tmp_path / "machine")
    assert ended.power.startswith("poweroff  by sh /etc/tfce/guard 300 40"), ended.console
    assert "tfce: pilot" not in ended.console
    closed(ended.read("/seed/probe-dirac").splitlines())
    assert [line[-4:] for line in ended.read("/seed/probe-root").splitlines()] == [" 200"] * len(METADATA)


def test_a_clock_that_jumps_ends_no_machine_early_and_none_late(tmp_path: Path) -> None:
    """The first boot had its clock in the year 2100: the lifetime counts anew, from now."""
    boot(tmp_path, b"#!/bin/sh\nsleep infinity\n", recipe=alone(tmp_path, 12, 11))
    state = tmp_path / f"machine/upper/var/lib/cloud/instances/{cloudinit.INSTANCE}/tfce"
    (state / "born").write_text("4102444800 5 another-boot\n")
    (state / "pilot").unlink(missing_ok=True)
    ended = cloudinit.again(tmp_path / "machine", limit=60)
    assert ended.power.startswith("poweroff  by sh /etc/tfce/guard 12 11")


def test_what_the_machine_was_told_is_roots_alone(tmp_path: Path) -> None:
    look = b"""#!/bin/bash
for place in /var/lib/cloud/instance/user-data.txt /run/cloud-init/instance-data.json /var/log/cloud-init.log \\
  /var/log/cloud-init-output.log /etc/tfce/guard /root/pilot.sh /var/lib/cloud/seed; do
  echo "$place=$(ls $place >/dev/null 2>&1 && cat $place >/dev/null 2>&1 && echo open)"
done
echo "writes=$(echo x 2>/dev/null >/etc/tfce/close && echo open)"
"""
    assert set(facts(boot(tmp_path, look)).values()) == {""}
