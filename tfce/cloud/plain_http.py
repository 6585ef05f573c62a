"""A single request to a server that is no cloud, through the same boundary: what it answered, and its time."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from tfce.cloud import clean
from tfce.cloud.http import BoundaryError, Bounds, LastAnswer, bounded
from tfce.cloud.limits import RequestLimits
from tfce.cloud.retries import Budget
from tfce.model.errors import BackendError, shorten

_LIMITS = RequestLimits(seconds=10, size=2**20, repeats=0)


def ask(method: str, url: str, login: tuple[str, str] | None = None, body: str = "") -> LastAnswer:
    """What the server said to one request, whose answer's text nobody reads; ``body``: JSON. Raises
    ``BackendError`` where none came."""
    last, parts = LastAnswer(), urlsplit(url)
    kind = bounded(Bounds(_LIMITS, Budget(), last, lambda *_: method, lambda *_: False))
    try:
        is_secure = parts.scheme == "https"
        connection = kind(parts.hostname, parts.port or (443 if is_secure else 80), secure=is_secure)
        connection.request(method, parts.path or "/", body=body or None, headers=_headers(login, body))
    except (BoundaryError, OSError, ValueError) as error:
        problem = f"{parts.scheme}://{parts.hostname} does not answer: {clean.line(shorten(str(error)))}"
        raise BackendError(problem, getattr(error, "cure", "")) from None
    return last


def _headers(login: tuple[str, str] | None, body: str) -> dict[str, str]:
    # A server that takes it for a form finds no lock's ID in it, and breaks whichever lock there is.
    kind = {"Content-Type": "application/json"} if body else {}
    text = ":".join(login).encode() if login else b""
    return kind | ({"Authorization": f"Basic {base64.b64encode(text).decode()}"} if login else {})
