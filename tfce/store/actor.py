"""Who is at work: for the journal, so that it tells whose cycle did what."""

from __future__ import annotations

import functools
import os
import pwd
import socket
import sys
from contextvars import ContextVar
from pathlib import Path

doing: ContextVar[str] = ContextVar("doing", default="")  # the verb or command that is under way


@functools.cache
def _fixed(pid: int) -> dict[str, str | int]:
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)  # a container's user need not have a name
    return {"user": user, "host": socket.gethostname(), "pid": pid, "program": Path(sys.argv[0]).name or "python"}


def actor() -> dict[str, str | int]:
    """``user``, ``host``, ``pid`` and ``program`` (``tfce``, or what runs SiteDirector) of this process."""
    return dict(_fixed(os.getpid()))
