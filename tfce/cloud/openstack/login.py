"""One login for all connections of a queue."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from libcloud.common.openstack_identity import OpenStackServiceCatalog

from tfce.model.redact import learn

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BRIEF = 10  # seconds: a token that ends as soon is not shared any more


@dataclass(frozen=True)
class _Known:
    """A token and what came with it."""

    token: str
    expires: datetime
    urls: Any
    user: Any


class SharedLogin:
    """A token and what came with it, for the connections of one login in this process. A token is a secret: it is
    nowhere but in memory. (libcloud's own cache does not hold the catalog: each connection would ask keystone for
    it.)"""

    def __init__(self) -> None:
        self._known: _Known | None = None
        self.project = ""  # its id, as keystone says it
        self._untried = threading.Lock()

    def heard(self, answer: Any) -> None:
        """What keystone answered to a login: whose project it is."""
        with suppress(ValueError, KeyError, TypeError):
            project = answer.json()["token"]["project"]["id"]
            if isinstance(project, str) and _ID.fullmatch(project):
                self.project = project

    def first_server(self) -> bool:
        """Whether nobody has looked yet whether nova keeps the metadata of a server; true once."""
        return self._untried.acquire(blocking=False)

    def dropped_metadata(self) -> None:
        """Nova does not: the next server is to be looked at, too."""
        self._untried.release()

    def lend(self, connection: Any) -> None:
        """Let a connection of libcloud's that has no valid token use the one that is here."""
        known, identity = self._known, connection.get_auth_class()
        if known is None or (known.expires - datetime.now(UTC)).total_seconds() < _BRIEF:
            return
        identity.auth_token, identity.urls, identity.auth_user_info = known.token, known.urls, known.user
        identity.auth_token_expires = known.expires
        connection.auth_token, connection.auth_user_info = identity.auth_token, identity.auth_user_info
        connection.auth_token_expires = identity.auth_token_expires
        connection.service_catalog = OpenStackServiceCatalog(identity.urls, connection._auth_version)

    def keep(self, connection: Any) -> None:
        """Share what a connection got from keystone."""
        identity = connection.get_auth_class()
        learn(str(identity.auth_token or ""))
        if identity.auth_token and identity.auth_token_expires:
            self._known = _Known(
                identity.auth_token, identity.auth_token_expires, identity.urls, identity.auth_user_info
            )

    def forget(self, token: str | None) -> None:
        """The cloud does not take this token any more."""
        if self._known and self._known.token == token:
            self._known = None
