"""What was done to a queue's pilots, by whom, when and why: its journal, read for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tfce.model.entries import Entry
from tfce.model.plurals import counted
from tfce.model.record import Record
from tfce.model.vm_spec import VMSpec
from tfce.pilots.naming import named
from tfce.store.workspace import Workspace

_DIGEST = 12  # characters of one, for people


@dataclass(frozen=True)
class HistoryEntry:
    """One line of a queue's journal. ``time``: aware, UTC. ``who``: ``user@host (program, pid)``, "" in lines of
    older versions. ``pilots``: how many it is about; ``what``: for people; ``facts``: the line itself."""

    time: datetime
    queue: str
    who: str
    event: str
    pilots: int
    what: str
    facts: Mapping[str, Any]


def history_entries(
    workspace: Workspace,
    told: Iterable[Entry],
    since: datetime | None = None,
    until: datetime | None = None,
    pilot: str = "",
) -> list[HistoryEntry]:
    """What was ``told`` of the queue, the oldest first, from ``since`` up to ``until``, of ``pilot`` (reference,
    stamp or VM's name) only where one is named. Asks nothing of the cloud."""
    if pilot:
        record, told = workspace.load() if workspace.exists else Record(""), list(told)
        key, node = named(workspace, pilot, told, record)
        told = [one for one in (entry.about(key, node) for entry in told) if one]
    told = [one for one in told if (since or one.time) <= one.time <= (until or one.time)]
    return [_history_entry(workspace.queue.label, one) for one in told]


def _history_entry(queue: str, entry: Entry) -> HistoryEntry:
    number, what = _TOLD.get(entry.event, _plainly)(entry)
    return HistoryEntry(entry.time, queue, entry.who, entry.event, number, what, entry.facts)


def _plainly(entry: Entry) -> tuple[int, str]:
    """What an entry holds, name by name; what is empty says nothing."""
    return 0, ", ".join(f"{name} {value}" for name, value in entry.more.items() if value)


def _drained(entry: Entry) -> tuple[int, str]:
    if entry.facts.get("undone"):
        return 0, "pilots are started again"
    return (0, str(entry.drain)) if entry.drain else _plainly(entry)


def _image(entry: Entry) -> tuple[int, str]:
    made = f", made {entry.word('made')}" if entry.facts.get("made") else ""
    before = f"; before: {entry.word('was')}" if entry.facts.get("was") else ""
    return 0, f"new pilots have {entry.word('image', '?')} ({entry.word('name')}{made}){before}"


def _asked(entry: Entry) -> tuple[int, str]:
    number, wanted = entry.size("keys"), entry.word("wanted")
    all_of_them = f"; {wanted} wanted in all" if wanted else ""
    return number, f"{number} asked for{all_of_them}{_of_what(entry.spec)}{_shape(entry.shape)}"


def _of_what(spec: VMSpec) -> str:
    """In which offering, and of which image."""
    image = f" of {spec.image}" if spec.image else ""
    return f"; {spec}{image}" if str(spec) else ""


def _shape(shape: Mapping[str, str]) -> str:
    """The digest of what was asked for, and by which commit, and by whom, it was approved."""
    if not shape.get("digest"):
        return ""
    digest = f"; shape {shape['digest'][:_DIGEST]}"
    if not shape.get("commit"):
        return digest
    return f"{digest}, approved in {shape['commit'][:_DIGEST]} by {shape.get('author', '?')}"


def _done(entry: Entry) -> tuple[int, str]:
    """What a verb came to, and what it cost."""
    asked, limited, error = map(entry.word, ("asked", "limited", "error"))
    parts = [f"{asked} asked for, {entry.word('granted', '?')} granted"] * bool(asked)
    parts += [f"fewer were tried: {limited}"] * bool(limited)
    parts += [f"failed ({entry.word('kind', '?')}): {error}"] * bool(error)
    if entry.calls is not None:
        parts.append(f"{counted(entry.calls, 'API call')}, {entry.word('seconds', '?')} s")
    return 0, f"{entry.word('verb', '?')}: {'; '.join(parts)}"


def _made(entry: Entry) -> tuple[int, str]:
    created, failed = entry.size("created"), [f"refused ({kind})" for kind in entry.refusals]
    return created + len(failed), ", ".join([f"{created} created", *_counted(failed)])


def _meant(entry: Entry) -> tuple[int, str]:
    return len(entry.causes), ", ".join(_counted(entry.causes)) or "nothing"


def _gone(entry: Entry) -> tuple[int, str]:
    failed = entry.size("failed")
    told = _counted(entry.endings) + [f"{failed} not removed"] * bool(failed)
    return len(entry.endings), ", ".join(told) or "nothing"


def _found(entry: Entry) -> tuple[int, str]:
    adopted, never = entry.size("adopted"), entry.size("never_created")
    return adopted + never, f"{adopted} taken back, {never} never created"


def _repaired(entry: Entry) -> tuple[int, str]:
    done, adopted = entry.facts.get("done"), entry.size("adopted")
    return adopted, "; ".join([*map(str, done if isinstance(done, list) else ()), f"{adopted} taken back"])


_TOLD: Mapping[str, Callable[[Entry], tuple[int, str]]] = {
    "submit": _asked,
    "submitted": _made,
    "remove": _meant,
    "removed": _gone,
    "killed": _gone,
    "recovered": _found,
    "repaired": _repaired,
    "done": _done,
    "drain": _drained,
    "image": _image,
}


def _counted(words: Iterable[str]) -> list[str]:
    return [f"{number} {word}" for word, number in Counter(words).most_common()]
