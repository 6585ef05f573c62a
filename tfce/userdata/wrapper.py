"""The pilot wrapper, and what it brings along. DIRAC puts files into it as base64 of what bzip2 made of them."""

from __future__ import annotations

import base64
import binascii
import bz2
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from tfce.config import trust
from tfce.model.errors import ConfigError

_BLOB = re.compile(rb"[A-Za-z0-9+/]{200,}={0,2}")
_LINES = re.compile(rb"^(?:[A-Za-z0-9+/]{60,76}\r?\n)+[A-Za-z0-9+/]*={0,2}", re.MULTILINE)  # as base64(1) has it
_ARCHIVE = re.compile(rb"BZh[1-9]1AY&SY|\x1f\x8b\x08|\xfd7zXZ\x00")  # bytes behind a script, as makeself has them
_ARCHIVES = 8  # of one wrapper that are looked into
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
    for found in islice(_ARCHIVE.finditer(wrapper), _ARCHIVES):
        yield _unpacked(wrapper[found.start() :])
    for blob in (*_BLOB.findall(wrapper), *_LINES.findall(wrapper)):
        yield _unpacked(_decoded(b"".join(blob.split())))


def _decoded(blob: bytes) -> bytes:
    for text in (blob, blob[: len(blob) // 4 * 4]):  # a word behind the last line, such as EOF, may be with it
        with suppress(binascii.Error):
            return base64.b64decode(text)
    return b""


def _unpacked(data: bytes) -> bytes:
    try:
        if data.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(data, _MOST)
        if data.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(data, _MOST)
        if data.startswith(b"\xfd7zXZ"):
            return lzma.LZMADecompressor(memlimit=2**26).decompress(data, _MOST)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return b""
    return data
