"""The edge to the terminal: secrets are hidden here, and whatever goes wrong ends in one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tfce.cli.program import heard
from tfce.model.errors import TfceError
from tfce.model.redact import redacted
from tfce.store import crash

UNHEARD, UNEXPECTED = 1, 5


class OutputError(TfceError):
    """What the command had to say could not be shown. What it did is done."""

    exit_code = 1
    kind = "output"


class RedactedStream:
    """A stream of text that hides secrets; ``needed``: that a text cannot be written is an error."""

    def __init__(self, stream: Any, needed: bool) -> None:
        self._stream, self._needed = stream, needed

    def write(self, text: str) -> int:
        """Write a text, redacted."""
        with self._tried():
            if self._stream is None:
                raise OSError("it is closed")
            self._stream.write(redacted(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self._stream is not None:
            with self._tried():
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person reads it; nobody reads one that is closed."""
        return self._stream is not None and bool(self._stream.isatty())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _tried(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._drop()
            raise
        except (OSError, ValueError) as error:
            self._drop()
            if self._needed:
                reason = getattr(error, "strerror", None) or error
                raise OutputError(f"standard output cannot be written ({reason}); what was done is done") from None

    def _drop(self) -> None:
        """What is left in the stream's buffer goes nowhere: the interpreter would try again at its end."""
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def run(command: Callable[[], int]) -> int:
    """The exit code of ``command``. Nothing but its own ``SystemExit`` leaves this."""
    _fill()
    with _streams(), heard() as signals:
        try:
            try:
                return signals.after(command())
            finally:
                sys.stdout.flush()
        except TfceError as error:
            say(error.message)
            return signals.after(error.exit_code)
        except KeyboardInterrupt:
            code = signals.ended()
            say("interrupted; the next command finds out what was begun")
            return code
        except BrokenPipeError:
            return UNHEARD
        except Exception as error:
            say(crash.report(error))
            return UNEXPECTED


def say(text: str) -> None:
    """A line on standard error."""
    print(f"tfce: {text}", file=sys.stderr, flush=True)


def _fill() -> None:
    """Open what a caller closed: a file that tfce opens must not become its standard output."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextmanager
def _streams() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = RedactedStream(before[0], True), RedactedStream(before[1], False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
