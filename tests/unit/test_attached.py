"""The end of a provider that this process serves."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from tf.gen import tfplugin_pb2

from tfce.provider import attached, serve
from tfce.provider.run import Run


class Server:
    """A server that is interrupted while it stops."""

    def __init__(self) -> None:
        self.whole = threading.Event()

    def stop(self, grace: float) -> threading.Event:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(grace)  # an interrupt of the main thread is raised before this is over
        self.whole.set()
        return self.whole


@pytest.mark.parametrize("error", [RuntimeError("odd"), SystemExit("odd"), KeyboardInterrupt("odd")])
def test_whatever_an_answer_ends_with_terraform_hears_of_it(tmp_path: Path, error: BaseException) -> None:
    def login(known: Any) -> Any:
        raise error

    with ThreadPoolExecutor(1) as workers:
        server = serve.listen(Run(login), workers, f"unix:{tmp_path}/s")
        with grpc.insecure_channel(f"unix:{tmp_path}/s") as channel, pytest.raises(grpc.RpcError) as caught:
            ask = channel.unary_unary(
                "/tfplugin6.Provider/ConfigureProvider",
                request_serializer=tfplugin_pb2.ConfigureProvider.Request.SerializeToString,
                response_deserializer=tfplugin_pb2.ConfigureProvider.Response.FromString,
            )
            ask(tfplugin_pb2.ConfigureProvider.Request(config={"msgpack": b"\x80"}), timeout=5)
        server.stop(0).wait(5)
    assert caught.value.code() is grpc.StatusCode.INTERNAL and "odd" in caught.value.details()


def test_an_interrupt_does_not_leave_a_server_half_stopped() -> None:
    server = Server()
    with pytest.raises(KeyboardInterrupt):
        attached.stop(cast("grpc.Server", server), 0.05)
    assert server.whole.wait(5)
