"""Fetches what was merged, no more often than is due, and reads it as text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tfce.config import trust
from tfce.config.approved import Source
from tfce.model.errors import TfceError
from tfce.model.pilot import moment, timestamp
from tfce.model.review import Approval
from tfce.review import boundary, git
from tfce.store import files, locks
from tfce.store.review_copies import SHAPE

_PATIENCE = 60.0  # seconds of a fetch


@dataclass(frozen=True)
class MergedShape:
    """The files of a queue's shape as they were merged, by name; none: nothing is approved. ``tip``: the commit in
    which they were looked for."""

    texts: dict[str, str]
    approval: Approval | None = None
    tip: str = ""


def merged(
    source: Source, folder: str, mirrors: Path, age: int, now: datetime, known: MergedShape
) -> tuple[MergedShape, str]:
    """What is approved in ``folder`` (``shape/<ce>/<queue>``) at ``source``; and why that may be out of date.
    ``known`` is it where its commit is still the newest: then no process is started. Raises ``TfceError`` where
    nothing can be said."""
    if source.folder is not None:
        return _in_folder(source, source.folder / folder), ""
    mirror = files.private_folder(mirrors / hashlib.sha256(source.address.encode()).hexdigest()[:16])
    commit, trouble = _fetched(source, mirror, age, now)
    if known.approval is not None and known.tip == commit:
        return known, trouble
    path = f"{source.below}/{folder}" if source.below else folder
    texts = _whole(lambda name: git.read(mirror, commit, f"{path}/{name}"), str(source))
    if not texts:
        return MergedShape({}, tip=commit), trouble
    brought, author, date = git.brought_by(mirror, commit, path)
    return MergedShape(
        texts, Approval(boundary.digest(texts), str(source), brought, author, date), commit
    ), trouble


def _whole(read: Callable[[str], str | None], where: str) -> dict[str, str]:
    found = {name: text for name in SHAPE if (text := read(name)) is not None}
    if found and len(found) < len(SHAPE):
        missing = ", ".join(name for name in SHAPE if name not in found)
        raise boundary.ShapeError(f"{where} has no {missing} beside {', '.join(found)}", "merge all of a proposal")
    return found


def _in_folder(source: Source, folder: Path) -> MergedShape:
    top = Path(source.address)
    try:
        trust.checked(top)
        texts = _whole(lambda name: trust.read_beneath(top, folder / name), str(source))
    except (OSError, UnicodeDecodeError, trust.DistrustError) as error:
        raise git.GitError(f"{top}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not texts:
        return MergedShape({})
    written = max((folder / name).stat().st_mtime for name in SHAPE)
    date = timestamp(datetime.fromtimestamp(written, UTC))
    return MergedShape(texts, Approval(boundary.digest(texts), str(source), date=date))


# -- fetching ----------------------------------------------------------------------------------------------


def _fetched(source: Source, mirror: Path, age: int, now: datetime) -> tuple[str, str]:
    """The commit of the last fetch, made again when older than ``age`` seconds, and what went wrong.
    One copy serves all queues of a repository."""
    mark = mirror / f"{hashlib.sha256(source.ref.encode()).hexdigest()[:16]}.json"
    known = files.believed_json(mark)
    if not _due(known, age, now):
        return _told(known)
    with locks.exclusive(mirror / "fetch.lock", _PATIENCE * 2, str(source)):
        known = files.believed_json(mark)
        if _due(known, age, now):
            known = {**known, **_attempt(source, mirror), "tried": timestamp(now)}
            files.write_json(mark, known)
    return _told(known)


def _attempt(source: Source, mirror: Path) -> dict[str, str]:
    try:
        if source.local is not None:
            trust.checked(source.local)
        return {"commit": git.fetch(mirror, source.address, source.ref, _PATIENCE), "trouble": ""}
    except TfceError as error:
        return {"trouble": error.message}
    except OSError as error:
        return {"trouble": f"{source.address}: cannot be read ({error.strerror})"}


def _due(known: dict[str, object], age: int, now: datetime) -> bool:
    try:
        return not timedelta(0) <= now - moment(str(known["tried"])) < timedelta(seconds=age)
    except (KeyError, ValueError):
        return True


def _told(known: dict[str, object]) -> tuple[str, str]:
    commit, trouble = str(known.get("commit", "")), str(known.get("trouble", ""))
    if not commit:
        raise git.GitError(trouble or "nothing was fetched yet")
    return commit, trouble
