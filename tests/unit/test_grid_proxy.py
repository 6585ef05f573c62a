"""A grid proxy's file: which are taken, and that each other one is an error with file, problem and cure."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.unit.conftest import MakeQueue
from tfce.cloud.libcloud_errors import CERTIFICATE, translated
from tfce.config import credentials
from tfce.model.errors import CloudError, ConfigError
from tfce.model.reasons import Kind

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
DAY = timedelta(days=1)
RSA, EC, OTHER = (
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP256R1()),
)


def certificate(key: Key, begin: timedelta = -DAY, end: timedelta = DAY) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pilot User")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now + begin, now + end
    )
    return builder.sign(key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def private(
    key: Key, form: PrivateFormat = PrivateFormat.PKCS8, encryption: KeySerializationEncryption | None = None
) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


LONG = pem(*(certificate(EC) for _ in range(7)))
USUAL = pem(certificate(RSA)) + private(RSA, PrivateFormat.TraditionalOpenSSL) + LONG
SOUND = {
    "as voms-proxy-init leaves it": USUAL,
    "PKCS#8": pem(certificate(RSA)) + private(RSA) + LONG,
    "EC": pem(certificate(EC)) + private(EC, PrivateFormat.TraditionalOpenSSL) + LONG,
    "CRLF": USUAL.replace("\n", "\r\n"),
    "the key first": private(EC) + pem(certificate(EC)),
    "other text": f"subject=/CN=\u00e9\n{USUAL}\nthat is all\n",
    "no issuer": pem(certificate(EC)) + private(EC),
}
FAULTY: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "has no certificate"),
    "DER": (certificate(EC).public_bytes(Encoding.DER), "is not text"),
    "no key": (LONG, "has no private key"),
    "a key alone": (private(EC), "has no certificate"),
    "another's key": (pem(certificate(EC)) + private(OTHER), "is not its first certificate's"),
    "another kind of key": (pem(certificate(EC)) + private(RSA), "is not its first certificate's"),
    "a pass phrase": (
        pem(certificate(EC)) + private(EC, encryption=BestAvailableEncryption(b"hush-hush")),
        "has a key with a pass phrase",
    ),
    "an old pass phrase": (
        pem(certificate(EC))
        + private(EC, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"hush-hush")),
        "has a key with a pass phrase",
    ),
    "ended": (pem(certificate(EC, -2 * DAY, -DAY)) + private(EC), "ended at 20"),
    "an issuer that ended": (pem(certificate(EC), certificate(EC, -2 * DAY, -DAY)) + private(EC), "ended at 20"),
    "not yet": (pem(certificate(EC, DAY, 2 * DAY)) + private(EC), "is valid from 20"),
    "cut": (USUAL[:500], "has "),
    "a cut key": (pem(certificate(EC)) + private(EC)[:120], "has a key that cannot be read"),
    "spoilt": (pem(certificate(EC)).replace("M", "%", 1) + private(EC), "has a certificate that cannot be read"),
    "large": (USUAL + " " * 2**20, "has more than 1048576 bytes"),
}
ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "Is a directory"),
    "a pipe": (os.mkfifo, "Not a regular file"),
    "nothing there": (lambda path: None, "No such file"),
    "for everybody": (lambda path: (path.write_text(USUAL), path.chmod(0o644)), "is not private"),
    "for the group": (lambda path: (path.write_text(USUAL), path.chmod(0o640)), "is not private"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "No such file"),
}


@pytest.fixture
def load(make_queue: MakeQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """What the secret PROXY comes to, by the environment and by DIRAC: the same."""
    auth = tmp_path / "proxy.auth"
    auth.touch(0o600)
    auth.write_text("[DEFAULT]\nkey = user\nsecret = PROXY\n")
    queue = make_queue(
        CloudType="OPENSTACK",
        CloudAuth=str(auth),
        Driver_ex_force_auth_url="https://keystone.example.org:5000",
        Driver_ex_force_auth_version="2.0_voms",
    )

    def secret(path: Path) -> str:
        monkeypatch.setenv("X509_USER_PROXY", str(path))
        found = {
            _answer(lambda: credentials.load(queue)),
            _answer(lambda: credentials.load(queue, lambda: str(path))),
        }
        (answer,) = found
        return answer

    return secret


def _answer(load: Callable[[], credentials.Credentials]) -> str:
    try:
        return load().secret
    except ConfigError as error:
        (fault,) = error.faults
        assert fault.option == "CloudAuth" and fault.cure and "hush" not in error.message
        return f"refused: {error.message}"


def written(path: Path, content: str | bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", SOUND)
def test_a_proxy_is_taken_in_any_form_that_openssl_reads(
    load: Callable[[Path], str], tmp_path: Path, name: str
) -> None:
    path = written(tmp_path / "proxy", SOUND[name])
    assert load(path) == str(path)


@pytest.mark.parametrize("name", FAULTY)
def test_a_proxy_that_no_cloud_takes_is_named_with_its_cure(
    load: Callable[[Path], str], tmp_path: Path, name: str
) -> None:
    content, words = FAULTY[name]
    path = written(tmp_path / "proxy", content)
    answer = load(path)
    assert answer.startswith("refused") and f"PROXY means {path}, which" in answer and words in answer


@pytest.mark.parametrize("name", ODD)
def test_a_proxy_s_file_is_its_owner_s_and_a_file(load: Callable[[Path], str], tmp_path: Path, name: str) -> None:
    make, words = ODD[name]
    make(tmp_path / "proxy")
    answer = load(tmp_path / "proxy")
    assert answer.startswith("refused") and words in answer


@pytest.mark.parametrize(
    "said",
    [
        "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:2580)",
        "[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired (_ssl.c:2580)",
        "[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate (_ssl.c:2580)",
        "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)",
    ],
)
def test_a_cloud_that_refuses_our_certificate_is_told_from_one_whose_own_is_not_known(said: str) -> None:
    with pytest.raises(CloudError) as caught, translated("logging in", ()):
        raise requests.exceptions.SSLError(said)
    assert caught.value.reason.kind is Kind.AUTHENTICATION and "PROXY" in caught.value.cure
    with pytest.raises(CloudError) as caught, translated("logging in", ()):
        raise requests.exceptions.SSLError("certificate verify failed: self-signed certificate")
    assert (caught.value.reason.kind, caught.value.reason.code) == (Kind.UNREACHABLE, CERTIFICATE)
