"""Names under which API calls are counted."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ID = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}(?=/|$)|/[0-9a-f]{32}(?=/|$)")


def plain_call(method: str, url: str) -> str:
    """A REST call without what differs from one to the next: ``GET /servers/ID``."""
    path = _ID.sub("/ID", urlsplit(url).path)
    return f"{method.upper()} {re.sub(r'^/v[0-9][^/]*(/ID)?(?=/|$)', '', path) or '/'}"
