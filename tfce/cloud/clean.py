"""Text from a cloud, made fit for terminals, logs and files: once, where it enters.

A VM's name is text that somebody chose. Unchecked it could steer the operator's terminal or forge a line in
DIRAC's log. Half a character could stop a program that writes UTF-8.
"""

from __future__ import annotations

import re

# ECMA-48: control sequences, strings up to their end (bounded: a start without an end eats no console), the rest.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\n]{0,256}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]{0,8}[0-~]"
)
_BLANKS = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")
# Controls, marks that reorder or hide text, halves of characters.
_HARMFUL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_HARMFUL_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_IDENTITY = re.compile(r"[A-Za-z0-9_./][\w.:@/+()~=,%-]{0,511}", re.ASCII)


def line(text: str) -> str:
    """``text`` as one line: no terminal escapes, no control characters, no lone surrogates."""
    return _HARMFUL.sub("?", _BLANKS.sub(" ", _ESCAPES.sub("", text)))


def text(text: str) -> str:
    """``text`` of several lines: as ``line``, with its newlines and tabs."""
    return _HARMFUL_IN_TEXT.sub("?", re.sub(r"\r+\n?", "\n", _ESCAPES.sub("", text)))


def is_identity(value: str) -> bool:
    """Whether ``value`` can be the id of a VM: it becomes part of references, addresses and messages."""
    return bool(_IDENTITY.fullmatch(value)) and ".." not in value
