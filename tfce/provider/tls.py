"""Mutual TLS in front of a server's socket.

grpc's own TLS knows no curve P-521, which the certificates of Terraform and OpenTofu have; OpenSSL does.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_PEM, _DER = serialization.Encoding.PEM, serialization.Encoding.DER
_CHUNK = 1 << 16
_PATIENCE = 30.0  # seconds for a handshake


@contextmanager
def guarded(inner: str, client: str) -> Iterator[tuple[str, bytes]]:
    """A socket that lets nobody through to ``inner`` but who has the certificate ``client`` (PEM); yields where it
    is, and the certificate that it shows (DER)."""
    address = f"{inner}.tls"
    context, shown = _context(client)
    expected = ssl.PEM_cert_to_DER_cert(client.strip() + "\n")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        work = (listener, context, expected, inner)
        threading.Thread(target=_accept, args=work, name="tls", daemon=True).start()
        yield address, shown


def _accept(listener: socket.socket, context: ssl.SSLContext, expected: bytes, inner: str) -> None:
    with contextlib.suppress(OSError):  # closed: the end
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_serve, args=(near, context, expected, inner), daemon=True).start()


def _serve(near: socket.socket, context: ssl.SSLContext, expected: bytes, inner: str) -> None:
    near.settimeout(_PATIENCE)
    with contextlib.suppress(OSError), near, context.wrap_socket(near, server_side=True) as secured:
        if secured.getpeercert(binary_form=True) != expected:
            return
        with socket.socket(socket.AF_UNIX) as far:
            far.connect(inner)
            _relay(secured, far)


def _relay(secured: ssl.SSLSocket, far: socket.socket) -> None:
    """Both ways until one end closes, in one thread: two may not use one TLS connection."""
    with selectors.DefaultSelector() as selector:
        selector.register(secured, selectors.EVENT_READ)
        selector.register(far, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if secured in ready and not _inward(secured, far):
                return
            if far in ready:
                data = far.recv(_CHUNK)
                if not data:
                    return
                secured.settimeout(None)
                secured.sendall(data)


def _inward(secured: ssl.SSLSocket, far: socket.socket) -> bool:
    """Pass on what has arrived; False when the other end has closed."""
    secured.settimeout(0)
    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
        while data := secured.recv(_CHUNK):
            far.sendall(data)
        return False
    return True


def _context(client: str) -> tuple[ssl.SSLContext, bytes]:
    """TLS with a certificate of this process alone, for one client."""
    made, key = certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=client)
    with tempfile.TemporaryDirectory(prefix="tfce-") as folder:  # ssl takes its key from a file only
        file = Path(folder) / "key.pem"
        file.touch(0o600)
        file.write_bytes(key + made.public_bytes(_PEM))
        context.load_cert_chain(file)
    return context, made.public_bytes(_DER)


def certificate() -> tuple[x509.Certificate, bytes]:
    """A certificate for this process alone, and its private key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made, private
