"""What the errors of other clouds mean: they share no codes but HTTP's status, and exceptions of libcloud's that
say a kind (credentials, rate limit). So the words of those APIs stay unclassified."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tfce.cloud.explain import silent
from tfce.cloud.http import Body, LastAnswer
from tfce.model.reasons import Kind, Reason

_STATUS: Mapping[str, Kind] = {
    "401": Kind.AUTHENTICATION,
    "429": Kind.THROTTLED,
    **dict.fromkeys(("408", "500", "502", "503", "504"), Kind.UNREACHABLE),
}
_CODE = re.compile(r"^(\d{3})\b")
# libcloud's own exceptions, as its translation names them
_RATE = re.compile(r"RateLimitReachedError|Rate limit")


def says_no_such(last: LastAnswer, text: str) -> bool:
    """Whether the answer to the question for one VM says that there is none. CloudStack has a status of its own
    for a parameter that it does not like. A page is a gateway's."""
    if last.body is Body.PAGE:
        return False
    return last.status in (404, 410) or (last.status == 431 and "entity does not exist" in text)


def reason_of_message(text: str) -> Reason:
    """What a text means that a driver's error ended in."""
    found = _CODE.search(text)
    if found and found.group(1) in _STATUS:
        return Reason(_STATUS[found.group(1)], text, found.group(1))
    if _RATE.search(text):
        return Reason(Kind.THROTTLED, text)
    kind = Kind.UNREACHABLE if silent(text) else Kind.UNCLASSIFIED
    return Reason(kind, text, found.group(1) if found else "")
