"""What Terraform's http backend does not do: remove a state, and break the one lock that is named."""

from __future__ import annotations

import json
from http import HTTPStatus

from tfce.config.backends import Backend
from tfce.model.errors import BackendError

_ANOTHERS = (HTTPStatus.CONFLICT, HTTPStatus.LOCKED)


def remove(backend: Backend, state: str) -> str:
    """Remove a state; "", or why it stays."""
    try:
        status = _asked(backend, "DELETE", state)
    except BackendError as error:
        return error.message
    return "" if status < HTTPStatus.BAD_REQUEST else f"the server answered {status}"


def unlock(backend: Backend, state: str, ident: str) -> bool:
    """Break the lock ``ident``, and no other that was taken meanwhile: `force-unlock` does not say which it means.
    Whether the server understood that."""
    method = str(backend.arguments.get("unlock_method", "UNLOCK"))
    try:
        status = _asked(backend, method, f"{state}/lock", json.dumps({"ID": ident}))
    except BackendError:
        return False
    return status < HTTPStatus.BAD_REQUEST or status in _ANOTHERS


def _asked(backend: Backend, method: str, path: str, body: str = "") -> int:
    from tfce.cloud import plain_http  # which brings libcloud along

    known = backend.environment
    login = known.get("TF_HTTP_USERNAME", ""), known.get("TF_HTTP_PASSWORD", "")
    return plain_http.ask(method, f"{backend.address}/{path}", login if any(login) else None, body).status
