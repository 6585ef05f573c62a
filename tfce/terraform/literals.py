"""Reads variables that somebody else wrote: literals only. Refuses expressions, blocks and all else that Terraform
would evaluate. Pure."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\n]*|//[^\n]*)
    |(?P<text>"(?:[^"\\\x00-\x1f\x7f]|\\.)*")
    |(?P<number>-?\d{1,12}(?![\w.]))
    |(?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    |(?P<mark>[=\[\]{},:])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|\$\$\{|%%\{|\$\{|%\{", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_WORDS = {"null": None, "true": True, "false": False}
_DEPTH = 4

Token = tuple[str, str, int]  # kind, text, line


def read(text: str) -> dict[str, Any]:
    """The variables in ``text``: texts, whole numbers, truths, nulls, lists and maps. Raises ``ValueError`` that
    names the line of anything else."""
    tokens = _Tokens(text)
    found: dict[str, Any] = {}
    while tokens.kind:
        line, name = tokens.line, tokens.take("name")
        if name in found:
            raise ValueError(f"line {line}: {name} is set twice")
        tokens.mark("=")
        found[name] = _value(tokens, 0)
        if tokens.kind and tokens.line == tokens.before:
            raise tokens.unfit("a new line")
    return found


def _value(tokens: _Tokens, depth: int) -> Any:
    if depth > _DEPTH:
        raise ValueError(f"line {tokens.line}: is nested too deep")
    if tokens.kind == "text":
        return _decoded(tokens.take("text"), tokens.before)
    if tokens.kind == "number":
        return int(tokens.take("number"))
    if tokens.kind == "name" and tokens.text in _WORDS:
        return _WORDS[tokens.take("name")]
    if tokens.text == "[":
        return _list(tokens, depth)
    if tokens.text == "{":
        return _map(tokens, depth)
    raise tokens.unfit("a text, a number, a list or a map")


def _list(tokens: _Tokens, depth: int) -> list[Any]:
    found = []
    tokens.mark("[")
    while tokens.text != "]":
        found.append(_value(tokens, depth + 1))
        if tokens.text != "]":
            tokens.mark(",")
    tokens.mark("]")
    return found


def _map(tokens: _Tokens, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    tokens.mark("{")
    while tokens.text != "}":
        is_text = tokens.kind == "text"
        key = _decoded(tokens.take("text"), tokens.before) if is_text else tokens.take("name")
        if key in found:
            raise ValueError(f"line {tokens.before}: {key} is set twice")
        tokens.mark("=")
        found[key] = _value(tokens, depth + 1)
        if tokens.text == ",":
            tokens.mark(",")
        elif tokens.text != "}" and tokens.line == tokens.before:
            raise tokens.unfit(", or a new line")
    tokens.mark("}")
    return found


def _decoded(literal: str, line: int) -> str:
    def meant(found: re.Match[str]) -> str:
        whole, code = found[0], found[1]
        if code and code[0] in "uU" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code in _PLAIN:
            return _PLAIN[code]
        if whole in ("$${", "%%{"):
            return whole[1:]
        raise ValueError(f"line {line}: {whole} is evaluated by Terraform; only plain texts are taken")

    try:
        decoded = _ESCAPE.sub(meant, literal[1:-1])
        decoded.encode()
    except (UnicodeEncodeError, OverflowError):
        raise ValueError(f"line {line}: holds no character") from None
    return decoded


class _Tokens:
    """The tokens of a text, one ahead; ``before``: the line of the last one that was taken."""

    def __init__(self, text: str) -> None:
        self._source, self._at, self.before = text, 0, 0
        self.kind, self.text, self.line = "", "", 1
        self._advance()

    def _advance(self) -> None:
        while self._at < len(self._source):
            found = _TOKEN.match(self._source, self._at)
            line = self._source.count("\n", 0, self._at) + 1
            if found is None:
                raise ValueError(f"line {line}: {self._source[self._at : self._at + 20]!r} is no literal")
            self._at = found.end()
            if found.lastgroup != "space":
                self.kind, self.text, self.line = found.lastgroup or "", found[0], line
                return
        self.kind, self.text = "", ""

    def take(self, kind: str) -> str:
        """The token's text, if it is of this kind; then the next one is looked at."""
        if self.kind != kind:
            raise self.unfit(f"a {kind}")
        text, self.before = self.text, self.line
        self._advance()
        return text

    def mark(self, text: str) -> None:
        """Take this mark."""
        if self.text != text or self.kind != "mark":
            raise self.unfit(text)
        self.take("mark")

    def unfit(self, wanted: str) -> ValueError:
        """The error of another token than the wanted one."""
        there = repr(self.text[:40]) if self.kind else "the end"
        return ValueError(f"line {self.line}: {there} stands where {wanted} should be")
