"""Writes the reviewers' copies of a queue, shape and scale apart, into a folder that a site may keep in git."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tfce.config import trust
from tfce.model.errors import TfceError
from tfce.store import files

VARIABLES, REST, SCALE = "queue.tfvars", "pilot.json", "scale.tfvars.json"
SHAPE = (VARIABLES, REST)


class ReviewCopies:
    """The copies of one queue below ``root``: nothing in them is believed."""

    def __init__(self, root: Path, ce: str, queue: str) -> None:
        self.root, self._old = root, root / ce / queue
        self.shape_folder, self.scale_file = f"shape/{ce}/{queue}", f"scale/{ce}/{queue}/{SCALE}"
        self.shape, self.scale = root / self.shape_folder, root / self.scale_file

    def named(self) -> list[Path]:
        """Which copies may have the installation's name: this queue's first, then the others', those of older
        versions, too."""
        others = [
            *files.listed(self.root, f"scale/*/*/{SCALE}"),
            *files.listed(self.root, f"*/*/{VARIABLES}"),
        ]
        return [self.scale, self._old / VARIABLES, *sorted(others)]

    def path(self, name: str) -> Path:
        """Where the copy called ``name`` is."""
        return self.scale if name == SCALE else self.shape / name

    def publish(self, texts: Mapping[str, str | None]) -> list[Path]:
        """Bring the copies up to date (None: nobody knows what one should say); the files that changed."""
        for folder in (self.shape, self.scale.parent):
            for one in (folder.parent.parent, folder.parent, folder):
                if one.is_symlink():  # it may have come with somebody's commit
                    files.put_aside(one)
        wanted = {self.path(name): text for name, text in texts.items()}
        changed = [path for path, text in wanted.items() if text is not None and files.renew(path, text, 0o644)]
        self._move()
        return changed

    def _move(self) -> None:
        """Shape and scale once lay in one folder: what was left there would be out of date from now on."""
        if self._old.parent.is_symlink() or self._old.is_symlink():
            return
        with suppress(OSError):  # something else lies there: it is somebody's
            for name in (VARIABLES, SCALE):
                (self._old / name).unlink(missing_ok=True)
            self._old.rmdir()
            self._old.parent.rmdir()

    def difference(self, texts: Mapping[str, str]) -> str:
        """A unified diff from the copies to what they should say, by name; empty when they are up to date."""
        lines: list[str] = []
        for name, text in texts.items():
            path = self.path(name)
            old, new = (self._text(path) or "").splitlines(keepends=True), text.splitlines(keepends=True)
            lines += difflib.unified_diff(old, new, str(path), f"{path} (as it should be)")
        return "".join(lines)

    def _text(self, path: Path) -> str | None:
        """What a copy says. A link there may have come with somebody's commit: it is not followed."""
        try:
            return trust.read_beneath(self.root, path)
        except (OSError, ValueError, TfceError):
            return None
