"""What is secret never reaches a log, journal, console file, terminal, error text or DIRAC. Pure.

One redactor for all of them. It knows each secret of this process, in every spelling that a cloud or a client
gives it, and what looks like one: PEM blocks, tokens, what stands after ``password`` or ``root:``, long base64.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import quote, quote_plus

from tfce.model import fork

HIDDEN = "****"
_SHORTEST = 4  # characters of a secret; a shorter text would hide every other word
_KEPT = 256  # secrets of a process that are remembered: tokens change
_known: dict[str, tuple[str, ...]] = {}
_lock = fork.Lock()


def learn(*secrets: str) -> None:
    """From now on these are hidden wherever this process shows a text."""
    with _lock:
        for secret in secrets:
            if len(secret) >= _SHORTEST:  # what is learned again is as new: tokens must not push a password out
                _known[secret] = _known.pop(secret, ()) or spellings(secret)
        for oldest in list(_known)[:-_KEPT]:
            del _known[oldest]


def forget() -> None:
    """No secret is known any more."""
    with _lock:
        _known.clear()


def redacted(text: str, secrets: Iterable[str] = (), strict: bool = False) -> str:
    """``text`` without ``secrets``, the secrets of this process, and what looks like one. ``strict``: for what any
    program may have printed, rather a word too many."""
    more = [spelling for secret in secrets if len(secret) >= _SHORTEST for spelling in spellings(secret)]
    with _lock:
        more += [spelling for known in _known.values() for spelling in known]
    for spelling in sorted(set(more), key=len, reverse=True):
        text = text.replace(spelling, HIDDEN)
    return suspected(text, strict)


def within(value: Any) -> Any:
    """A value for JSON with every text in it redacted."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: within(one) for key, one in value.items()}
    return [within(one) for one in value] if isinstance(value, list | tuple) else value


def spellings(secret: str) -> tuple[str, ...]:
    """A secret as URLs, JSON, XML and base64 (wherever it stands in what was encoded) have it."""
    raw = secret.encode("utf-8", "surrogatepass")
    urls = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    urls |= {re.sub("%..", lambda found: found.group().lower(), url) for url in urls}
    texts = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    encoded = {text for offset in range(3) for text in _encoded(raw, offset)}
    found = {*urls, *texts, html.escape(secret), *encoded, *(quote(text, safe="") for text in encoded)}
    return tuple(sorted(filter(None, found), key=len, reverse=True))


