"""One login for all connections of a queue, and for all processes of a Terraform run."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from libcloud.common.openstack_identity import OpenStackServiceCatalog

_FILE = "tfce-login"
_BRIEF = 10  # seconds: a token that ends as soon is not shared any more


class SharedLogin:
    """A token and what came with it, in a file that is in memory only and ends with the process that made it. A
    token is a secret: it is on no disk, and only processes of the same user can open the file.

    ``place``: the file of another process, "" for one of our own. One that cannot be opened any more is no fault:
    then everybody logs in for himself. (libcloud's own cache does not hold the catalog: each connection would ask
    keystone for it.)
    """

    def __init__(self, place: str = "") -> None:
        self._file: FileIO | None = None
        with suppress(OSError):
            # hazard: when its process has died, another may have its number, and any file in its place
            if not place or str(Path(place).readlink()).startswith(f"/memfd:{_FILE}"):
                self._file = FileIO(place or os.memfd_create(_FILE), "r+")

    @property
    def place(self) -> str:
        """Where processes that we start find the file."""
        return f"/proc/{os.getpid()}/fd/{self._file.fileno()}" if self._file else ""

    def lend(self, connection: Any) -> None:
        """Let a connection of libcloud's that has no valid token use the one that is here."""
        known, identity = self._read(), connection.get_auth_class()
        if not known or known["who"] != _who(identity):
            return
        identity.auth_token, identity.urls, identity.auth_user_info = known["token"], known["urls"], known["user"]
        identity.auth_token_expires = datetime.fromisoformat(known["expires"])
        connection.auth_token, connection.auth_user_info = identity.auth_token, identity.auth_user_info
        connection.auth_token_expires = identity.auth_token_expires
        connection.service_catalog = OpenStackServiceCatalog(identity.urls, connection._auth_version)

    def keep(self, connection: Any) -> None:
        """Share what a connection got from keystone."""
        identity = connection.get_auth_class()
        if identity.auth_token and identity.auth_token_expires:
            facts = {"who": _who(identity), "token": identity.auth_token, "urls": identity.urls}
            facts["user"], facts["expires"] = identity.auth_user_info, identity.auth_token_expires.isoformat()
            self._write(json.dumps(facts, default=str))

    def forget(self, token: str | None) -> None:
        """The cloud does not take this token any more."""
        known = self._read()
        if known and known["token"] == token:
            self._write("")

    def _read(self) -> dict[str, Any] | None:
        # What another process is just writing is read as nothing.
        with suppress(OSError, ValueError, KeyError, TypeError):
            if self._file:
                number = self._file.fileno()
                known: dict[str, Any] = json.loads(os.pread(number, os.fstat(number).st_size, 0))
                left = datetime.fromisoformat(known["expires"]) - datetime.now(UTC)
                return known if left.total_seconds() > _BRIEF else None
        return None

    def _write(self, text: str) -> None:
        with suppress(OSError):
            if self._file:
                os.ftruncate(self._file.fileno(), 0)
                os.pwrite(self._file.fileno(), text.encode(), 0)


def _who(identity: Any) -> str:
    """Whose login it is: another user's or project's token is of no use."""
    names = ("auth_url", "user_id", "key", "tenant_name", "tenant_domain_id", "domain_name")
    text = json.dumps([type(identity).__name__, *(str(getattr(identity, name, "")) for name in names)])
    return hashlib.sha256(text.encode()).hexdigest()
