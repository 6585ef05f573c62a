"""The provider's edges: what it is told, the handshake, and the requests it makes for a VM."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import FakeCloud, Sky
from tests.rigs.localstack import Emulator
from tests.rigs.proxy import Fault, Proxy
from tfce.cloud.factory import connect
from tfce.cloud.shape import Shape
from tfce.config.credentials import Credentials
from tfce.config.options import parse
from tfce.model.errors import CloudError, ConfigError
from tfce.model.vm import Owner
from tfce.provider import settings

LOGIN = {settings.KEY: "AKIA", settings.SECRET: "s3cret"}
OWNER = Owner("site", "cloud.example.org", "provider")


def test_block_and_environment_make_one_login() -> None:
    block = {"cloud": "EC2", "region": "eu-west-1", "endpoint": "http://127.0.0.1:99/api", "options": None}
    found, credentials = settings.login(block, {**LOGIN, settings.OPTIONS: '{"token": "t0ken", "timeout": "7"}'})
    assert (found.cloud, found.region, found.url) == (
        "EC2",
        "eu-west-1",
        "http://127.0.0.1:99/api",
    )
    assert found.driver["timeout"] == 7 and credentials == Credentials("AKIA", "s3cret", "t0ken")


def test_what_tfce_hands_over_is_what_the_provider_reads(tmp_path: Path) -> None:
    wish = {
        "CloudType": "OPENSTACK",
        "Instance_Image": "name:i",
        "Instance_Flavor": "name:f",
        "Driver_ex_force_auth_url": "https://keystone.example.org:5000",
        "Driver_ex_tenant_name": "pilots",
        "Driver_ex_force_service_region": "R1",
        "Terraform_Parallelism": "7",
    }
    queue = parse("ce", "long", wish, tmp_path, tmp_path)
    environ = settings.environment(queue, Credentials("user", "password"))
    block = {"cloud": queue.endpoint.cloud, "region": queue.endpoint.region, "endpoint": queue.endpoint.url}
    read, credentials = settings.login(block, environ)
    assert (read.home, dict(read.driver)) == (queue.endpoint.home, dict(queue.endpoint.driver))
    assert credentials == Credentials("user", "password")
    manner = settings.run(environ).manner(3)
    assert (manner.parallelism, manner.retries, manner.only, manner.make) == (7, 3, None, True)
    some = {settings.KEYS: "0000000A,0000000B", settings.ADOPT_ONLY: "1"}
    manner = settings.run(environ | some).manner(3)
    assert manner.only == {"0000000A", "0000000B"} and not manner.make
    assert settings.only({settings.KEYS: ""}) == frozenset()


def test_the_authority_of_openstacks_certificates_reaches_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = {"CloudType": "EC2", "Instance_Image": "i", "Instance_Flavor": "f"}
    queue = parse("ce", "long", wish, tmp_path, tmp_path)
    monkeypatch.delenv("OS_CACERT", raising=False)
    assert "OS_CACERT" not in settings.environment(queue, Credentials("user", "password"))
    monkeypatch.setenv("OS_CACERT", "/etc/ca.pem")
    assert settings.environment(queue, Credentials("user", "password"))["OS_CACERT"] == "/etc/ca.pem"


@pytest.mark.parametrize(
    ("block", "environ", "fault"),
    [
        ({"cloud": "EC2"}, {}, settings.KEY),
        ({"cloud": "EC2"}, {settings.KEY: "k"}, settings.SECRET),
        ({"cloud": None}, LOGIN, "CloudType"),
        ({"cloud": "EC3"}, LOGIN, "CloudType"),
        ({"cloud": "EC2"}, {**LOGIN, settings.OPTIONS: "[1]"}, settings.OPTIONS),
        ({"cloud": "EC2", "options": {"port": "many"}}, LOGIN, "Driver_port"),
    ],
)
def test_a_wrong_login_is_said_without_its_secret(
    block: dict[str, object], environ: dict[str, str], fault: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.login(block, environ)
    assert fault in {one.option for one in caught.value.faults} and "s3cret" not in str(caught.value)


def test_a_wrong_parallelism_is_said() -> None:
    with pytest.raises(ConfigError, match=settings.PARALLELISM):
        settings.run({settings.PARALLELISM: "0"})


def provider(**environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tfce.provider"],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_people_who_start_it_are_told_what_it_is() -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-m", "tfce.provider"], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "Terraform starts it" in done.stderr


def test_the_handshake_names_a_socket_that_only_its_owner_reaches() -> None:
    with provider(TF_PLUGIN_MAGIC_COOKIE="x") as process:
        assert process.stdout is not None
        version, protocol, network, address, kind, certificate = process.stdout.readline().strip().split("|")
        try:
            assert (version, protocol, network, kind) == ("1", "6", "unix", "grpc")
            assert Path(address).parent.stat().st_mode & 0o077 == 0
            assert base64.b64decode(certificate + "=" * (-len(certificate) % 4))[0] == 0x30  # DER
        finally:
            process.kill()


def test_a_vm_bears_its_tags_and_data_from_its_first_moment(emulator: Emulator) -> None:
    with Proxy(emulator.url, mend=False) as proxy:
        wish = {
            "CloudType": "EC2",
            "Instance_Image": "-",
            "Instance_Flavor": "-",
            "Driver_host": "127.0.0.1",
            "Driver_port": str(proxy.port),
            "Driver_secure": "no",
        }
        cloud = connect(parse("ce", "q", wish, Path("/none"), Path("/none")).endpoint, Credentials("k", "secret"))
        shape = Shape(
            OWNER,
            "p-",
            "ami-1e749f67",
            "t3.micro",
            root_volume_gb=20,
            availability_zone="us-east-1b",
            tags={"project": "lz", "tfce:key": "FORGED"},
            options={"InstanceInitiatedShutdownBehavior": "stop"},
        )
        data = "#cloud-config\n" + "x" * 12000
        node_id = cloud.create(shape, "0A1B2C3D", data)
        assert dict(cloud.calls) == proxy.counts() == {"DescribeImages": 1, "RunInstances": 1}
        (node,) = [node for node in cloud.vms(OWNER) if node.id == node_id]
        assert OWNER.owns(node) and node.name == "p-0A1B2C3D" and node.tags["project"] == "lz"
        assert node.tags["tfce:key"] == "0A1B2C3D"
        attribute = {"InstanceId": node_id, "Attribute": "userData"}
        given = emulator.call("DescribeInstanceAttribute", **attribute).findtext("userData/value", "")
        assert base64.b64decode(given).decode() == data
        assert len(max((request.line for request in proxy.requests()), key=len)) < 2000  # not in an address
        proxy.add(Fault("RunInstances", "error", status=503, code="RequestLimitExceeded"))
        with pytest.raises(CloudError) as caught:
            cloud.create(shape, "0A1B2C3E", data)
        assert caught.value.kind == "throttled"
        proxy.add(Fault("RunInstances", "lose"))
        with pytest.raises(CloudError) as caught:
            cloud.create(shape, "0A1B2C3F", data)
        assert caught.value.kind == "unreachable"


def test_the_fake_counts_like_the_real_one() -> None:
    cloud = FakeCloud(Sky())
    cloud.create(Shape(OWNER, "p-", "i", "f"), "0A1B2C3D", "data")
    assert json.dumps(cloud.calls) == '{"RunInstances": 1}'
