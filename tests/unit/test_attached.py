"""The end of a provider that this process serves."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import cast

import grpc
import pytest

from tfce.provider import attached


class Server:
    """A server that is interrupted while it stops."""

    def __init__(self) -> None:
        self.whole = threading.Event()

    def stop(self, grace: float) -> threading.Event:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(grace)  # an interrupt of the main thread is raised before this is over
        self.whole.set()
        return self.whole


def test_an_interrupt_does_not_leave_a_server_half_stopped() -> None:
    server = Server()
    with pytest.raises(KeyboardInterrupt):
        attached.stop(cast("grpc.Server", server), 0.05)
    assert server.whole.wait(5)
