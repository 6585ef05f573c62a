"""What the rigs raise."""

from __future__ import annotations


class RigError(RuntimeError):
    """A rig cannot be had here, or not be asked; the text says why and where the log is."""
