"""DIRAC's answers: S_OK(value) or S_ERROR(message), as dictionaries."""

from __future__ import annotations

from typing import Any

from tfce.model.errors import TfceError

# {"OK": True, "Value": ...} or {"OK": False, "Message": ...}: DIRAC has no types where ours are checked.
Answer = Any


def value(answer: Answer, failure: str) -> Any:
    """What a call of DIRAC's returned. Raises ``TfceError``, ``failure`` with DIRAC's message, if it failed."""
    if not answer["OK"]:
        raise TfceError(f"{failure}: {answer['Message']}")
    return answer["Value"]
