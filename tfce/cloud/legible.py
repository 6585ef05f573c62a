"""Says what a refusal says that is in no API's own words: a gateway's or portal's before the cloud."""

from __future__ import annotations

from typing import Any


def bare(response: Any) -> str:
    """Status, reason and text of a response of libcloud's, as they came."""
    return f"{response.status} {response.error or ''} {response.body or ''}".strip()
