"""Reading user data as cloud-init does."""

from __future__ import annotations

import base64
import email
import gzip
from collections.abc import Callable
from email.message import Message
from typing import Any

import yaml

from tfce.model import userdata as wire

_FORMS: dict[str, Callable[[str], bytes]] = {
    "": str.encode,
    "b64": base64.b64decode,
    "gz+b64": lambda text: gzip.decompress(base64.b64decode(text)),
}


def plain(text: str) -> str:
    """User data without its packing."""
    arrives = wire.as_bytes(text)
    text = (gzip.decompress(arrives) if wire.is_packed(text) else arrives).decode("ascii")
    if not text.startswith("MIME-Version"):
        return text
    (part,) = email.message_from_string(text).get_payload()  # type: ignore[str-unpack]
    assert isinstance(part, Message) and part.get_content_type() == "application/gzip"
    packed = part.get_payload(decode=True)
    assert isinstance(packed, bytes)
    return gzip.decompress(packed).decode("ascii")


def document(text: str) -> dict[str, Any]:
    """What cloud-init makes of it."""
    text = plain(text)
    assert text.startswith("#cloud-config\n")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def content(entry: dict[str, Any]) -> bytes:
    """The content of an entry of ``write_files``."""
    return _FORMS[entry.get("encoding", "")](entry["content"])


def files(text: str) -> dict[str, tuple[str, bytes]]:
    """The files that user data writes: path -> (permissions, content)."""
    entries = document(text)["write_files"]
    return {entry["path"]: (str(entry.get("permissions", "")), content(entry)) for entry in entries}