def _encoded(raw: bytes, offset: int) -> tuple[str, ...]:
    """What is sure to be in the base64 of any text that has ``raw`` after ``offset`` bytes (of three)."""
    text = base64.b64encode(bytes(offset) + raw).decode()
    end = (offset + len(raw)) * 8 // 6  # sextets that ``raw`` alone decides
    sure = text[-(-offset * 8 // 6) : end]
    return (sure, sure.replace("+", "-").replace("/", "_")) if len(sure) >= 2 * _SHORTEST else ()


# -- what looks like one -----------------------------------------------------------------------------------

_PEM = re.compile(r"-----BEGIN [^\n]*?-----.*?(?:-----END [^\n]*?-----|\Z)", re.DOTALL)
_PEM_END = re.compile(r"\A.*-----END [^\n]*?-----", re.DOTALL)  # its beginning is out of sight
_WORDS = (
    r"(?:token|secret|passw(?:or)?d|passphrase|passcode|pwd|credential|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|signature|authorization|cookie)"
)
_VALUE = r"(\"[^\"\n]*\"|'[^'\n]*'|(?:(?:bearer|basic)[ \t]+)?[^\s,;&\"']+)"
_NAMED = re.compile(rf"({_WORDS}[\w.-]{{0,40}}[\"']?[ \t]*[=:][ \t]*){_VALUE}", re.IGNORECASE)
_SPOKEN = re.compile(r"(\b(?:password|passwd|passphrase)[ \t]+)([^\s,;:='\"]+)", re.IGNORECASE)
_ACCOUNT = re.compile(
    r"(\b(?:root|admin|ubuntu|debian|centos|rocky|almalinux|fedora|cloud-user|ec2-user):)(\S{4,})"
)
_BEARER = re.compile(r"\b(bearer|basic)[ \t]+[\w.~+/=-]{16,}", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^\s/@]+@")
_TOKEN = re.compile(r"\beyJ[\w-]+(?:\.[\w-]+)*|\bA[KS]IA[0-9A-Z]{12,}|\bgAAAA[\w-]{16,}={0,2}")
_HEX = re.compile(r"\b[0-9a-fA-F]{32,}\b")
_UNIT = r"(?:[\w+/-]|%[0-9A-Fa-f]{2}|\\/|\\u00[0-9a-fA-F]{2})"
_RUN = re.compile(rf"{_UNIT}{{40,}}={{0,2}}", re.ASCII)
_HARMLESS = re.compile(r"|[0-9]{1,6}|true|false|none|null|yes|no|proxy|\(?sensitive.*|\*+", re.IGNORECASE)
_CODE = re.compile(r"(?:Invalid|Expired|Missing|Unknown|Incomplete|Malformed)\w*$")


def suspected(text: str, strict: bool = False) -> str:
    """``text`` without PEM blocks, logins in URLs, values of things called token, password …, and long runs of
    base64; ``strict``: nor of hexadecimal digits (which are the names of projects elsewhere)."""
    text = _PEM_END.sub(HIDDEN, _PEM.sub(HIDDEN, text))
    text = _ACCOUNT.sub(_unless_owner, _NAMED.sub(_value_of, text))
    text = _SPOKEN.sub(_unless_prose, text)
    text = _TOKEN.sub(HIDDEN, _LOGIN.sub(f"{HIDDEN}@", _BEARER.sub(rf"\1 {HIDDEN}", text)))
    return _RUN.sub(_unless_words, _HEX.sub(HIDDEN, text) if strict else text)


def _value_of(found: re.Match[str]) -> str:
    name, value = found.groups()
    before = found.string[max(found.start() - 40, 0) : found.start()]
    if _HARMLESS.fullmatch(value.strip("\"'")) or (
        name.rstrip().endswith(":") and _CODE.search(before + name[:5])
    ):
        return found.group()
    mark = value[0] if value[0] in "\"'" else ""
    return f"{name}{mark}{HIDDEN}{mark}"


def _unless_owner(found: re.Match[str]) -> str:
    return found.group() if re.match(r"root\b|/|\*", found.group(2)) else f"{found.group(1)}{HIDDEN}"


def _unless_prose(found: re.Match[str]) -> str:
    return found.group() if re.fullmatch(r"[a-z]{1,16}[.)]?|\*+", found.group(2)) else f"{found.group(1)}{HIDDEN}"


def _unless_words(found: re.Match[str]) -> str:
    run = found.group()
    mixed = all(re.search(kind, run) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return HIDDEN if mixed and _changes(run) > 0.25 else run


def _changes(run: str) -> float:
    """How often lower case, upper case and digits take turns: often in base64, seldom in words and paths."""
    kinds = [one.isdigit() + 2 * one.isupper() for one in run if one.isalnum()]
    return sum(a != b for a, b in pairwise(kinds)) / len(kinds)


# -- logs --------------------------------------------------------------------------------------------------


class Redacting(logging.Filter):
    """Redact a record whole, whoever handles it after this."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
        return True


# What else speaks in this process: requests, and who sends them.
_SPEAKERS = ("tfce", "urllib3.connectionpool", "urllib3.util.retry", "requests", "libcloud")


def guard_logs() -> None:
    """Put the redactor before every handler, of tfce's log and of its clients'."""
    for name in _SPEAKERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, Redacting) for one in logger.filters):
            logger.addFilter(Redacting())
