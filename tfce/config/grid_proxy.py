"""The file of a grid proxy that a cloud is to be shown.

It is looked at before: whoever opens it later blames the cloud, or asks a terminal for its pass phrase.
"""

from __future__ import annotations

import re
import ssl
from datetime import datetime
from pathlib import Path

from tfce.config import trust
from tfce.config.inifile import UnreadError

_MOST = 2**20  # bytes
_NEW = "make a new one: voms-proxy-init, or dirac-proxy-init"
_ANOTHERS = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")  # OpenSSL's words
_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")


def check(path: Path, now: datetime) -> None:
    """Whether ``path`` has certificates, all of them valid ``now``, and the key of the first. Raises
    ``UnreadError`` with problem and cure."""
    text = _text(path)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise UnreadError("has no certificate in PEM", _NEW)
    if not _KEY.search(text):
        raise UnreadError("has no private key", "name the proxy itself: it has certificate, key and issuers")
    for begin, end in _times(text):
        if now < begin:
            raise UnreadError(f"is valid from {begin:%F %T} UTC only", "synchronise the host's clock, or wait")
        if now >= end:
            raise UnreadError(f"ended at {end:%F %T} UTC", _NEW)
    _paired(path)


def _text(path: Path) -> str:
    try:
        return trust.read(path, private=True, most=_MOST)
    except trust.DistrustError as error:
        raise UnreadError(error.of(path), error.cure) from None
    except OSError as error:
        raise UnreadError(f"cannot be read ({error.strerror})", _NEW) from None
    except UnicodeDecodeError:
        raise UnreadError("is not text: PEM is wanted", _NEW) from None


def _times(text: str) -> list[tuple[datetime, datetime]]:
    """From when to when each certificate is valid."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        found = load_pem_x509_certificates(text.encode())
    except ValueError:
        raise UnreadError("has a certificate that cannot be read", _NEW) from None
    return [(one.not_valid_before_utc, one.not_valid_after_utc) for one in found]


def _paired(path: Path) -> None:
    def refuse() -> str:
        raise UnreadError("has a key with a pass phrase", "give it one without: openssl pkey, or a new proxy")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, password=refuse)
    except ssl.SSLError as error:
        mismatch = error.reason in _ANOTHERS
        problem = "has a key that is not its first certificate's" if mismatch else "has a key that cannot be read"
        raise UnreadError(problem, _NEW) from None
    except OSError as error:
        raise UnreadError(f"cannot be read ({error.strerror})", _NEW) from None
