"""The plugin protocol: handshake, TLS, and a server that lets a running apply finish before it ends, and does not
outlive its Terraform for longer.

The framework's own server is not used: it drops whatever is running when Terraform asks it to stop, so that VMs
just made would not be recorded, and it keeps a private key in the user's home.
"""

from __future__ import annotations

import base64
import os
import signal
import tempfile
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc, tfplugin_pb2
from tf.gen.tfplugin_pb2_grpc import add_ProviderServicer_to_server
from tf.provider import ProviderServicer

from tfce.model.errors import shorten
from tfce.provider.resources import TfceProvider

_LARGEST = 256 * 2**20  # bytes of one message, as in Terraform
_LAST_WORDS = 2.0  # seconds for the answer to "shut down" to arrive
_GLANCE = 0.5  # seconds between two looks at whether Terraform still lives


class _Servicer(ProviderServicer):  # type: ignore[misc]
    """The framework's servicer; asked to stop, it lets what is running come to its end."""

    app: TfceProvider

    def StopProvider(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.app.stop.set()
        return tfplugin_pb2.StopProvider.Response()


class _Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        self.over = threading.Event()

    def Shutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.over.set()
        return grpc_controller_pb2.Empty()


class _Stdio(grpc_stdio_pb2_grpc.GRPCStdioServicer):  # type: ignore[misc]
    def StreamStdio(self, request: Any, context: Any) -> Any:  # noqa: N802
        return iter(())


class _Explained(grpc.ServerInterceptor):  # type: ignore[misc]
    """An error of ours reaches Terraform as a text without frames; the frames could show user data."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        answer = handler.unary_unary

        def guarded(request: Any, context: Any) -> Any:
            try:
                return answer(request, context)
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}:{place.lineno}"
                context.abort(
                    grpc.StatusCode.INTERNAL, f"{type(error).__name__} in {where}: {shorten(str(error))}"
                )

        return grpc.unary_unary_rpc_method_handler(
            guarded, handler.request_deserializer, handler.response_serializer
        )


def serve() -> int:
    """Serve the Terraform that started this process until it says that it is done."""
    provider, controller, workers = TfceProvider(), _Controller(), ThreadPoolExecutor(10)
    # A terminal's Ctrl-C, or a service manager's end of everything, reaches Terraform, too; it says what to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: provider.stop.set())
    terraform = os.getppid()  # another one is our parent when it was killed
    server = grpc.server(
        workers,
        interceptors=[_Explained()],
        options=[
            ("grpc.max_receive_message_length", _LARGEST),
            ("grpc.max_send_message_length", _LARGEST),
        ],
    )
    add_ProviderServicer_to_server(_Servicer(provider), server)
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
        provider.stop.set()  # what is under way comes to its end, and nothing else is begun
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
