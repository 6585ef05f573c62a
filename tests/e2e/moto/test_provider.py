"""The provider's edges: what it is told, the handshake, and the requests it makes for a VM."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

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


def test_a_pipeline_says_how_to_go_about_it() -> None:
    options = settings.run({settings.PARALLELISM: "7"}).options(3)
    assert (options.parallelism, options.retries, options.only, options.make) == (7, 3, None, True)
    options = settings.run({settings.KEYS: "0000000A,0000000B", settings.ADOPT_ONLY: "1"}).options(3)
    assert (options.parallelism, options.only, options.make) == (10, frozenset({"0000000A", "0000000B"}), False)
    assert settings.only({settings.KEYS: ""}) == frozenset()


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
        settings.run({settings.PARALLELISM: "0"}).login({})


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


def identity(folder: Path, name: str) -> tuple[str, Path]:
    """A certificate as Terraform makes it (curve P-521), and the file that has it and its key."""
    key = ec.generate_private_key(ec.SECP521R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(datetime.now(UTC) - timedelta(minutes=1))
    made = made.not_valid_after(datetime.now(UTC) + timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = made.sign(key, hashes.SHA512()).public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (folder / name).write_text(private + pem)
    return pem, folder / name


def spoken(address: str, certificate: str, identity: Path | None) -> bytes:
    """What a client with (or without) an identity hears of the server that shows ``certificate``."""
    shown = base64.b64decode(certificate + "=" * (-len(certificate) % 4))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=shown)
    context.set_alpn_protocols(["h2"])
    if identity:
        context.load_cert_chain(identity)
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(20)
        plain.connect(address)
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            return secured.recv(100)


def test_the_handshake_names_a_socket_for_nobody_but_this_terraform(tmp_path: Path) -> None:
    pem, ours = identity(tmp_path, "ours.pem")
    _, theirs = identity(tmp_path, "theirs.pem")
    with provider(TF_PLUGIN_MAGIC_COOKIE="x", PLUGIN_CLIENT_CERT=pem) as process:
        assert process.stdout is not None
        version, protocol, network, address, kind, certificate = process.stdout.readline().strip().split("|")
        try:
            assert (version, protocol, network, kind) == ("1", "6", "unix", "grpc")
            assert Path(address).parent.stat().st_mode & 0o077 == 0
            for stranger in (None, theirs):
                with pytest.raises(OSError, match=r"(?i)alert|reset|EOF|closed"):
                    assert spoken(address, certificate, stranger)
            assert spoken(address, certificate, ours)[3] == 4  # HTTP/2 settings
        finally:
            process.kill()


def test_a_terraform_told_to_go_without_tls_gets_none() -> None:
    with provider(TF_PLUGIN_MAGIC_COOKIE="x", PLUGIN_CLIENT_CERT="") as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip().split("|")
        assert line[:3] + line[4:] == ["1", "6", "unix", "grpc"]
        process.kill()


def test_a_vm_bears_its_tags_and_data_from_its_first_moment(emulator: Emulator) -> None:
    with Proxy(emulator.url, mend=False) as proxy:
        options = {
            "CloudType": "EC2",
            "Instance_Image": "-",
            "Instance_Flavor": "-",
            "Driver_host": "127.0.0.1",
            "Driver_port": str(proxy.port),
            "Driver_secure": "no",
        }
        cloud = connect(
            parse("ce", "q", options, Path("/none"), Path("/none")).endpoint, Credentials("k", "secret")
        )
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
