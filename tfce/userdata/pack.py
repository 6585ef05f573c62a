"""Packing a cloud-config document into the user data a cloud will take."""

from __future__ import annotations

import base64
import gzip

from tfce.config.capabilities import Limit


def pack(text: str, limit: Limit) -> bytes:
    """``text`` (ASCII) as user data: plain while that takes no more than half of the bound, else the smaller
    of plain and compressed."""
    plain = text.encode("ascii")
    # cloud-init takes user data that names this header near its start for a MIME message.
    is_plain = b"mime-version:" not in plain[:4096].lower()
    if is_plain and limit.measure(plain) <= limit.size // 2:
        return plain
    packed = _mime(gzip.compress(plain, mtime=0))
    return plain if is_plain and len(plain) <= len(packed) else packed


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
