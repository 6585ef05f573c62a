"""A template with all its pieces as one value, to compare and to keep."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tfce.userdata import dump
from tfce.userdata.template import load


def digest(path: Path | None) -> str:
    """Of what the template at ``path`` (None: tfce's own) says. Raises ``ConfigError`` where it says nothing."""
    template = load(path)
    return hashlib.sha256(repr((template.jinja, template.document)).encode()).hexdigest()


def whole(path: Path | None) -> str:
    """The template at ``path`` as one file, which says the same."""
    template = load(path)
    return dump.whole(template.document, template.jinja)
