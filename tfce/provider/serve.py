"""The provider on a socket: a server that lets what is under way come to its end.

The framework's own server is not used. It drops what is running when Terraform asks it to stop: VMs just made
would not be recorded. It also keeps a private key in the user's home.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from tf.gen import tfplugin_pb2
from tf.gen.tfplugin_pb2_grpc import add_ProviderServicer_to_server
from tf.provider import ProviderServicer

from tfce.model.errors import TerraformError, shorten
from tfce.model.redact import redacted
from tfce.model.trace import join, span
from tfce.provider.resources import TfceProvider
from tfce.provider.run import Run

_LARGEST = 256 * 2**20  # bytes of one message, as in Terraform


class _Servicer(ProviderServicer):  # type: ignore[misc]
    """The framework's servicer; asked to stop, it lets what is running come to its end."""

    app: TfceProvider

    def StopProvider(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.app.run.stop.set()
        return tfplugin_pb2.StopProvider.Response()


class _Explained(grpc.ServerInterceptor):  # type: ignore[misc]
    """An error of ours reaches Terraform as a text without frames; the frames could show user data. What is
    asked is in the trace of the run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        answer, name = _explained(_silent(handler.unary_unary)), details.method.rpartition("/")[2]

        def traced(request: Any, context: Any) -> Any:
            join(self._run.trace)  # grpc gives each call a context of its own
            with span("phase", name):
                return answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            traced, handler.request_deserializer, handler.response_serializer
        )


def _explained(answer: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def guarded(request: Any, context: Any) -> Any:
        try:
            return answer(request, context)
        # hazard: grpc answers nothing after SystemExit, and Terraform waits until its time-out
        except BaseException as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            context.abort(
                grpc.StatusCode.INTERNAL, f"{type(error).__name__} in {where}: {shorten(redacted(str(error)))}"
            )

    return guarded


def _silent(method: Any) -> Callable[[Any, Any], Any]:
    """The framework's method without its decorator, which prints each error with its frames."""
    plain = getattr(method, "__wrapped__", None)
    return functools.partial(plain, method.__self__) if plain else method


def make(run: Run, workers: ThreadPoolExecutor) -> grpc.Server:
    """A server for one run, not listening yet."""
    limits = [("grpc.max_receive_message_length", _LARGEST), ("grpc.max_send_message_length", _LARGEST)]
    server = grpc.server(workers, interceptors=[_Explained(run)], options=limits)
    add_ProviderServicer_to_server(_Servicer(TfceProvider(run)), server)
    return server


def listen(run: Run, workers: ThreadPoolExecutor, address: str) -> grpc.Server:
    """A server for one run at ``address``, started, without TLS."""
    server = make(run, workers)
    open_at(server, address)
    return server


def open_at(server: grpc.Server, address: str) -> None:
    """Let a server listen, without TLS, and start it."""
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise TerraformError(
            f"{address}: the provider cannot listen there ({shorten(redacted(str(error)))})"
        ) from None
    server.start()
