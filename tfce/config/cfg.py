"""A queue's parameters from a DIRAC CFG file: the text pasted from the Configuration Service will do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diraccfg import CFG

from tfce.config import clouds_yaml, host, options, paths, trust
from tfce.config.options import Queue
from tfce.model.errors import ConfigError

_NONE_CURE = "a queue is `CEs { <ce> { CEType = Terraform ... Queues { <queue> { ... } } } }`, in any section"
_CFG_CURE = "check its braces, and that no section stands twice"


@dataclass(frozen=True)
class _Found:
    """A CE section in the file: where, its options merged from the levels above, and its queues."""

    path: str
    ce: str
    options: dict[str, str]
    queues: dict[str, dict[str, str]]


def load_queue(path: Path, name: str) -> Queue:
    """The queue ``name`` ("CE/QUEUE") from the CFG file ``path``.

    The CE may stand anywhere in the file, with a ``Queues`` section below it. Options merge as in DIRAC:
    /Resources/Computing/Terraform, then the CE's, then the queue's own. Raises ``ConfigError``.
    """
    return _queue(_read(path), path, name)


def load_named(path: Path, names: Collection[str]) -> list[Queue]:
    """The queues ``names``. The file is read once. Raises ``ConfigError`` for the first that is not fit."""
    tree = _read(path)
    return [_queue(tree, path, name) for name in names]


def load_queues(path: Path) -> dict[str, Queue | ConfigError]:
    """Every queue of a CFG file that tfce serves, or what is wrong with it. Raises ``ConfigError`` where the file
    cannot be read, or has none."""
    tree = _read(path)
    found = {name: _or_fault(tree, path, name) for name in _names(tree)}
    if not found:
        raise _stray(path) or ConfigError("--config", str(path), "holds no queue that tfce serves", _cure(tree))
    return found


def _cure(tree: dict[str, Any]) -> str:
    """What to do where no queue is tfce's. Whoever comes from CloudCE has all but one line."""
    theirs = [entry.ce for entry in _elements(tree, "") if _kind(entry.options) == "Cloud"]
    return f"{', '.join(theirs)}: there CEType = Cloud becomes CEType = Terraform" if theirs else _NONE_CURE


def _or_fault(tree: dict[str, Any], path: Path, name: str) -> Queue | ConfigError:
    try:
        return _queue(tree, path, name)
    except ConfigError as error:
        return error


def _kind(options: dict[str, str]) -> str:
    return options.get("CEType", "Terraform")


def _queue(tree: dict[str, Any], path: Path, name: str) -> Queue:
    ce, _, queue = name.partition("/")
    found = [entry for entry in _elements(tree, "") if entry.ce == ce and queue in entry.queues]
    if len(found) != 1:
        raise _not_one(path, name, tree, found)
    defaults = _defaults(tree)
    merged = {**defaults, **found[0].options, **found[0].queues[queue]}
    kind = _kind(merged)
    if kind != "Terraform":
        raise ConfigError("CEType", kind, f"{name} is not served by tfce", "set CEType = Terraform")
    values = clouds_yaml.expanded(merged)
    state_root = paths.state_root(values.get("Workspace_Root"))
    return host.admitted(options.parse(ce, queue, values, paths.auth_root(), state_root))


def queue_names(path: Path) -> list[str]:
    """The ``CE/QUEUE`` names in a CFG file that tfce serves: a whole configuration has other CEs, too."""
    return _names(_read(path))


def _names(tree: dict[str, Any]) -> list[str]:
    """A queue that stands twice is tfce's if either is."""
    defaults, served = _defaults(tree), dict[str, bool]()
    for entry in _elements(tree, ""):
        for queue, own in entry.queues.items():
            name, ours = f"{entry.ce}/{queue}", _kind({**defaults, **entry.options, **own}) == "Terraform"
            served[name] = served.get(name, False) or ours
    return [name for name, ours in served.items() if ours]


def _read(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        tree: dict[str, Any] = CFG().loadFromBuffer(text).getAsDict()
    except Exception as error:  # diraccfg raises bare Exception
        raise ConfigError("--config", str(path), f"is no DIRAC CFG ({error})", _CFG_CURE) from None
    return tree


def _text(path: Path) -> str:
    with trust.for_option("--config", path):
        try:
            return trust.read(path).removeprefix("\ufeff")  # what some editors write before UTF-8
        except UnicodeDecodeError:
            raise ConfigError("--config", str(path), "is not text", "name a DIRAC CFG file") from None


def _elements(tree: dict[str, Any], path: str) -> Iterator[_Found]:
    for name, section in tree.items():
        if not isinstance(section, dict):
            continue
        queues = section.get("Queues")
        if isinstance(queues, dict):
            own = {key: value for key, value in section.items() if not isinstance(value, dict)}
            yield _Found(f"{path}/{name}", name, own, {q: v for q, v in queues.items() if isinstance(v, dict)})
        else:
            yield from _elements(section, f"{path}/{name}")


def _defaults(tree: dict[str, Any]) -> dict[str, str]:
    computing = _section(_section(tree, "Resources"), "Computing")
    merged: dict[str, str] = {}
    for name in ("CEDefaults", "Terraform"):
        values = _section(computing, name)
        merged |= {key: value for key, value in values.items() if not isinstance(value, dict)}
    return merged


def _section(tree: dict[str, Any], name: str) -> dict[str, Any]:
    section = tree.get(name)
    return section if isinstance(section, dict) else {}


def _not_one(path: Path, name: str, tree: dict[str, Any], found: list[_Found]) -> ConfigError:
    if found:
        where = ", ".join(entry.path for entry in found)
        return ConfigError("CE/QUEUE", name, f"stands more than once in {path}: {where}", "leave one of them")
    names = ", ".join(_names(tree))
    cure = f"use one of: {names or 'none is configured'}"
    return _stray(path) or ConfigError("CE/QUEUE", name, f"is not in {path}", cure)


def _stray(path: Path) -> ConfigError | None:
    """The error of a line that is neither an option nor a section: diraccfg takes it for the start of the next
    section's name, and nobody finds that one."""
    text = _text(path)
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if "{" in text]
    lines = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    for (number, line), (_, after) in zip(lines, [*lines[1:], (0, "")], strict=False):
        if not set(line) & set("={}") and not after.startswith("{"):
            problem = f"line {number} is neither `option = value` nor the name of a section"
            return ConfigError("--config", str(path), problem, "correct that line")
    return None
