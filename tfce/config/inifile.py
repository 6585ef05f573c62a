"""An ini file that holds logins: its owner's alone, and taken literally."""

from __future__ import annotations

import configparser
from pathlib import Path

from tfce.config import trust

_MARK = "\ufeff"  # what some editors write before UTF-8


class UnreadError(Exception):
    """The file cannot be read, or must not be believed: the problem and the cure."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.problem, self.cure = problem, cure


def parsed(path: Path, example: str, *, exact: bool = False) -> configparser.RawConfigParser:
    """The sections of ``path``; ``%`` and ``$`` mean themselves. ``example``: what to write where there is none;
    ``exact``: names keep their case. Raises ``UnreadError``, and ``configparser.Error`` and ``UnicodeDecodeError``
    for what is no ini file."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=None)
    if exact:
        parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(trust.read(path, private=True).removeprefix(_MARK))
    except trust.DistrustError as error:
        raise UnreadError(error.of(path), error.cure) from None
    except OSError as error:
        cure = f"write {example}; the file is to be of the user who runs tfce, with rights 600"
        raise UnreadError(f"cannot be read ({error.strerror})", cure) from None
    return parser


def unquoted(value: str) -> str:
    """A value without the quotes around it."""
    value = value.strip()
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'" else value
