"""A server of the tests' own process."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    """Says nothing of a client that is gone: the standard error is that of whichever test runs at that moment."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a traceback, unless the connection broke."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
