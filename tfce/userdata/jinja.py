"""Templates that cloud-init renders on the VM before it reads them as YAML.

tfce reads them as YAML first, and writes them again. What is checked here is that cloud-init finds the same
expressions, and that it can render them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tfce.userdata.sources import fault

if TYPE_CHECKING:
    from jinja2 import Environment

HEAD = "## template: jinja"
_ENDS = {"variable_begin": "variable_end", "block_begin": "block_end", "raw_begin": "raw_end"}
_SPARE = ("whitespace", "data", "comment", "linecomment")
YAML_FIRST = "correct that line; tfce reads the template as YAML first: {{ }}, {% %} and {# #} stand within quotes"

_KEPT = (
    "write expressions outside of comments and keys, with ' and not \" or \\ in them, and in the same text no "
    "letter beyond ASCII and no blank at the end of a line"
)
_CURE = f"correct it, put it between {{% raw %}} and {{% endraw %}}, or take the line `{HEAD}` out"


def heads(text: str) -> bool:
    """Whether cloud-init renders a document that begins like ``text``."""
    return text.lstrip().lower().startswith(HEAD)


def check(file: Path, text: str, written: str, taken: Iterable[tuple[Path, str]] = ()) -> None:
    """Raises ``ConfigError``, with file, line and cure, where the template ``text``, or what it has ``taken`` from
    other files, is no jinja, or ``written``, which tfce makes of both, has not all of its expressions."""
    wanted = [(source, _marks(source, said)) for source, said in ((file, text), *taken)]
    there = _marks(file, written, " of tfce's own form of it")
    for source, marks in wanted:
        for mark, line in marks.items():
            if mark not in there:
                problem = f"line {line}: the VM would not get {mark!a:.80}, as tfce writes the template anew"
                raise fault(source, problem, _KEPT)


def _marks(file: Path, text: str, what: str = "") -> Mapping[str, int]:
    """Each expression and statement, in one form, and the line where it begins."""
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        _environment().compile(text, raw=True)
    except TemplateError as error:
        line = f"line {error.lineno}{what}: " if isinstance(error, TemplateSyntaxError) else ""
        cure = _KEPT if what else _CURE
        raise fault(file, f"{line}is not valid jinja: {error.message}", cure) from None
    marks: dict[str, int] = {}
    words: list[str] = []
    start, end = 0, ""
    for place, kind, word in _environment().lex(text):
        if kind in _ENDS:
            words, start, end = [], place, _ENDS[kind]
        if end and kind not in _SPARE:
            words.append(word.strip())
        if kind == end:
            marks.setdefault(" ".join(words), start)
            end = ""
    return marks


@cache
def _environment() -> Environment:
    """Reads what cloud-init reads."""
    from jinja2 import Environment

    return Environment(trim_blocks=True, extensions=["jinja2.ext.do"])  # noqa: S701 - renders nothing
