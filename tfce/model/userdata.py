"""How user data travels as text: plain, or, where a cloud takes bytes, as base64 of gzip's output. Pure."""

from __future__ import annotations

import base64

_GZIP = "H4sI"  # how base64 of gzip's output begins; no cloud-config and no MIME message does


def packed(compressed: bytes) -> str:
    """The text for what gzip made."""
    return base64.b64encode(compressed).decode("ascii")


def is_packed(text: str) -> bool:
    """Whether ``text`` stands for bytes."""
    return text.startswith(_GZIP)


def as_base64(text: str) -> str:
    """What an API that wants base64 is given."""
    return text if is_packed(text) else base64.b64encode(text.encode()).decode("ascii")


def as_bytes(text: str) -> bytes:
    """What arrives on the VM."""
    return base64.b64decode(text) if is_packed(text) else text.encode()
