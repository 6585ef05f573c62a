"""The program ``terraform-provider-tfce``: the handshake, mutual TLS, and its end with its Terraform's."""

from __future__ import annotations

import base64
import os
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc

from tfce.provider import settings
from tfce.provider.attached import folder
from tfce.provider.serve import make, open_at

CLIENT = "PLUGIN_CLIENT_CERT"  # Terraform's certificate, in PEM; unset where it is told to go without TLS
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


def serve(environ: Mapping[str, str] = os.environ) -> int:
    """Serve the Terraform that started this process until it says that it is done."""
    run, controller, workers = settings.run(environ), _Controller(), ThreadPoolExecutor(10)
    # A terminal's Ctrl-C, or a service manager's end of everything, reaches Terraform, too; it says what to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: run.stop.set())
    terraform = os.getppid()  # another one is our parent when it was killed
    server = make(run, workers)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(controller, server)
    grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(_Stdio(), server)
    with folder() as place, ExitStack() as stack:
        inner = str(place / "plugin.sock")
        open_at(server, f"unix://{inner}")
        address, shown = inner, ""
        if environ.get(CLIENT):
            from tfce.provider.tls import guarded

            address, certificate = stack.enter_context(guarded(inner, environ[CLIENT]))
            shown = f"|{base64.b64encode(certificate).decode().rstrip('=')}"
        print(f"1|6|unix|{address}|grpc{shown}", flush=True)
        while not controller.over.wait(_GLANCE) and os.getppid() == terraform:
            pass
        run.stop.set()  # what is under way comes to its end, and nothing else is begun
        server.stop(_LAST_WORDS).wait()
        workers.shutdown()  # hazard: the server itself does not wait for a call whose Terraform is gone
    return 0
