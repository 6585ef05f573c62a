"""What of the process's environment keeps a request from a server that speaks TLS."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.rigs.quiet import QuietServer
from tfce.cloud.http import BoundaryError, Bounds, LastAnswer, bounded
from tfce.cloud.limits import RequestLimits
from tfce.cloud.retries import Budget


def certificate(folder: Path) -> Path:
    """A file with key and certificate of 127.0.0.1, which vouches for itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cloud")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = made.add_extension(x509.SubjectAlternativeName([address]), critical=False).sign(key, hashes.SHA256())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "cloud.pem"
    path.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + signed.public_bytes(pem))
    return path


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port of a server with TLS, and the file of its certificate."""
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = QuietServer(("127.0.0.1", 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1], path
    server.shutdown()
    server.server_close()


def ask(port: int, authority: str) -> int:
    """The status of an answer."""
    last = LastAnswer()
    limits = RequestLimits(seconds=10, size=2**20, repeats=0)
    connection = bounded(Bounds(limits, Budget(), last, lambda *_: "GET", lambda *_: False))(
        "127.0.0.1", port, True
    )
    connection.ca_cert = authority
    connection.request("GET", "/")
    return last.status


def test_who_trusts_the_server_reaches_it_whatever_else_is_set(
    cloud: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "OS_CACERT"):
        monkeypatch.setenv(name, "/nonexistent")
    assert ask(cloud[0], str(cloud[1])) == 200


@pytest.mark.parametrize(
    ("there", "problem"),
    [("nothing", "there is no such file"), ("", "is a folder"), ("garbage", "no certificate")],
)
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "OS_CACERT", "Driver_ca_cert"])
def test_a_file_of_authorities_that_is_none_is_named(
    cloud: tuple[int, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str, problem: str, name: str
) -> None:
    (tmp_path / "garbage").write_text("no certificate")
    path = str(tmp_path / there)
    monkeypatch.setenv(name, path)
    with pytest.raises(BoundaryError, match=problem) as caught:
        ask(cloud[0], path)
    assert str(caught.value).startswith(f"{name} = {path}: ") and "(PEM)" in caught.value.cure


def test_a_log_of_keys_that_cannot_be_written_is_named(
    cloud: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/nonexistent/keys")
    with pytest.raises(BoundaryError, match="SSLKEYLOGFILE = /nonexistent/keys") as caught:
        ask(cloud[0], str(cloud[1]))
    assert "unset it" in caught.value.cure


def test_who_does_not_trust_the_server_blames_nothing_else(cloud: tuple[int, Path], tmp_path: Path) -> None:
    (tmp_path / "another").mkdir()
    with pytest.raises(OSError, match="certificate"):
        ask(cloud[0], str(certificate(tmp_path / "another")))
