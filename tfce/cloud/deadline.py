"""Sockets that keep the deadline of the request that is under way: requests bounds each read, not the request."""

from __future__ import annotations

import io
import socket
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Deadline:
    """When the request that is under way has to be over."""

    def __init__(self) -> None:
        self._end = 0.0

    def start(self, seconds: float) -> None:
        """A request begins, which may take so many ``seconds``."""
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left of it; ``TimeoutError`` where none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _Reader(io.RawIOBase):
    """A socket's bytes; each read may take what is left of the request's time."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        got: int | None = self._raw.readinto(buffer)
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Timed:
    """A connected socket that keeps the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, mode: str = "rb", *args: Any, **kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))


def _timed(connection: type[Any], deadline: Deadline) -> type[Any]:
    def connect(self: Any) -> None:
        connection.connect(self)
        self.sock = _Timed(self.sock, deadline)

    return type(f"Timed{connection.__name__}", (connection,), {"connect": connect})


class TimedAdapter(HTTPAdapter):
    """requests' adapter with sockets that keep the deadline; ``files``: a client's certificate and key."""

    def __init__(self, deadline: Deadline, **files: Any) -> None:
        self._deadline, self._files = deadline, files
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **kwargs, **self._files)
        self._use(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return self._use(super().proxy_manager_for(proxy, **kwargs))

    def _use(self, manager: Any) -> Any:
        kinds = ((HTTPConnectionPool, HTTPConnection), (HTTPSConnectionPool, HTTPSConnection))
        manager.pool_classes_by_scheme = {
            pool.scheme: type(pool.__name__, (pool,), {"ConnectionCls": _timed(connection, self._deadline)})
            for pool, connection in kinds
        }
        return manager
