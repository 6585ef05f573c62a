"""Gives a cloud's error the reason that its code stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tfce.model.errors import CloudError
from tfce.model.reasons import Kind, Reason

# What the transport below an API says: libcloud's, and Go's in Terraform's providers. No API code comes with it.
_TRANSPORT = re.compile(
    r"connection refused|connection reset|i/o timeout|\bEOF\b|no such host|network is unreachable|no route to host"
    r"|TLS handshake timeout|context deadline exceeded|Client\.Timeout exceeded|timed? ?out"
)
# What HTTP's status says where the words say nothing: after a 5xx nobody knows what was done.
_STATUS = {
    **dict.fromkeys(("413", "429"), Kind.THROTTLED),
    **dict.fromkeys(("408", "500", "502", "503", "504"), Kind.UNREACHABLE),
}
_VAGUE = (Kind.UNCLASSIFIED, Kind.AUTHENTICATION)  # libcloud takes every 403 for wrong credentials


def silent(text: str) -> bool:
    """Whether ``text`` says that no answer came, so that nobody knows what the cloud did."""
    return _TRANSPORT.search(text) is not None


@contextmanager
def explained(asking: str, read: Callable[[str], Reason]) -> Iterator[None]:
    """Let ``read`` say what an error of the cloud's means, where libcloud does not know."""
    try:
        yield
    except CloudError as error:
        if error.reason.kind not in _VAGUE:
            raise
        found = read(error.said or error.problem)
        if found.kind is Kind.UNCLASSIFIED and error.reason.code in _STATUS:
            kind = _STATUS[error.reason.code]
            raise CloudError(error.problem, reason=replace(error.reason, kind=kind)) from None
        if found.kind is Kind.UNCLASSIFIED and not found.code:
            raise
        if found.kind is Kind.UNCLASSIFIED and error.reason.kind is not Kind.UNCLASSIFIED:
            raise
        raise CloudError(error.problem, reason=found) from None
