"""What was done to a queue's pilots, by whom, when and why: its journal, read for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tfce.model.drain import Drain
from tfce.model.made import offering
from tfce.model.pilot import moment
from tfce.model.record import Record
from tfce.model.words import counted
from tfce.pilots.history import about
from tfce.pilots.naming import named
from tfce.store import elsewhere
from tfce.store.workspace import Workspace

_DIGEST = 12  # characters of one, for people


@dataclass(frozen=True)
class Happening:
    """One line of a queue's journal. ``time``: aware, UTC. ``who``: ``user@host (program, pid)``, "" in lines of
    older versions. ``pilots``: how many it is about; ``what``: for people; ``facts``: the line itself."""

    time: datetime
    queue: str
    who: str
    event: str
    pilots: int
    what: str
    facts: Mapping[str, Any]


def chronicle(
    workspace: Workspace, since: datetime | None = None, until: datetime | None = None, pilot: str = ""
) -> list[Happening]:
    """What the queue's journal tells, the oldest first, from ``since`` up to ``until``, of ``pilot`` (reference,
    stamp or VM's name) only where one is named. Asks nothing of the cloud; unreadable lines are left out."""
    return happenings(workspace, elsewhere.told(workspace).lines, since, until, pilot)


def happenings(
    workspace: Workspace,
    lines: Iterable[Mapping[str, Any]],
    since: datetime | None = None,
    until: datetime | None = None,
    pilot: str = "",
) -> list[Happening]:
    """The same of ``lines`` that somebody has read."""
    if pilot:
        record = workspace.load() if workspace.exists else Record("")
        lines = list(lines)
        key, node = named(workspace, pilot, lines, record)
        lines = [told for told in (about(line, key, node) for line in lines) if told]
    found = (_happening(workspace.queue.label, line) for line in lines)
    return [one for one in found if one and (since or one.time) <= one.time <= (until or one.time)]


def _happening(queue: str, line: Mapping[str, Any]) -> Happening | None:
    try:
        when = moment(line["time"])
    except (KeyError, ValueError, TypeError):
        return None
    event = str(line.get("event", "?"))
    number, what = _what(event, line)
    return Happening(when, queue, _who(line.get("by")), event, number, what, line)


def _who(by: object) -> str:
    if not isinstance(by, dict):
        return ""
    return f"{by.get('user', '?')}@{by.get('host', '?')} ({by.get('program', '?')}, {by.get('pid', '?')})"


def _what(event: str, line: Mapping[str, Any]) -> tuple[int, str]:
    """How many pilots a line is about, and what it says of them."""
    told = _TOLD.get(event)
    if told:
        return told(line)
    return 0, _plainly(line)


def _plainly(line: Mapping[str, Any]) -> str:
    """What a line holds, name by name; what is empty says nothing."""
    return ", ".join(f"{name} {value}" for name, value in line.items() if value and name not in _ALWAYS)


def _drained(line: Mapping[str, Any]) -> tuple[int, str]:
    if line.get("undone"):
        return 0, "pilots are started again"
    with suppress(ValueError):
        return 0, str(Drain.from_json({name: value for name, value in line.items() if name not in _ALWAYS}))
    return 0, _plainly(line)


def _image(line: Mapping[str, Any]) -> tuple[int, str]:
    made = f", made {line['made']}" if line.get("made") else ""
    before = f"; before: {line['was']}" if line.get("was") else ""
    return 0, f"new pilots have {line.get('image', '?')} ({line.get('name', '')}{made}){before}"


def _asked(line: Mapping[str, Any]) -> tuple[int, str]:
    number = _size(line.get("keys"))
    wanted = f"; {line['wanted']} wanted in all" if "wanted" in line else ""
    return number, f"{number} asked for{wanted}{_of_what(line.get('made'))}{_shape(line.get('shape'))}"


def _of_what(made: object) -> str:
    """In which offering, and of which image."""
    if not isinstance(made, dict):
        return ""
    image = f" of {made['image']}" if made.get("image") else ""
    return f"; {offering(made)}{image}" if offering(made) else ""


def _shape(shape: object) -> str:
    """The digest of what was asked for, and by which commit, and by whom, it was approved."""
    if not isinstance(shape, dict) or not shape.get("digest"):
        return ""
    digest = f"; shape {str(shape['digest'])[:_DIGEST]}"
    if not shape.get("commit"):
        return digest
    return f"{digest}, approved in {str(shape['commit'])[:_DIGEST]} by {shape.get('author', '?')}"


def _done(line: Mapping[str, Any]) -> tuple[int, str]:
    """What a verb came to, and what it cost."""
    parts = [f"{line['asked']} asked for, {line.get('granted', '?')} granted"] if "asked" in line else []
    parts += [f"fewer were tried: {line['limited']}"] if line.get("limited") else []
    parts += [f"failed ({line.get('kind', '?')}): {line['error']}"] if line.get("error") else []
    calls = line.get("calls")
    if isinstance(calls, dict):
        numbers = [number for number in calls.values() if isinstance(number, int)]
        parts.append(f"{counted(sum(numbers), 'API call')}, {line.get('seconds', '?')} s")
    return 0, f"{line.get('verb', '?')}: {'; '.join(parts)}"


def _made(line: Mapping[str, Any]) -> tuple[int, str]:
    created, failed = _size(line.get("created")), _kinds(line.get("failed"))
    return created + len(failed), ", ".join([f"{created} created", *_counted(failed)])


def _meant(line: Mapping[str, Any]) -> tuple[int, str]:
    causes = line.get("pilots")
    causes = list(causes.values()) if isinstance(causes, dict) else [causes] if causes else []
    return len(causes), ", ".join(_counted(map(str, causes))) or "nothing"


def _gone(line: Mapping[str, Any]) -> tuple[int, str]:
    vms = line.get("vms")
    reasons = [
        str(one.get("reason", "killed"))
        for one in (vms if isinstance(vms, list) else [vms])
        if isinstance(one, dict)
    ]
    failed = _size(line.get("failed"))
    return len(reasons), ", ".join(_counted(reasons) + [f"{failed} not removed"] * bool(failed)) or "nothing"


def _found(line: Mapping[str, Any]) -> tuple[int, str]:
    adopted, never = _size(line.get("adopted")), _size(line.get("never_created"))
    return adopted + never, f"{adopted} taken back, {never} never created"


def _repaired(line: Mapping[str, Any]) -> tuple[int, str]:
    done, adopted = line.get("done"), _size(line.get("adopted"))
    return adopted, "; ".join([*map(str, done if isinstance(done, list) else ()), f"{adopted} taken back"])


_TOLD: Mapping[str, Callable[[Mapping[str, Any]], tuple[int, str]]] = {
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
_ALWAYS = frozenset(("time", "event", "by"))


def _size(value: object) -> int:
    if isinstance(value, str):
        return 1
    return len(value) if isinstance(value, dict | list) else 0


def _kinds(failed: object) -> list[str]:
    """Why pilots failed, by kind; ``failed`` is by key, or the reason of one."""
    reasons = failed.values() if isinstance(failed, dict) and "kind" not in failed else [failed]
    return [f"refused ({one['kind']})" for one in reasons if isinstance(one, dict) and "kind" in one]


def _counted(words: Iterable[str]) -> list[str]:
    return [f"{number} {word}" for word, number in Counter(words).most_common()]
