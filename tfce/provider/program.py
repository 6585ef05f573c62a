"""The program ``terraform-provider-tfce``: the handshake, TLS, and its end with its Terraform's."""

from __future__ import annotations

import base64
import os
import signal
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc

from tfce.provider import settings
from tfce.provider.serve import make

_LAST_WORDS = 2.0  # seconds for the answer to "shut down" to arrive
_GLANCE = 0.5  # seconds between two looks at whether Terraform still lives


class _Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        self.over = threading.Event()

    def Shutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.over.set()
        return grpc_controller_pb2.Empty()


class _Stdio(grpc_stdio_pb2_grpc.GRPCStdioServicer):  # type: ignore[misc]
    def StreamStdio(self, request: Any, context: Any) -> Any:  # noqa: N802
        return iter(())


def serve() -> int:
    """Serve the Terraform that started this process until it says that it is done."""
    run, controller, workers = settings.run(), _Controller(), ThreadPoolExecutor(10)
    # A terminal's Ctrl-C, or a service manager's end of everything, reaches Terraform, too; it says what to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: run.stop.set())
    terraform = os.getppid()  # another one is our parent when it was killed
    server = make(run, workers)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(controller, server)
    grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(_Stdio(), server)
    certificate, key = _certificate()
    with tempfile.TemporaryDirectory(prefix="tfce-") as folder:  # for its owner only
        address = f"{folder}/plugin.sock"
        credentials = grpc.ssl_server_credentials(
            [(key, certificate.public_bytes(serialization.Encoding.PEM))], require_client_auth=False
        )
        server.add_secure_port(f"unix://{address}", credentials)
        server.start()
        shown = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode().rstrip("=")
        print(f"1|6|unix|{address}|grpc|{shown}", flush=True)
        while not controller.over.wait(_GLANCE) and os.getppid() == terraform:
            pass
        run.stop.set()  # what is under way comes to its end, and nothing else is begun
        server.stop(_LAST_WORDS).wait()
        workers.shutdown()  # hazard: the server itself does not wait for a call whose Terraform is gone
    return 0


def _certificate() -> tuple[x509.Certificate, bytes]:
    """A certificate for this process alone, and its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
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
    return certificate, private
