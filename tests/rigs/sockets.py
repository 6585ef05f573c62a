"""What may become of the socket of a run's provider: a ``Hinder`` does it to the socket at a path."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tfce.provider.attached import VARIABLE, attached
from tfce.provider.run import Run

Hinder = Callable[[Path, ExitStack], None]


def address(environment: Mapping[str, str]) -> Path:
    """The socket that Terraform is told of."""
    (place,) = {entry["Addr"]["String"] for entry in json.loads(environment[VARIABLE]).values()}
    return Path(place)


@contextmanager
def hindered(run: Run, hinder: Callable[[Path, ExitStack], None]) -> Iterator[Mapping[str, str]]:
    with attached(run) as environment, ExitStack() as stack:
        hinder(address(environment), stack)
        yield environment


def missing(place: Path, stack: ExitStack) -> None:
    place.unlink()


def listener(place: Path, stack: ExitStack, backlog: int | None) -> socket.socket:
    place.unlink()
    taken = stack.enter_context(socket.socket(socket.AF_UNIX))
    taken.bind(str(place))
    if backlog is not None:
        taken.listen(backlog)
    return taken


def refused(place: Path, stack: ExitStack) -> None:
    listener(place, stack, None)


def silent(place: Path, stack: ExitStack) -> None:
    listener(place, stack, 50)


def trickling(place: Path, stack: ExitStack) -> None:
    """Frames of HTTP/2, byte by byte: never silent, never done."""
    taken = listener(place, stack, 50)

    def talk(one: socket.socket) -> None:
        with suppress(OSError), one:
            for byte in b"\0\0\0\4\0\0\0\0\0" * 200:
                one.send(bytes([byte]))
                time.sleep(0.2)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=taken.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    stack.callback(taken.shutdown, socket.SHUT_RDWR)


def stolen(place: Path, stack: ExitStack) -> None:
    taken = listener(place, stack, 50)

    def talk() -> None:
        while True:
            try:
                one, _ = taken.accept()
                one.sendall(b"HTTP/1.1 200 OK\r\n\r\nwhat?\r\n")
                one.close()
            except OSError:
                return

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(taken.shutdown, socket.SHUT_RDWR)


def folder(place: Path, stack: ExitStack) -> None:
    place.unlink()
    place.mkdir()


def slow(place: Path, stack: ExitStack) -> None:
    """What it is asked arrives a second late, through a socket in its place."""
    real = place.with_name("real.sock")
    place.rename(real)
    taken = stack.enter_context(socket.socket(socket.AF_UNIX))
    taken.bind(str(place))
    taken.listen(50)
    stack.callback(taken.shutdown, socket.SHUT_RDWR)
    threading.Thread(target=relay, args=(taken, real, 1.0), daemon=True).start()


def relay(taken: socket.socket, real: Path, delay: float) -> None:
    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # one of the two has gone
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve(near: socket.socket) -> None:
        time.sleep(delay)
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(str(real))
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()

    while True:
        try:
            near, _ = taken.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(near,), daemon=True).start()


# A provider that is not there, or another one's; each is one clear error.
UNREACHABLE: tuple[Hinder, ...] = (missing, refused, silent, stolen, folder)
