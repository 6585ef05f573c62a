"""DIRAC's answers, S_OK(value) or S_ERROR(message), as the dictionaries that they are."""

from __future__ import annotations

from typing import Generic, Literal, NotRequired, TypedDict, TypeVar, cast

from DIRAC import S_ERROR, S_OK

from tfce.model.errors import TfceError

Value = TypeVar("Value")


class Good(TypedDict, Generic[Value]):
    """S_OK. The names below ``Value`` are beside it where DIRAC looks for them there: in the answers of submitJob
    and getCEStatus."""

    OK: Literal[True]
    Value: Value
    PilotStampDict: NotRequired[dict[str, str]]
    SubmittedJobs: NotRequired[int]
    WaitingJobs: NotRequired[int]
    RunningJobs: NotRequired[int]
    AvailableProcessors: NotRequired[int]


class Bad(TypedDict):
    """S_ERROR."""

    OK: Literal[False]
    Message: str
    Errno: NotRequired[int]
    CallStack: NotRequired[list[str]]


Answer = Good[Value] | Bad


def good(value: Value) -> Good[Value]:
    """S_OK(value)."""
    return cast("Good[Value]", S_OK(value))


def done() -> Good[None]:
    """S_OK()."""
    return cast("Good[None]", S_OK())


def bad(message: str) -> Bad:
    """S_ERROR(message)."""
    return cast("Bad", S_ERROR(message))


def value(answer: Answer[Value], failure: str, cure: str = "") -> Value:
    """What a call of DIRAC's returned. Raises ``TfceError`` if it failed: ``failure`` with DIRAC's message, and
    the ``cure``."""
    if answer["OK"] is False:
        raise TfceError(f"{failure}: {answer['Message']}", cure)
    return answer["Value"]
