"""Reads a text of an EC2 answer."""

from __future__ import annotations

from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findtext


def text_of(item: Any, path: str) -> str | None:
    """What stands at ``path`` in ``item``, None where nothing does."""
    found: str | None = findtext(item, path, NAMESPACE)
    return found
