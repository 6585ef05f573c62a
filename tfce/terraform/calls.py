"""Counts the API calls of a ready-made provider, from its own request log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tfce.cloud.calls import plain_call

# A record starts with a time; its fields come in any order, and a request's body breaks it into lines.
_RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_REQUEST_V1 = re.compile(r"DEBUG: Request \w+/(\w+) Details")  # AWS SDK 1: hashicorp/aws 3
_SENT_V2 = "HTTP Request Sent:"  # AWS SDK 2: hashicorp/aws 5
_REQUEST_OPENSTACK = re.compile(r"OpenStack Request URL: (\w+) (\S+?):? timestamp=")
_METHOD_V2 = re.compile(r"\brpc\.method=\"?(\w+)")


def count_calls(lines: Iterable[str]) -> Counter[str]:
    """API calls by action in the log ``lines`` of a provider run with ``TF_LOG=DEBUG``."""
    counts: Counter[str] = Counter()
    sent = False
    for line in lines:
        if _RECORD.match(line):
            sent = _SENT_V2 in line
            first = _REQUEST_V1.search(line)
            if first:
                counts[first.group(1)] += 1
            rest = _REQUEST_OPENSTACK.search(line)
            if rest:
                counts[plain_call(rest.group(1), rest.group(2))] += 1
        method = _METHOD_V2.search(line) if sent else None
        if method:
            counts[method.group(1)] += 1
            sent = False
    return counts
