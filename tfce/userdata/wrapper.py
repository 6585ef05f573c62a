"""The pilot wrapper, and what it brings along. DIRAC puts files into it as base64 of what bzip2 made of them."""

from __future__ import annotations

import base64
import binascii
import bz2
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from tfce.config import trust
from tfce.model.errors import ConfigError

_BLOB = re.compile(rb"[A-Za-z0-9+/]{200,}={0,2}")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
_MOST = 2**20  # bytes of one file looked at
_LARGEST = 16 * 2**20  # bytes; no user data holds a wrapper of that size, however well it packs


def wrapper_of(path: Path, option: str, regular: bool = True) -> bytes:
    """The wrapper at ``path``, which ``option`` names; not ``regular``: a pipe, too. Raises ``ConfigError``."""
    cure = "name the pilot wrapper's file"
    try:
        data = trust.read_given(path, _LARGEST, regular)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(option, str(path), f"cannot be read: {reason}", cure) from None
    if not data:
        raise ConfigError(option, str(path), "is empty: the VM would have nothing to run", cure)
    return data


def brings_proxy(wrapper: bytes) -> bool:
    """Whether a private key is in the wrapper, as text or packed: then the pilot has a proxy without us."""
    return any(_KEY.search(text) for text in _texts(wrapper))


def _texts(wrapper: bytes) -> Iterator[bytes]:
    yield wrapper
    for blob in _BLOB.findall(wrapper):
        try:
            data = base64.b64decode(blob)
        except binascii.Error:
            continue
        yield _unpacked(data)


def _unpacked(data: bytes) -> bytes:
    try:
        if data.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(data, _MOST)
        if data.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(data, _MOST)
    except (OSError, EOFError, zlib.error):
        return b""
    return data
