"""A certificate for one process: self-signed, for `localhost`, with a new key.

`cryptography` makes key and signature. Its X.509 and its formats are not used: to import them takes a quarter of
what the program needs to start, four times an apply, and this certificate always says the same.
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_SEQUENCE, _SET, _OID, _TRUE = 0x30, 0x31, 0x06, bytes((0x01, 0x01, 0xFF))
_INTEGER, _BITS, _OCTETS, _UTF8, _DNS_NAME = 0x02, 0x03, 0x04, 0x0C, 0x82
_FIRST, _SECOND, _FOURTH = 0xA0, 0xA1, 0xA3  # optional parts
_UTC_TIME, _TIME = 0x17, 0x18
_KEY, _CURVE, _SIGNED = "2a8648ce3d0201", "2a8648ce3d030107", "2a8648ce3d040302"  # id-ecPublicKey, P-256, ECDSA
_SIZE = 32  # bytes of one of the curve's numbers
_DAYS, _EARLIER = 30, timedelta(minutes=5)  # how long it is valid, and since when
_UNTIL_2050 = 2050  # years have two digits before, as RFC 5280 wants it


def certificate(now: datetime | None = None) -> tuple[bytes, bytes]:
    """A certificate (DER), and its private key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    numbers, algorithm = key.private_numbers(), _sequence(_oid(_SIGNED))
    both = (numbers.public_numbers.x, numbers.public_numbers.y)
    point = _bits(b"\4" + b"".join(one.to_bytes(_SIZE, "big") for one in both))
    said = _said(algorithm, point, now or datetime.now(UTC))
    signature = _bits(key.sign(said, ec.ECDSA(hashes.SHA256())))
    secret = _der(_OCTETS, numbers.private_value.to_bytes(_SIZE, "big"))
    private = _sequence(_der(_INTEGER, b"\1"), secret, _der(_FIRST, _oid(_CURVE)), _der(_SECOND, point))
    return _sequence(said, algorithm, signature), pem(private, "EC PRIVATE KEY")


def pem(der: bytes, what: str = "CERTIFICATE") -> bytes:
    """The same as text."""
    return f"-----BEGIN {what}-----\n{base64.encodebytes(der).decode()}-----END {what}-----\n".encode()


def _said(algorithm: bytes, point: bytes, now: datetime) -> bytes:
    """What is signed."""
    serial = bytes((0x40 | os.urandom(1)[0] & 0x3F,)) + os.urandom(15)  # positive, of 127 bits
    valid = _sequence(_time(now - _EARLIER), _time(now + timedelta(days=_DAYS)))
    name = _sequence(_der(_SET, _sequence(_oid("550403"), _der(_UTF8, b"localhost"))))
    authority = _sequence(_oid("551d13"), _TRUE, _der(_OCTETS, _sequence(_TRUE)))
    names = _sequence(_oid("551d11"), _der(_OCTETS, _sequence(_der(_DNS_NAME, b"localhost"))))
    public = _sequence(_sequence(_oid(_KEY), _oid(_CURVE)), point)
    version, extensions = _der(_FIRST, _der(_INTEGER, b"\2")), _der(_FOURTH, _sequence(authority, names))
    return _sequence(version, _der(_INTEGER, serial), algorithm, name, valid, name, public, extensions)


def _time(moment: datetime) -> bytes:
    if moment.year < _UNTIL_2050:
        return _der(_UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode())
    return _der(_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode())


def _bits(body: bytes) -> bytes:
    return _der(_BITS, b"\0" + body)


def _oid(encoded: str) -> bytes:
    return _der(_OID, bytes.fromhex(encoded))


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, *parts)


def _der(tag: int, *parts: bytes) -> bytes:
    """One value of ASN.1: what it is, how long, and itself."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
