"""A cloud-init template: read from one file or a folder of pieces, checked, as plain data.

Beyond cloud-config itself a template may hold ``{from: NAME}`` wherever a string may stand: the text of that
file, looked for beside the template, then among tfce's own templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tfce.config.data import data_path
from tfce.userdata import jinja
from tfce.userdata.dump import dumped
from tfce.userdata.sources import fault, named, pieces, taken, text_of

EXECUTABLE = "EXECUTABLE_STR"
PROXY = "PROXY_STR"
STAMP = "STAMP_STR"
STAMP_RULE = "STAMPRULE_STR"

_LISTS = ("write_files", "runcmd", "bootcmd", "packages")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Template:
    """``document``: a cloud-config as data, placeholders still in it. ``jinja``: cloud-init renders it again
    on the VM, so nothing that has to survive may stand in it as text."""

    document: dict[str, Any]
    jinja: bool


def load(path: Path | None) -> Template:
    """The template at ``path`` (None: tfce's own). Raises ConfigError with file, line and reason."""
    top = path or data_path("templates") / "default"
    texts = {file: text_of(file) for file in pieces(top)}
    rendered = any(jinja.heads(text) for text in texts.values())
    merged: dict[str, Any] = {}
    for file, text in texts.items():
        try:
            merged = _merge(merged, _piece(file, text, rendered))
        except RecursionError:
            cure = "let no anchor (&name) hold its own alias (*name)"
            raise fault(file, "holds itself, or is too deep", cure) from None
    if not any(_is(entry, EXECUTABLE) for entry in merged.get("write_files", ())):
        raise fault(
            top,
            f"no entry of write_files has the content {EXECUTABLE}, so no pilot would run",
            f"add an entry with a path and 'content: {EXECUTABLE}'",
        )
    return Template(merged, rendered)


def _is(entry: Any, placeholder: str) -> bool:
    return isinstance(entry.get("content"), str) and entry["content"].strip() == placeholder


def holds_proxy(document: dict[str, Any]) -> bool:
    """Whether the document has a place for a proxy."""
    return any(_is(entry, PROXY) for entry in document["write_files"])


def _piece(file: Path, text: str, rendered: bool) -> dict[str, Any]:
    piece = _read(file, text, rendered)
    resolved: dict[str, Any] = _resolve(piece, file)
    if rendered:
        others = ((named(file, name), taken(file, name)) for name in _taken(piece))
        jinja.check(file, text, dumped(resolved, jinja=True), others)
    return resolved


def _read(file: Path, text: str, rendered: bool) -> dict[str, Any]:
    """The piece as it is written. ``rendered``: on the VM, once more."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
        piece = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders are the safe ones
    except yaml.YAMLError as error:
        cure = jinja.YAML_FIRST if rendered else "correct that line"
        raise fault(file, f"is not valid YAML: {_reason(error)}", cure) from error
    except ValueError as error:  # of what Python has no value for
        raise fault(file, f"holds a date or number that is none: {error}", "correct it, or quote it") from error
    if not isinstance(piece, dict):
        raise fault(file, "line 1: is not a mapping of cloud-config keys", "start it with '#cloud-config'")
    for again in _twice(node):
        problem = f"{again.value} stands twice, and cloud-init takes the last alone"
        raise fault(file, f"line {again.start_mark.line + 1}: {problem}", "put all of it under one")
    # An empty list, as sites leave it: cloud-init stumbles over one that is nothing at all.
    piece = {key: value for key, value in piece.items() if value is not None or key not in _LISTS}
    for place, problem in _problems(piece):
        raise fault(file, f"line {_line(node, place)}: {problem}", "see cloud-init's modules reference")
    return piece


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else " ".join(problem.split())


def _twice(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """The names of the document that stand there a second time."""
    seen = set[str]()
    for name, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(name, yaml.ScalarNode) and name.value != "<<":
            if name.value in seen:
                yield name
            seen.add(name.value)


def _line(node: yaml.Node | None, place: tuple[str | int, ...]) -> int:
    """The line (from 1) of what stands at ``place`` in a YAML document, as deep as it can be followed."""
    for step in place:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == step), node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
    return int(node.start_mark.line) + 1 if node else 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float) or (isinstance(value, dict) and set(value) == {"from"})


def _problems(piece: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where cloud-init would stumble over the parts that tfce reads or writes itself."""
    for key in _LISTS:
        if key in piece and not isinstance(piece[key], list):
            yield (key,), f"{key} is not a list: write each of it in a line of its own, after a dash"
            return
    for index, entry in enumerate(piece.get("write_files", ())):
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            yield ("write_files", index), "an entry of write_files has no path"
        elif not isinstance(entry.get("content", ""), str | bytes) and not _is_text(entry["content"]):
            yield ("write_files", index, "content"), f"the content of {entry['path']} is not text"
    for key in ("runcmd", "bootcmd"):
        for index, command in enumerate(piece.get(key, ())):
            words = command if isinstance(command, list) else [command]
            if command is not None and not all(_is_text(word) for word in words):
                yield (key, index), f"an entry of {key} is neither a string nor a list of strings"


def _resolve(value: Any, file: Path) -> Any:
    if isinstance(value, list):
        return [_resolve(item, file) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"from"} and isinstance(value["from"], str):
        return taken(file, value["from"])
    return {key: _resolve(item, file) for key, item in value.items()}


def _taken(value: Any) -> Iterator[str]:
    """The names of the files that a piece takes in."""
    if isinstance(value, dict) and set(value) == {"from"} and isinstance(value["from"], str):
        yield value["from"]
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _taken(item)


def _merge(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Lists are appended, mappings united, anything else is replaced by the later piece."""
    merged = dict(first)
    for key, value in second.items():
        old = merged.get(key)
        if isinstance(old, list) and isinstance(value, list):
            merged[key] = old + value
        elif isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged
