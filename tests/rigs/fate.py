"""What a server that is to die asks: whether this is the moment. And how it keeps what it has. Nothing but the
standard library: it runs in other environments, too."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path
from typing import Any, Literal

Moment = Literal["undone", "unanswered"]
UNDONE: Moment = "undone"  # before what was asked is done
UNANSWERED: Moment = "unanswered"  # it is done, and nobody was told


class Fate:
    """The fate and the data of the server that has ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._doom, self._data = folder / "doom", folder / "data.pickle"

    def set(self, moment: Moment | None) -> None:
        """Let the server die at that moment of the next request that changes something; None: not any more."""
        if moment is None:
            self._doom.unlink(missing_ok=True)
        else:
            fresh = self._doom.with_suffix(".new")
            fresh.write_text(moment)
            fresh.replace(self._doom)

    def at(self, moment: Moment) -> None:
        """The server is there: it dies if that is its fate."""
        if self._doom.exists() and self._doom.read_text() == moment:
            self._doom.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def keep(self, data: Any) -> None:
        """Have it on disk, all or nothing of it."""
        fresh = self._data.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(data, pickle.HIGHEST_PROTOCOL))
        fresh.replace(self._data)

    def kept(self) -> Any:
        """What was kept last; None before that."""
        return pickle.loads(self._data.read_bytes()) if self._data.exists() else None
