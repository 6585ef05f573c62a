"""Packs a cloud-config document into user data that the cloud takes."""

from __future__ import annotations

import base64
import re
import zlib

from tfce.config.capabilities import Limit
from tfce.model import userdata as wire

_BASE64 = re.compile(rb"([A-Za-z0-9+/=]{200,})")


def pack(text: str, limit: Limit) -> bytes:
    """``text`` (ASCII) as user data: plain while that takes no more than half of the bound, else the smaller
    of plain and compressed. The result is ASCII, too; ``tfce.model.userdata`` knows when it stands for bytes."""
    plain = text.encode("ascii")
    # cloud-init takes user data that names this header near its start for a MIME message.
    is_plain = b"mime-version:" not in plain[:4096].lower()
    if is_plain and limit.measure(plain) <= limit.size // 2:
        return plain
    packed = _packed(plain, limit.binary and is_plain)
    return plain if is_plain and limit.measure(plain) <= limit.measure(packed) else packed


def compress(data: bytes) -> bytes:
    """What gzip makes of ``data``, without a time in it. Long base64, which wrappers are full of, gets blocks with
    codes of their own: about a twentieth less."""
    way = zlib.compressobj(9, zlib.DEFLATED, 31)
    *most, last = [part for part in _BASE64.split(data) if part] or [b""]
    return (
        b"".join(way.compress(part) + way.flush(zlib.Z_BLOCK) for part in most) + way.compress(last) + way.flush()
    )


def _packed(plain: bytes, binary: bool) -> bytes:
    compressed = compress(plain)
    return wire.packed(compressed).encode("ascii") if binary else _mime(compressed)


def _mime(compressed: bytes) -> bytes:
    """A multipart message whose one part is ``compressed``; base64 never looks like its boundary."""
    body = base64.b64encode(compressed)
    lines = (body[start : start + 960] for start in range(0, len(body), 960))
    return (
        b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=.="\n\n--=.=\n'
        b"Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n"
        + b"\n".join(lines)
        + b"\n--=.=--\n"
    )
