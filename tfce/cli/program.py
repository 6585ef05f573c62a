"""The process of the command ``tfce``, and what signals do to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHELLS = 128  # what a shell adds to the number of the signal that ended a command


def run() -> int:
    """Run ``tfce``; its exit code. Where a signal ended the command, the process ends by that signal: a shell
    leaves its loop then, and a service manager sees what it asked for."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is begun yet, and there is nothing to say
    from tfce.cli.main import main

    code = main()
    if code - _SHELLS in _ENDS:
        signal.signal(code - _SHELLS, signal.SIG_DFL)
        os.kill(os.getpid(), code - _SHELLS)
    return code


class Signals:
    """The signals that end a command; they come up as ``KeyboardInterrupt``."""

    def __init__(self) -> None:
        self._last = 0

    def raising(self, number: int, frame: FrameType | None) -> None:
        """The handler of a signal."""
        self._last = number
        raise KeyboardInterrupt

    def ended(self) -> int:
        """The exit code of a command that one ended. One more ends the process at once."""
        for number in _ENDS:
            signal.signal(number, signal.SIG_DFL)
        return _SHELLS + (self._last or signal.SIGINT)

    def after(self, code: int) -> int:
        """The exit code of a command that came to its end. What one has cut short is never all done."""
        return _SHELLS + self._last if self._last and code else code


@contextmanager
def heard() -> Iterator[Signals]:
    """A service manager's SIGTERM, and a terminal that closes, are like Ctrl-C: what was begun is recorded first.
    What is ignored, as SIGINT by a shell's job in the background, stays so. Outside of the main thread there are
    no signals."""
    signals = Signals()
    before = {number: signal.getsignal(number) for number in _ENDS}
    taken = [number for number in _ENDS if before[number] not in (signal.SIG_IGN, None)]
    with suppress(ValueError):
        for number in taken:
            signal.signal(number, signals.raising)
    try:
        yield signals
    finally:
        with suppress(ValueError):
            for number in taken:
                signal.signal(number, before[number])
