"""Counting the API calls that a Terraform provider makes, from its own request log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_REQUEST = re.compile(
    r"DEBUG: Request (?:\w+)/(?P<v1>\w+) Details"  # AWS SDK 1: hashicorp/aws 3
    r"|HTTP Request Sent:.*?rpc\.method\"?[=:] ?\"?(?P<v2>\w+)"  # AWS SDK 2: hashicorp/aws 5
)


def count_calls(lines: Iterable[str]) -> Counter[str]:
    """API calls by action in the log ``lines`` of a provider run with ``TF_LOG_PROVIDER=DEBUG``."""
    counts: Counter[str] = Counter()
    for line in lines:
        found = _REQUEST.search(line)
        if found:
            counts[found.group("v1") or found.group("v2")] += 1
    return counts
