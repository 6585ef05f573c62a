"""Reading user data as cloud-init does."""

from __future__ import annotations

import base64
import email
import gzip
from typing import Any

import yaml

from tfce.model import userdata as wire


def files(text: str) -> dict[str, tuple[str, bytes]]:
    """The files that user data writes: path -> (permissions, content)."""
    return {entry["path"]: (str(entry.get("permissions", "")), _content(entry)) for entry in _entries(text)}


def _entries(text: str) -> list[dict[str, Any]]:
    if wire.is_packed(text):
        text = gzip.decompress(wire.as_bytes(text)).decode()
    if not text.startswith("#cloud-config"):
        (part,) = email.message_from_string(text).get_payload()
        text = gzip.decompress(part.get_payload(decode=True)).decode()
    return list(yaml.safe_load(text)["write_files"])


def _content(entry: dict[str, Any]) -> bytes:
    content, encoding = entry.get("content", ""), entry.get("encoding", "")
    if not encoding:
        return str(content).encode()
    data = base64.b64decode(content)
    return gzip.decompress(data) if encoding.startswith("gz") else data
