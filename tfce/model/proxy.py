"""Which pilots get a proxy of their own in the VM. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TWO_WEEKS = 1209600


@dataclass(frozen=True)
class ProxyRule:
    """``seconds`` that such a proxy must last, None: there is none. ``always``: said by the administrator, so it
    also holds where the pilot wrapper brings a proxy."""

    seconds: int | None = TWO_WEEKS
    always: bool = False

    def lifetime(self, brought: bool) -> int | None:
        """How long the VM's own proxy must last, where the wrapper has ``brought`` one; None: no own proxy."""
        return self.seconds if self.always or not brought else None
