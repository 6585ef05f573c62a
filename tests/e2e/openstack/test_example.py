"""The example of the element that tfce takes over from: it works as it stands, only CEType is changed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.checking import until
from tests.claims import every
from tests.e2e.openstack.rig import Rig, provider_mirror
from tests.site import WRAPPER, mirror_variable

EXAMPLE = """\
CE = cloudprov.mysite.example
CEType = Terraform
CloudType = OPENSTACK
Driver_ex_force_auth_url = https://cloudprov.mysite.example:5000
Driver_ex_force_auth_version = 3.x_password
Driver_ex_tenant_name = clouduser
Instance_Image = name:CentOS-7-x86_64-GenericCloud-1905
Instance_Flavor = name:m1.medium
Instance_Networks = name:my_public_net,name:my_private_net
Instance_SSHKey = mysshkey
"""
# It names no region: its calls go to the first in the catalogue, which may be the one that counts them.
pytestmark = [pytest.mark.rig("it is an example's cloud"), pytest.mark.takes("front")]
HOST, PORT, ADDRESS = "cloudprov.mysite.example", 5000, "127.0.0.57"


@contextmanager
def forwarded(port: int) -> Iterator[None]:
    """The address of the example's host passes connections on to the rig's keystone."""
    with socket.create_server((ADDRESS, PORT)) as server:

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    upstream = socket.create_connection(("127.0.0.1", port))
                    for pair in ((client, upstream), (upstream, client)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)


def named(hosts: Path) -> list[str]:
    """What to put before a command so that it finds the example's host: a view of /etc/hosts of its own."""
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
    script = f"mount --bind '{hosts}' /etc/hosts && exec \"$@\""
    users = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *users, "--mount", "sh", "-c", script, "sh"]


def test_the_example_of_cloudce_works_unchanged(tmp_path: Path, rig: Rig) -> None:
    prefix = named(tmp_path / "hosts")
    able = subprocess.run([*prefix, "true"], capture_output=True, text=True)
    if able.returncode:
        pytest.skip(f"no view of /etc/hosts of one's own here: {able.stderr.strip()}")
    lines = "".join(f"    {line}\n" for line in EXAMPLE.splitlines())
    queues = "    Queues\n    {\n      long\n      {\n        maxCPUTime = 1440\n      }\n    }\n"
    (tmp_path / "site.cfg").write_text(f"CEs\n{{\n  {HOST}\n  {{\n{lines}{queues}  }}\n}}\n")
    auth = tmp_path / "dirac" / "etc" / "cloud.auth"
    auth.parent.mkdir(parents=True)
    auth.touch(0o600)
    auth.write_text(f'[{HOST}]\nkey = "{rig.env["OS_USERNAME"]}"\nsecret = "{rig.env["OS_PASSWORD"]}"\n')
    (tmp_path / "wrapper.sh").write_text(WRAPPER)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "OS_", "TF_", "TFCE_"))},
        "DIRAC_ROOT_PATH": str(tmp_path / "dirac"),  # where DIRAC keeps etc/cloud.auth
        "OS_CACERT": rig.env["OS_CACERT"],  # the rig's authority is nobody's; a site's would be the system's
        mirror_variable(): str(provider_mirror()),
    }

    def tfce(command: str, *arguments: str) -> str:
        line = [sys.executable, "-m", "tfce.cli", command, f"{HOST}/long", *arguments]
        line += ["--config", str(tmp_path / "site.cfg")]
        done = subprocess.run([*prefix, *line], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    api = rig.api("clouduser")
    with forwarded(rig.base):
        assert "FAULT" not in tfce("doctor")
        tfce("submit", "--count", "2", "--wrapper", str(tmp_path / "wrapper.sh"))

        def made() -> list[dict[str, Any]]:
            return [s for s in api.servers() if s["metadata"].get("tfce_ce") == HOST]

        until(lambda: all(s["status"] != "BUILD" for s in made()), "the VMs are built", pause=1)
        servers = made()
        assert [(s["status"], s["key_name"]) for s in servers] == [("ACTIVE", "mysshkey")] * 2
        assert every(set(s["addresses"]) == {"my_public_net", "my_private_net"} for s in servers)
        assert tfce("status").count("Running") == 2
        ids = [server["id"] for server in servers]
        for server_id in ids:
            api.act(server_id, "os-stop")
        until(lambda: {s["status"] for s in api.servers() if s["id"] in ids} == {"SHUTOFF"}, "the VMs are off")
        assert tfce("reap").count("stopped") == 2
        tfce("plan")
    until(lambda: not [s for s in api.servers() if s["id"] in ids], "the VMs are gone")
