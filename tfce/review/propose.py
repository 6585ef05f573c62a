"""What changes for new pilots, as a branch for people to merge, and in words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tfce.config.options import Queue
from tfce.model.errors import TfceError
from tfce.model.review import Difference
from tfce.review import boundary, git, shape
from tfce.review.commits import Clone
from tfce.store.review_copies import SHAPE, ReviewCopies
from tfce.store.workspace import slug

_KEEP = "Running pilots keep what they were made of."


@dataclass(frozen=True)
class Change:
    """What becomes of a queue's shape. ``before``, ``after``: its files by name ("" where there is none); ``old``,
    ``new``: what they mean (None: no shape, ``trouble`` says why)."""

    label: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    old: boundary.CheckedShape | None
    new: boundary.CheckedShape | None
    trouble: str = ""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What new pilots have otherwise, by option; ``approved`` is before, ``asked`` after."""
        if self.old is None or self.new is None:
            return ()
        pins = (self.old.template, self.new.template), (self.old.module, self.new.module)
        options = boundary.differences(self.old.queue, self.new.queue)
        return (*options, *shape.repinned(*pins), *self.new.elsewhere)

    def diff(self) -> str:
        """A unified diff of the files."""
        lines: list[str] = []
        for name in SHAPE:
            old, new = (side.get(name, "").splitlines(keepends=True) for side in (self.before, self.after))
            lines += difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
        return "".join(lines)


def folder(queue: Queue) -> str:
    """Where the shape of ``queue`` is in a repository."""
    return ReviewCopies(queue.workspace.files, slug(queue.ce), slug(queue.name)).shape_folder


def below(queue: Queue) -> str:
    """The folder of the clone that has ``shape/``, with its slash, "" for the top."""
    source = queue.review.approved
    return f"{source.below}/" if source and source.below else ""


def change(queue: Queue, before: Mapping[str, str], after: Mapping[str, str]) -> Change:
    """What it means that ``before`` becomes ``after``."""
    old, _ = _meant(before, queue)
    new, trouble = _meant(after, queue)
    return Change(queue.label, before, after, old, new, trouble)


def _meant(texts: Mapping[str, str], queue: Queue) -> tuple[boundary.CheckedShape | None, str]:
    if set(texts) != set(SHAPE):
        return None, "there is no shape"
    try:
        return boundary.checked(texts, queue), ""
    except TfceError as error:
        return None, error.message


def committed(clone: Clone, commit: str, queue: Queue) -> dict[str, str]:
    """The files of the shape in ``commit``, by name; what is no plain file is left out."""
    return existing(lambda name: clone.text(commit, f"{below(queue)}{folder(queue)}/{name}"))


def existing(read: Callable[[str], str | None]) -> dict[str, str]:
    """Those files of a shape that there are."""
    found: dict[str, str] = {}
    for name in SHAPE:
        try:
            text = read(name)
        except git.GitError:
            continue
        if text is not None:
            found[name] = text
    return found


def propose(clone: Clone, queue: Queue, base: str = "", branch: str = "") -> tuple[Change, str]:
    """Write a branch with the shape that the options ask for, on ``base``; its name, "" where nothing is to be
    proposed."""
    approved = queue.review.approved
    start = clone.base(base, approved.ref if approved else "")
    found = change(queue, committed(clone, start, queue), shape.texts(queue))
    if found.new is None:
        raise git.GitError(f"what the options ask for would not be taken: {found.trouble}")
    if found.before == found.after:
        return found, ""
    name = branch or f"tfce/{slug(queue.ce)}-{slug(queue.name)}-{found.new.digest[:8]}"
    paths = {f"{below(queue)}{folder(queue)}/{file}": text for file, text in found.after.items()}
    known = clone.commit_of(f"refs/heads/{name}")
    if not known or any(clone.text(known, path) != text for path, text in paths.items()):
        clone.commit(start, paths, message(found), name)
    return found, name


def message(found: Change) -> str:
    """What the commit says."""
    changes = found.differences
    if not changes:
        head = "its shape" if found.before else "its first shape"
    else:
        head = f"{changes[0].option} {changes[0].approved} to {changes[0].asked}" if len(changes) == 1 else ""
        head = head if 0 < len(head) < 60 else ", ".join(one.option for one in changes)
    lines = [f"- {one.option}: {one.approved or 'nothing'} -> {one.asked or 'nothing'}" for one in changes]
    return "\n".join([f"{found.label}: {head}"[:200], "", *lines, *([""] * bool(lines)), _KEEP, ""])
