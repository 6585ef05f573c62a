"""moto's server whose clouds outlive it: `python kept_moto.py PORT FOLDER`, in moto's own environment.

What a request changed is on disk before its answer leaves. One request is served after the other, so that what is
kept is whole."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

from tests.rigs.fate import UNANSWERED, UNDONE, Fate

_ASKS = ("Describe", "Get", "List")


class Kept:
    """moto as a WSGI application, around which its data is kept."""

    def __init__(self, folder: Path) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._fate, self._lock = Fate(folder), threading.Lock()
        for service, account, region, backend in self._fate.kept() or ():
            dict.__setitem__(get_backend(service)[account], region, backend)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = b""
        if "CONTENT_LENGTH" in environ:  # read before others wait for it
            length = int(environ["CONTENT_LENGTH"] or 0)
            body = environ["wsgi.input"].read(length)
            if len(body) < length:  # whoever sent it is gone
                start_response("400 Bad Request", [])
                return []
            environ["wsgi.input"] = io.BytesIO(body)
        with self._lock:
            if not _changes(environ, body):
                unchanged: Iterable[bytes] = self._app(environ, start_response)
                return unchanged
            self._fate.at(UNDONE)
            answer: Iterable[bytes] = self._app(environ, start_response)
            clouds = [(one.service_name, *had) for one in BackendDict._instances for had in one.iter_backends()]
            self._fate.keep(clouds)
            self._fate.at(UNANSWERED)
            return answer


def _changes(environ: dict[str, Any], body: bytes) -> bool:
    """EC2 is asked by an action, in the address or the body; S3 by the method."""
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form")
    asked = parse_qs(environ["QUERY_STRING"]) | parse_qs(body.decode("latin-1") if form else "")
    if "Action" in asked:
        return not asked["Action"][0].startswith(_ASKS)
    return environ["REQUEST_METHOD"] not in ("GET", "HEAD")


if __name__ == "__main__":
    _, port, place = sys.argv
    run_simple("127.0.0.1", int(port), Kept(Path(place)), threaded=True, request_handler=MotoRequestHandler)
